"""Findings about tasks that wait for each other, or could."""
