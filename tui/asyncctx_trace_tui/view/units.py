"""Who held which unit of a resource's capacity, and when."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from asyncctx_trace.analysis.timeline import NOT_YET, Timeline
from asyncctx_trace.outcome import Outcome
from asyncctx_trace_tui.view.lanes import NEVER, Track

__all__ = ["Unit", "units"]

_OK = int(Outcome.OK)


class Unit(Track):
    """What one unit of a resource's capacity was held by; waits are left out."""

    holds_only = True


def units(timeline: Timeline, resource: int) -> list[Unit]:
    """The units of a resource: each holder takes the first that is free when it gets in.

    Where none is, it takes over from one that cleans up: a release lets the next one in before
    the exit around it is over.
    """
    entered = sorted(
        (timeline.enter_ended[row], row)
        for row in timeline.rows_of_resource.get(resource, ())
        if timeline.enter_outcome[row] == _OK
    )
    found: list[Unit] = []
    free: list[int] = []
    busy: list[tuple[int, int, int]] = []
    for at, row in entered:
        while busy and busy[0][0] <= at:
            heappush(free, heappop(busy)[1])
        leaving = None if free else next((b for b in busy if _leaves(timeline, b[2], at)), None)
        if leaving is not None:
            busy.remove(leaving)
            heapify(busy)
            free.append(leaving[1])
        elif not free:
            free.append(len(found))
            found.append(Unit(timeline))
        number = heappop(free)
        found[number].rows.append(row)
        ended = timeline.exit_ended[row]
        heappush(busy, (NEVER if ended == NOT_YET else ended, number, row))
    return found


def _leaves(timeline: Timeline, row: int, at: int) -> bool:
    return NOT_YET != timeline.exit_started[row] <= at
