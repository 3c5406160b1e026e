"""Findings about the capacity of resources."""
