"""Tells an exit's own error from one that only passed through it."""

from __future__ import annotations

from bisect import bisect_left

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.timeline import NOT_YET

__all__ = ["came_from_within", "exits_within", "kind_of", "time_within"]


def kind_of(case: Case, row: int) -> str:
    """The kind of the resource of ``row``."""
    known = case.timeline.resources.get(case.timeline.resource[row])
    return known.kind if known else "manager"


def exits_within(case: Case, row: int) -> list[int]:
    """Rows that the same task cleaned up in the course of the exit of ``row``."""
    timeline = case.timeline
    started, ended = timeline.exit_started[row], timeline.exit_ended[row]
    until = case.now if ended == NOT_YET else ended
    exits = case.exits.get(timeline.exit_task[row], [])
    first = bisect_left(exits, (started, 0))
    within = []
    for index in range(first, len(exits)):
        begun, other = exits[index]
        if begun > until:
            break
        # Of two exits of the same tick the one that was entered first is the outer one.
        inner = begun > started or other > row
        if inner and NOT_YET < timeline.exit_ended[other] <= until:
            within.append(other)
    return within


def came_from_within(case: Case, row: int) -> bool:
    """Whether the exit of ``row`` raised what another exit inside it had raised."""
    timeline = case.timeline
    error = timeline.errors.get((row, "exit"))
    return any(
        timeline.exit_outcome[other] == timeline.exit_outcome[row]
        and timeline.errors.get((other, "exit")) == error
        for other in exits_within(case, row)
    )


def time_within(case: Case, row: int) -> int:
    """ns of the exit of ``row`` during which another exit inside it went on."""
    spent, until = 0, 0
    for other in exits_within(case, row):  # in order of their starts
        begun, ended = case.timeline.exit_started[other], case.timeline.exit_ended[other]
        if ended > until:
            spent += ended - max(begun, until)
            until = ended
    return spent
