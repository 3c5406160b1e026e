"""One format per module."""
