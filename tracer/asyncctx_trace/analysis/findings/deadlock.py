"""Tasks that wait for each other in a ring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asyncctx_trace.analysis.deadlocks.cycles import Ring, is_group, rings_of
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.text import duration

__all__ = ["Deadlock", "describe"]


class Deadlock(Finding):
    """None of these tasks could go on before another one of them did."""

    kind = "deadlock"
    severity = "error"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each ring that ever closed."""
        rings = case.once(rings_of)
        members = [frozenset(ring.waits) for ring in rings]
        for ring, waits in zip(rings, members, strict=True):
            # Where the members are cancelled one after the other, what is left is a ring as well.
            if not any(waits < others for others in members):
                yield cls.from_ring(case, ring)

    @classmethod
    def from_ring(cls, case: Case, ring: Ring) -> Finding:
        """The finding that tells of ``ring``."""
        waited = [_waited(case, row) for row in (*ring.waits, *ring.behind)]
        return cls.of(
            case,
            (*ring.waits, *ring.holds, *blocks_around(case, ring.holds)),
            f"{describe(case, ring)}{_end(case, ring)}.",
            certainty="certain" if ring.certain else "possible",
            at=ring.since,
            cost=sum(waited),
            tasks=[case.timeline.task[row] for row in ring.behind],
        )


def blocks_around(case: Case, holds: Iterable[int]) -> list[int]:
    """Return the `async with` blocks whose end gives back what was taken by calls inside them.

    A pipeline takes its connection at the first command and keeps it until the block ends: the
    block around a call that is of the same library.
    """
    timeline = case.timeline
    found: dict[int, None] = {}
    for hold in holds:
        around = case.held_around(hold) if timeline.by_call[hold] else ()
        if around and not timeline.by_call[around[-1]] and _library(case, around[-1], hold):
            found[around[-1]] = None
    return list(found)


def _library(case: Case, row: int, other: int) -> bool:
    """Whether the managers of both rows are of one package."""
    manager = case.timeline.manager
    return manager[row].partition(".")[0] == manager[other].partition(".")[0]


def describe(case: Case, ring: Ring) -> str:
    """Who waits for what that whom holds, around ``ring``."""
    timeline = case.timeline
    first = ring.waits[0]
    holds = {timeline.resource[row]: row for row in ring.holds}
    if len(ring.waits) == 1 and len(ring.holds) == 1:
        return (
            f"{case.task(timeline.task[first])} waits for {case.where(first)} which it holds "
            f"itself since {case.place(timeline.site[ring.holds[0]])}"
        )
    parts = []
    for row in ring.waits[:4]:
        if is_group(timeline, row):
            task = case.task(timeline.task[row])
            parts.append(f"{task} leaves {case.where(row)} and waits for the tasks in it")
            continue
        resource = timeline.resource[row]
        keepers = [hold for hold in ring.holds if timeline.resource[hold] == resource]
        holders = list(dict.fromkeys(case.holder(hold, ring.since) for hold in keepers))
        parts.append(
            f"{case.task(timeline.task[row])} waits for {case.where(row)} held by "
            f"{case.tasks(holders)} (taken at {case.place(timeline.site[holds[resource]])})"
        )
    left = len(ring.waits) - len(parts)
    return "; ".join(parts) + (f"; and {left} more" if left else "")


def _end(case: Case, ring: Ring) -> str:
    behind = f", and {len(ring.behind)} more behind them" if ring.behind else ""
    waits = [row for row in ring.waits if not is_group(case.timeline, row)]
    ended = [at for row in waits if (at := case.timeline.enter_ended[row]) != NOT_YET]
    if not ended:
        return f"{behind}: nobody can go on"
    return f"{behind}: broken up from outside after {duration(min(ended) - ring.since)}"


def _waited(case: Case, row: int) -> int:
    ended = case.timeline.enter_ended[row]
    return (case.now if ended == NOT_YET else ended) - case.timeline.enter_started[row]
