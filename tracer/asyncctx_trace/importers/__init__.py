"""Read what other tools store."""
