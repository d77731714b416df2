"""Editing together: operations laid over a version's rows, and the commit that makes the next version of them."""
