"""Tracing by wrapping: proxies, classes and awaitables."""
