"""Reviewing together: which rows, by whom, what they said, how far they agree, and what comes of it."""
