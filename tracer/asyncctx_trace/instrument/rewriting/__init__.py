"""Tracing by rewriting compiled code objects."""
