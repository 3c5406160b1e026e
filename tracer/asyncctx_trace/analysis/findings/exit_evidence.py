"""Evidence about one exit: its own error, exits inside it, the end of its body."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice

from asyncctx_trace.analysis.findings.finding import EVIDENCE
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.names import class_name
from asyncctx_trace.model.outcomes import ExitFlag, Outcome

__all__ = [
    "TASK_BOUND",
    "came_from_within",
    "closed_generator",
    "exit_sites",
    "exits_within",
    "kind_of",
    "own_error",
    "time_within",
    "violates_ownership",
]

TASK_BOUND = ("task group", "timeout")
"""Kinds that belong to the task that enters them, and must nest in it."""

_OWNERSHIP = ("RuntimeError", "ValueError")
"""Errors of exits in a wrong task or order: of cancel scopes and locks, and of context
variables."""


def kind_of(snapshot: Snapshot, row: int) -> str:
    """Return the kind of the resource of ``row``."""
    definition = snapshot.timeline.resources.get(snapshot.timeline.resource[row])
    return definition.kind if definition else "manager"


def exits_within(snapshot: Snapshot, row: int) -> list[int]:
    """Return the rows that the same task exited during the exit of ``row``."""
    timeline = snapshot.timeline
    started, ended = timeline.exit_started[row], timeline.exit_ended[row]
    until = snapshot.now if ended == NOT_YET else ended
    exits = snapshot.exits.get(timeline.exit_task[row], [])
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


def came_from_within(snapshot: Snapshot, row: int) -> bool:
    """Return whether the exit of ``row`` raised what another exit inside it had raised."""
    timeline = snapshot.timeline
    error = timeline.errors.get((row, "exit"))
    return any(
        timeline.exit_outcome[other] == timeline.exit_outcome[row]
        and timeline.errors.get((other, "exit")) == error
        for other in exits_within(snapshot, row)
    )


def time_within(snapshot: Snapshot, row: int) -> int:
    """Return for how many ns of the exit of ``row`` another exit was running inside it."""
    spent, until = 0, 0
    for other in exits_within(snapshot, row):  # in order of their starts
        begun, ended = snapshot.timeline.exit_started[other], snapshot.timeline.exit_ended[other]
        if ended > until:
            spent += ended - max(begun, until)
            until = ended
    return spent


def own_error(snapshot: Snapshot, row: int) -> bool:
    """Return whether the exit of ``row`` raised its own error, not that of a body or inner exit."""
    timeline = snapshot.timeline
    if timeline.exit_outcome[row] not in (Outcome.ERROR, Outcome.TIMED_OUT):
        return False
    if timeline.exit_flags[row] & ExitFlag.PASSED_ON:
        return False
    same = timeline.errors.get((row, "exit")) == timeline.errors.get((row, "body"))
    return not same and not came_from_within(snapshot, row)


def violates_ownership(snapshot: Snapshot, row: int) -> bool:
    """Return whether the exit of ``row`` raised an error typical of a wrong task or order."""
    error = snapshot.timeline.errors.get((row, "exit"))
    return error is not None and class_name(error.type) in _OWNERSHIP


def closed_generator(snapshot: Snapshot, row: int) -> bool:
    """Return whether the body of ``row`` ended because its generator was closed."""
    error = snapshot.timeline.errors.get((row, "body"))
    return error is not None and error.type == "builtins.GeneratorExit"


def exit_sites(snapshot: Snapshot, rows: Iterable[int]) -> list[int]:
    """Return the sites of the calls that started the exits of ``rows``, if known."""
    return [site for row in islice(rows, EVIDENCE) if (site := snapshot.timeline.exit_site[row])]
