"""Pages of the project itself: signing in, settings, the style guide, health."""
