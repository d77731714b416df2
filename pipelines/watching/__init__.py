"""Runs as people look at them: lists, pictures, timelines, comparisons."""
