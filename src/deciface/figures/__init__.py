"""Charts from result objects."""
