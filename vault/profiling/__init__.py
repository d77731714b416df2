"""What a dataset is like: one pass over its rows, groups of alike rows, and the numbers that the profile page draws."""
