"""A whole Studio whose parts are killed at random while it distils, and the books that must balance afterwards.

``python -m tests.chaos --kills 100`` does it with the embedded Studio (SQLite, its own broker); with ``STUDIO_DATABASE_URL`` set, on
that PostgreSQL server and a Redis server that it starts, kills and empties. ``make chaos`` does both.
"""
