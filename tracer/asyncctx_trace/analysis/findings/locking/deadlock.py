"""Cycles of tasks that wait for each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from asyncctx_trace.analysis.deadlocks.blocked_tasks import all_quiescent
from asyncctx_trace.analysis.deadlocks.broken_groups import broken_groups
from asyncctx_trace.analysis.deadlocks.cycles import DeadlockCycle, cycles_of
from asyncctx_trace.analysis.deadlocks.description import describe_cycle
from asyncctx_trace.analysis.deadlocks.stuck_groups import stuck_groups
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import is_complete
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration

__all__ = ["Deadlock"]


class Deadlock(Finding):
    """None of these tasks could go on before another one of them did."""

    kind = "deadlock"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each cycle."""
        cycles = snapshot.once(cycles_of)
        members = [frozenset(cycle.waits) for cycle in cycles]
        for cycle, waits in zip(cycles, members, strict=True):
            # Where the members are cancelled one after the other, what is left is a ring as well.
            if not any(waits < others for others in members):
                yield cls.from_cycle(snapshot, cycle)
        for group in (*snapshot.once(stuck_groups), *snapshot.once(broken_groups)):
            if group.holds or not group.quiescent:
                yield cls.from_stuck(snapshot, group)

    @classmethod
    def from_cycle(cls, snapshot: Snapshot, cycle: DeadlockCycle) -> Finding:
        """Return the finding about ``cycle``."""
        waited = [_waited(snapshot, row) for row in (*cycle.waits, *cycle.behind)]
        return cls.of(
            snapshot,
            (*cycle.waits, *cycle.holds, *blocks_around(snapshot, cycle.holds)),
            f"{describe_cycle(snapshot, cycle)}{_end(snapshot, cycle)}.",
            certainty="certain" if cycle.certain or _is_final(snapshot, cycle) else "possible",
            at=cycle.since,
            cost=sum(waited),
            tasks=[snapshot.timeline.task[row] for row in cycle.behind],
        )


def _is_final(snapshot: Snapshot, cycle: DeadlockCycle) -> bool:
    """Return whether it is proven that nothing can wake the tasks of ``cycle`` any more."""
    timeline = snapshot.timeline
    if any(
        (
            timeline.exit_ended
            if timeline.is_group(timeline.resource[row])
            else timeline.enter_ended
        )[row]
        != NOT_YET
        for row in cycle.waits
    ):
        return False
    tasks = [timeline.task[row] for row in cycle.waits]
    asked = min(timeline.enter_started[row] for row in cycle.waits)
    return all_quiescent(snapshot, tasks) and is_complete(timeline, tasks, asked, inf)


def blocks_around(snapshot: Snapshot, holds: Iterable[int]) -> list[int]:
    """Return the ``async with`` blocks whose end releases what was acquired by calls inside them.

    A pipeline takes its connection at the first command and keeps it until the block ends: the
    block around a call that is of the same library.
    """
    timeline = snapshot.timeline
    result: dict[int, None] = {}
    for hold in holds:
        around = snapshot.held_around(hold) if timeline.by_call[hold] else ()
        if around and not timeline.by_call[around[-1]] and _library(snapshot, around[-1], hold):
            result[around[-1]] = None
    return list(result)


def _library(snapshot: Snapshot, row: int, other: int) -> bool:
    """Return whether the managers of both rows are of one package."""
    manager = snapshot.timeline.manager
    return manager[row].partition(".")[0] == manager[other].partition(".")[0]


def _end(snapshot: Snapshot, cycle: DeadlockCycle) -> str:
    behind = f", and {len(cycle.behind)} more behind them" if cycle.behind else ""
    waits = [
        row
        for row in cycle.waits
        if not snapshot.timeline.is_group(snapshot.timeline.resource[row])
    ]
    ended = [at for row in waits if (at := snapshot.timeline.enter_ended[row]) != NOT_YET]
    if not ended:
        return f"{behind}: nobody can go on"
    return f"{behind}: broken up from outside after {format_duration(min(ended) - cycle.since)}"


def _waited(snapshot: Snapshot, row: int) -> int:
    ended = snapshot.timeline.enter_ended[row]
    return (snapshot.now if ended == NOT_YET else ended) - snapshot.timeline.enter_started[row]
