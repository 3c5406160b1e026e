"""Modules whose text is sent into other programs; each depends on the standard library alone."""
