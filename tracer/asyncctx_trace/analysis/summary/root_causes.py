"""Failures that did not follow from another one, with those that did."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.analysis.timeline.table import Phase, Timeline
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.names import class_name

__all__ = ["Failure", "RootCause", "root_causes"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A phase that ended in an error, a cancellation or a timeout."""

    at: int
    row: int
    phase: Phase
    outcome: Outcome
    task: int


@dataclass(slots=True)
class RootCause:
    """A failure that no earlier one explains, and those that it explains."""

    first: Failure
    followed: list[Failure] = field(default_factory=list)
    """In order of time."""


def root_causes(snapshot: Snapshot) -> list[RootCause]:
    """Return all root causes, in order of time.

    A failure follows from an earlier one if its acquisition was open by then, and it is in the same
    task; or in its parent, its children or its siblings, and is a cancellation or the same error.
    """
    timeline = snapshot.timeline
    result: list[RootCause] = []
    of_task: dict[int, RootCause] = {}
    of_children: dict[int, RootCause] = {}
    for end in sorted(_bad_ends(timeline), key=lambda end: (end.at, end.row)):
        parent = _parent(timeline, end.task)
        own = of_task.get(end.task)
        family = [of_children.get(end.task)]
        if parent is not None:
            family += [of_task.get(parent), of_children.get(parent)]
        cause = own if own is not None and _in_flight(timeline, end, own) else None
        for root_cause in family:
            if cause is None and root_cause is not None and _explains(timeline, root_cause, end):
                cause = root_cause
        if cause is None:
            cause = RootCause(end)
            result.append(cause)
        else:
            cause.followed.append(end)
        of_task[end.task] = cause
        if parent is not None:
            of_children[parent] = cause
    return result


def _bad_ends(timeline: Timeline) -> Iterator[Failure]:
    phases: list[tuple[Phase, array[int], array[int], array[int]]] = [
        ("enter", timeline.enter_outcome, timeline.enter_ended, timeline.task),
        ("body", timeline.body_outcome, timeline.exit_started, timeline.task),
        ("exit", timeline.exit_outcome, timeline.exit_ended, timeline.exit_task),
    ]
    bad = [outcome for outcome in Outcome if outcome > Outcome.OK]
    for phase, outcomes, at, task in phases:
        for row in rows_with(outcomes, *bad):
            yield Failure(at[row], row, phase, Outcome(outcomes[row]), task[row])


def _parent(timeline: Timeline, task: int) -> int | None:
    definition = timeline.tasks.get(task)
    return definition.parent if definition else None


def _in_flight(timeline: Timeline, end: Failure, root_cause: RootCause) -> bool:
    return timeline.enter_started[end.row] <= (root_cause.followed or [root_cause.first])[-1].at


def _explains(timeline: Timeline, root_cause: RootCause, end: Failure) -> bool:
    if not _in_flight(timeline, end, root_cause):
        return False
    error = timeline.errors.get((end.row, end.phase))
    first = timeline.errors.get((root_cause.first.row, root_cause.first.phase))
    same = error is not None and error == first
    grouped = error is not None and class_name(error.type).endswith("ExceptionGroup")
    return end.outcome is Outcome.CANCELLED or same or grouped
