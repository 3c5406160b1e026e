"""Sequences of acquisitions and waits, and the time they spend in each phase."""
