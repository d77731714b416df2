"""Runs at work: starting, claiming, executing, pausing, doing again, and whose turn it is."""
