"""What a snapshot knows of every acquisition, looked up with numpy."""

from __future__ import annotations

from array import array

import numpy as np

from asyncctx_trace.analysis.kernels.columns import column, view
from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = ["parents"]


def parents(timeline: Timeline) -> array[int]:
    """By row, the row of the acquisition around it; -1 where there is none."""
    ids, wanted = view(timeline.id), view(timeline.parent)
    found = np.full(len(ids), -1)
    some = np.flatnonzero(wanted)
    if len(some):
        wanted = wanted[some]
        order = np.argsort(ids, kind="stable")
        # Of several rows of one id the last one counts.
        place = np.searchsorted(ids[order], wanted, side="right") - 1
        rows = order[np.maximum(place, 0)]
        found[some] = np.where(ids[rows] == wanted, rows, -1)
    return column(found)
