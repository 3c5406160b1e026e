"""Hand-overs in the order of asking: no faster way than to follow the queue."""

from __future__ import annotations

from array import array

from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = ["fill_in_order"]


def fill_in_order(timeline: Timeline, resource: int, releasers: array[int]) -> bool:
    """See :class:`~asyncctx_trace.analysis.kernels.protocol.Operations`; always ``False``."""
    return False
