"""Decide whether numpy is used; no other module of analysis does."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

__all__ = ["NUMPY_FROM", "has_numpy", "use_numpy"]

NUMPY_FROM = 2_000
"""The number of acquisitions or events from which numpy saves more time than its import takes."""


@cache
def has_numpy() -> bool:
    """Return whether numpy is installed."""
    return find_spec("numpy") is not None


def use_numpy(size: int) -> bool:
    """Return whether numpy is installed and faster for ``size`` acquisitions or events."""
    return size >= NUMPY_FROM and has_numpy()
