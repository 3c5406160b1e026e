"""Findings about exits: missing, late, failed, or in the wrong order or task."""
