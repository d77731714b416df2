"""Where a student loses, and the next round that is planned from it."""
