"""Deadlocks and leaks, as the parts of lanes that are drawn in red."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from asyncctx_trace.analysis.findings.cleanups.leak import Leak
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.locking.deadlock import Deadlock
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["Fault", "Faults", "find_faults"]


class Fault(NamedTuple):
    """The time that a task cannot go on, or during which something of it leaks."""

    task: int
    depth: int | None
    """Of the acquisition; ``None`` for a wait for something else."""
    since: int
    until: int


class Faults(NamedTuple):
    """What is wrong, and since when."""

    parts: tuple[Fault, ...]
    times: tuple[int, ...]
    """When each deadlock and each leak began, in order."""


def find_faults(snapshot: Snapshot) -> Faults:
    """Return the deadlocks and leaks of a snapshot, which may be of a running program."""
    thresholds = Thresholds()
    deadlocks = list(Deadlock.check(snapshot, thresholds))
    leaks = list(Leak.check(snapshot, thresholds))
    parts = [part for finding in deadlocks for part in _parts_of_deadlock(snapshot, finding)]
    parts += [part for finding in leaks for part in _parts_of_leak(snapshot, finding)]
    return Faults(tuple(parts), tuple(sorted(each.at for each in (*deadlocks, *leaks))))


def _parts_of_deadlock(snapshot: Snapshot, finding: Finding) -> Iterator[Fault]:
    """Yield the enters that cannot end, what their tasks hold, and their waits for other things."""
    timeline, waits, at = snapshot.timeline, snapshot.timeline.waits, finding.at
    last = max((_until(snapshot, row, at) for row in finding.rows), default=snapshot.now)
    for row in finding.rows:
        until = min(last, _until(snapshot, row, at))
        since = max(at, timeline.enter_started[row])
        yield Fault(timeline.task[row], timeline.depth[row], since, until)
    for task in finding.tasks:
        wait = waits.at(task, at)
        if wait is not None:
            ended = waits.ended[wait]
            yield Fault(task, None, at, snapshot.now if ended == NOT_YET else ended)


def _until(snapshot: Snapshot, row: int, at: int) -> int:
    """Return the end of an enter that goes on at ``at``, or else of the acquisition."""
    timeline = snapshot.timeline
    entered, exited = timeline.enter_ended[row], timeline.exit_ended[row]
    if entered == NOT_YET or entered > at:
        exited = entered
    return snapshot.now if exited == NOT_YET else exited


def _parts_of_leak(snapshot: Snapshot, finding: Finding) -> Iterator[Fault]:
    timeline = snapshot.timeline
    for row in finding.rows:
        if timeline.exit_ended[row] == NOT_YET and timeline.entered(row):
            since = timeline.enter_ended[row]
            yield Fault(timeline.task[row], timeline.depth[row], since, snapshot.now)
