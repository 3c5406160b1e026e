"""Tasks that wait for each other in a ring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asyncctx_trace.analysis.deadlocks.cycles import DeadlockCycle, cycles_of, is_group
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration

__all__ = ["Deadlock", "describe"]


class Deadlock(Finding):
    """None of these tasks could go on before another one of them did."""

    kind = "deadlock"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each ring that ever closed."""
        rings = snapshot.once(cycles_of)
        members = [frozenset(ring.waits) for ring in rings]
        for ring, waits in zip(rings, members, strict=True):
            # Where the members are cancelled one after the other, what is left is a ring as well.
            if not any(waits < others for others in members):
                yield cls.from_ring(snapshot, ring)

    @classmethod
    def from_ring(cls, snapshot: Snapshot, ring: DeadlockCycle) -> Finding:
        """The finding that tells of ``ring``."""
        waited = [_waited(snapshot, row) for row in (*ring.waits, *ring.behind)]
        return cls.of(
            snapshot,
            (*ring.waits, *ring.holds, *blocks_around(snapshot, ring.holds)),
            f"{describe(snapshot, ring)}{_end(snapshot, ring)}.",
            certainty="certain" if ring.certain else "possible",
            at=ring.since,
            cost=sum(waited),
            tasks=[snapshot.timeline.task[row] for row in ring.behind],
        )


def blocks_around(snapshot: Snapshot, holds: Iterable[int]) -> list[int]:
    """Return the `async with` blocks whose end gives back what was taken by calls inside them.

    A pipeline takes its connection at the first command and keeps it until the block ends: the
    block around a call that is of the same library.
    """
    timeline = snapshot.timeline
    found: dict[int, None] = {}
    for hold in holds:
        around = snapshot.held_around(hold) if timeline.by_call[hold] else ()
        if around and not timeline.by_call[around[-1]] and _library(snapshot, around[-1], hold):
            found[around[-1]] = None
    return list(found)


def _library(snapshot: Snapshot, row: int, other: int) -> bool:
    """Whether the managers of both rows are of one package."""
    manager = snapshot.timeline.manager
    return manager[row].partition(".")[0] == manager[other].partition(".")[0]


def describe(snapshot: Snapshot, ring: DeadlockCycle) -> str:
    """Who waits for what that whom holds, around ``ring``."""
    timeline = snapshot.timeline
    first = ring.waits[0]
    holds = {timeline.resource[row]: row for row in ring.holds}
    if len(ring.waits) == 1 and len(ring.holds) == 1:
        return (
            f"{snapshot.task(timeline.task[first])} waits for {snapshot.where(first)} which it "
            "holds "
            f"itself since {snapshot.place(timeline.site[ring.holds[0]])}"
        )
    parts = []
    for row in ring.waits[:4]:
        if is_group(timeline, row):
            task = snapshot.task(timeline.task[row])
            parts.append(f"{task} leaves {snapshot.where(row)} and waits for the tasks in it")
            continue
        resource = timeline.resource[row]
        keepers = [hold for hold in ring.holds if timeline.resource[hold] == resource]
        holders = list(dict.fromkeys(snapshot.holder(hold, ring.since) for hold in keepers))
        parts.append(
            f"{snapshot.task(timeline.task[row])} waits for {snapshot.where(row)} held by "
            f"{snapshot.tasks(holders)} (taken at {snapshot.place(timeline.site[holds[resource]])})"
        )
    left = len(ring.waits) - len(parts)
    return "; ".join(parts) + (f"; and {left} more" if left else "")


def _end(snapshot: Snapshot, ring: DeadlockCycle) -> str:
    behind = f", and {len(ring.behind)} more behind them" if ring.behind else ""
    waits = [row for row in ring.waits if not is_group(snapshot.timeline, row)]
    ended = [at for row in waits if (at := snapshot.timeline.enter_ended[row]) != NOT_YET]
    if not ended:
        return f"{behind}: nobody can go on"
    return f"{behind}: broken up from outside after {format_duration(min(ended) - ring.since)}"


def _waited(snapshot: Snapshot, row: int) -> int:
    ended = snapshot.timeline.enter_ended[row]
    return (snapshot.now if ended == NOT_YET else ended) - snapshot.timeline.enter_started[row]
