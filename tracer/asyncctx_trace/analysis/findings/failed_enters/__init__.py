"""Findings about enters that failed, or have not ended."""
