"""Tests that look at every ``async with``: a pytest plugin, off until asked."""

from asyncctx_trace.testing.lifecycles import Lifecycles

__all__ = ["Lifecycles"]
