"""Drafts on the canvas and in the list: changes, layout, forms, templates, and the plan before a run."""
