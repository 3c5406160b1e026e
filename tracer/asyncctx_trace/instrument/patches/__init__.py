"""Patched functions of the standard library and of known libraries, one concern a module."""
