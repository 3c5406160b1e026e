"""Hand-overs in the order of asking, without following the queue."""

from __future__ import annotations

from array import array

import numpy as np

from asyncctx_trace.analysis.kernels.vectorized.arrays import view
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["fill_in_order"]


def fill_in_order(timeline: Timeline, resource: int, releasers: array[int]) -> bool:
    """Set ``releasers[row]`` to the row whose exit let ``row`` in, for each that had to wait.

    As long as nobody gives up or overtakes, the n-th to ask gets the n-th unit that is free.
    Otherwise returns ``False``, and changes nothing.
    """
    rows = view(timeline.rows_of_resource[resource])
    answered, outcome = view(timeline.enter_ended)[rows], view(timeline.enter_outcome)[rows]
    if np.any((answered != NOT_YET) & (outcome != Outcome.OK)):
        return False
    asked = rows[np.argsort(view(timeline.enter_started)[rows], kind="stable")]
    freed = view(timeline.exit_ended)[rows]
    units = rows[np.argsort(freed, kind="stable")]
    units = units[np.count_nonzero(freed == NOT_YET) :]
    inside = view(timeline.enter_outcome)[asked] == Outcome.OK
    # The first few units have not been held before.
    fresh = timeline.resources[resource].capacity or 0
    if np.any(inside[fresh + len(units) :]):
        return False
    inside = inside[fresh : fresh + len(units)]
    rows, releaser = asked[fresh : fresh + len(units)][inside], units[: len(inside)][inside]
    freed, came = view(timeline.exit_ended)[releaser], view(timeline.enter_ended)[rows]
    if np.any(freed > came):
        return False
    had_to_wait = freed > view(timeline.enter_started)[rows]
    view(releasers)[rows[had_to_wait]] = releaser[had_to_wait]
    return True
