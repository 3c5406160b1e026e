"""Acquisitions arranged in lanes, and the time they spend in each phase."""
