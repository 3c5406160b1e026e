"""Who unblocked whom: for every enter that waited, the exit that let it in."""

from __future__ import annotations

from collections import OrderedDict, deque

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.timeline import NOT_YET

__all__ = ["wakeups"]

# At one moment: an exit begins, an exit frees its place, an enter takes one.
_LEAVES, _FREES, _ENTERS = range(3)


def wakeups(case: Case) -> dict[int, int]:
    """Row that waited for a full resource and got in -> row whose exit let it in.

    Places are given out in the order in which they became free, each once. An enter for which no
    exit is known (a release by hand, a condition's ``wait``) is not among them.
    """
    found: dict[int, int] = {}
    for resource in case.limited:
        found.update(_of_resource(case, resource))
    return found


def _of_resource(case: Case, resource: int) -> dict[int, int]:
    timeline = case.timeline
    events: list[tuple[int, int, int]] = []
    for row in timeline.rows_of_resource[resource]:
        if timeline.entered(row):
            events.append((timeline.enter_ended[row], _ENTERS, row))
            if timeline.exit_started[row] != NOT_YET:
                events.append((timeline.exit_started[row], _LEAVES, row))
            if timeline.exit_ended[row] != NOT_YET:
                events.append((timeline.exit_ended[row], _FREES, row))
    known = timeline.resources.get(resource)
    # Places that nobody has held yet are free from the beginning.
    free: deque[int | None] = deque([None] * (known.capacity or 0) if known else ())
    leaving: OrderedDict[int, None] = OrderedDict()
    found: dict[int, int] = {}
    for at, what, row in sorted(events):
        if what == _LEAVES:
            leaving[row] = None
        elif what == _FREES:
            if row in leaving:  # else somebody has taken its place before the exit was over
                del leaving[row]
                free.append(row)
        else:
            asked = timeline.enter_started[row]
            place = free.popleft() if free else _given_up(leaving)
            if place is not None and case.contended(row) and _freed(case, place, at) > asked:
                found[row] = place
    return found


def _given_up(leaving: OrderedDict[int, None]) -> int | None:
    """Takes the place of the first whose exit has begun: it let go of it early in its exit."""
    return leaving.popitem(last=False)[0] if leaving else None


def _freed(case: Case, row: int, at: int) -> int:
    """When ``row`` let go, at the latest: by ``at`` somebody else was in."""
    ended = case.timeline.exit_ended[row]
    return at if ended == NOT_YET else min(ended, at)
