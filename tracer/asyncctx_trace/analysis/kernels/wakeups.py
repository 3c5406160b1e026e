"""Who unblocked whom where everybody waited for its turn, matched with numpy."""

from __future__ import annotations

from array import array

import numpy as np

from asyncctx_trace.analysis.kernels.columns import view
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["take_turns"]


def take_turns(snapshot: Snapshot, resource: int, givers: array[int]) -> bool:
    """Put into ``givers``, for each row that had to wait, the row whose exit let it in.

    Places are asked for and come free in some order each. As long as nobody gives up or overtakes,
    the first to ask gets the first place: no queue has to be gone through. Says ``False``, and
    does nothing, where it was otherwise.
    """
    timeline = snapshot.timeline
    rows = view(timeline.rows_of_resource[resource])
    answered, outcome = view(timeline.enter_ended)[rows], view(timeline.enter_outcome)[rows]
    if np.any((answered != NOT_YET) & (outcome != Outcome.OK)):
        return False
    asked = rows[np.argsort(view(timeline.enter_started)[rows], kind="stable")]
    freed = view(timeline.exit_ended)[rows]
    places = rows[np.argsort(freed, kind="stable")]
    places = places[np.count_nonzero(freed == NOT_YET) :]
    inside = view(timeline.enter_outcome)[asked] == Outcome.OK
    # The first few places have been held by nobody before.
    fresh = timeline.resources[resource].capacity or 0
    if np.any(inside[fresh + len(places) :]):
        return False
    inside = inside[fresh : fresh + len(places)]
    rows, place = asked[fresh : fresh + len(places)][inside], places[: len(inside)][inside]
    freed, came = view(timeline.exit_ended)[place], view(timeline.enter_ended)[rows]
    if np.any(freed > came):
        return False
    had_to = freed > view(timeline.enter_started)[rows]
    view(givers)[rows[had_to]] = place[had_to]
    return True
