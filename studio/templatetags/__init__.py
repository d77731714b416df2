"""Template tags and filters of every page; both libraries are built in, so no template has to load them."""
