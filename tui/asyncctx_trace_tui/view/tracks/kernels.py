"""The choice between the plain and the numpy implementation of track sums."""

from __future__ import annotations

from types import ModuleType

from asyncctx_trace.analysis.numpy_choice import has_numpy

__all__ = ["numpy_for"]

_MANY = 8
"""Rows above which numpy is faster than plain Python."""


def numpy_for(rows: int) -> ModuleType | None:
    """Return the numpy implementation if it is installed and faster for ``rows`` rows."""
    if rows <= _MANY or not has_numpy():
        return None
    from asyncctx_trace_tui.view.tracks import numpy_tracks  # numpy is slow to import

    return numpy_tracks
