"""Assign the holders of a resource to the units of its capacity."""

from __future__ import annotations

from array import array
from heapq import heapify, heappop, heappush

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["rows_by_unit"]

_OK = int(Outcome.OK)
_NEVER = 1 << 62
"""Sorts after the end of every acquisition, in ns."""


def rows_by_unit(timeline: Timeline, resource: int) -> list[array[int]]:
    """Return the rows that held each unit of ``resource``, in order of time.

    A holder gets the first free unit. If no unit is free, it takes the unit of a holder whose exit
    has started: a release admits the next waiter before the exit around it has ended. The number
    of units is the largest number of simultaneous holders. O(n log n) for n acquisitions.
    """
    entered = sorted(
        (timeline.enter_ended[row], row)
        for row in timeline.rows_of_resource.get(resource, ())
        if timeline.enter_outcome[row] == _OK
    )
    units: list[array[int]] = []
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
            free.append(len(units))
            units.append(array("q"))
        unit = heappop(free)
        units[unit].append(row)
        ended = timeline.exit_ended[row]
        heappush(busy, (_NEVER if ended == NOT_YET else ended, unit, row))
    return units


def _leaves(timeline: Timeline, row: int, at: int) -> bool:
    return NOT_YET != timeline.exit_started[row] <= at
