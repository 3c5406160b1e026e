"""What each resource cost the tasks that wanted it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import sub

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.contention.occupancy import contends
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.lookups import (
    ascending,
    entered,
    holds_of,
    pick,
    spans_of,
    waits_of,
)
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.names import resource_name

__all__ = ["ResourceUse", "contention", "contention_in", "got_in", "duration_stats_of"]


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """One resource: who came, how long they waited, held and cleaned up (ns).

    What is still going on counts up to now. Where everybody may hold it at once nobody contends.
    """

    resource: int
    kind: str
    name: str
    capacity: int | None
    contends: bool
    acquisitions: int
    contended: int
    """How many waited while the resource was full."""
    wait: DurationStats
    hold: DurationStats
    """Bodies alone; the cleanup is told apart."""
    cleanup: DurationStats
    most_waiters: int
    most_waiters_at: int | None
    utilisation: float | None
    """Share of capacity × lifetime that was held (cleanup included); ``None`` where the capacity
    is not known."""
    overtaken: int
    """How many got in after somebody who asked later."""

    @property
    def contended_share(self) -> float:
        """Share of the acquisitions that had to wait for a holder."""
        return self.contended / self.acquisitions if self.acquisitions else 0.0

    @property
    def fairness(self) -> float:
        """Share of the acquisitions that nobody overtook: 1.0 is first come, first served."""
        return 1 - self.overtaken / self.acquisitions if self.acquisitions else 1.0


def contention(timeline: Timeline, now: int | None = None) -> list[ResourceUse]:
    """Every resource that was used, the most waited for first; ``now`` is the end by default."""
    return contention_in(Snapshot(timeline, now))


def contention_in(snapshot: Snapshot) -> list[ResourceUse]:
    """The same for a snapshot."""
    uses = [_use(snapshot, resource) for resource in snapshot.timeline.rows_of_resource]
    return sorted(uses, key=lambda use: (not use.contends, -use.wait.total, use.resource))


def got_in(timeline: Timeline, resource: int) -> list[int]:
    """Rows of ``resource`` in the order in which their tasks got in."""
    rows = timeline.rows_of_resource.get(resource, array("q"))
    if kernels.pays(timeline, rows):
        from asyncctx_trace.analysis.kernels.contention import got_in as told

        return told(timeline, rows)
    return sorted(entered(timeline, rows), key=timeline.enter_ended.__getitem__)


def duration_stats_of(
    timeline: Timeline, rows: Sequence[int], now: int
) -> tuple[DurationStats, DurationStats, DurationStats]:
    """How long ``rows`` waited, held and cleaned up."""
    if kernels.pays(timeline, rows):
        from asyncctx_trace.analysis.kernels.contention import duration_stats
    else:
        duration_stats = _spreads
    return duration_stats(timeline, rows, now)


def _use(snapshot: Snapshot, resource: int) -> ResourceUse:
    timeline, now = snapshot.timeline, snapshot.now
    rows = timeline.rows_of_resource[resource]
    definition = timeline.resources.get(resource)
    limited = contends(definition)
    most, when = snapshot.occupancy(resource).most_waiters() if limited else (0, None)
    if kernels.pays(timeline, rows):
        from asyncctx_trace.analysis.kernels.contention import overtaken, usage
    else:
        overtaken, usage = _overtaken, _usage
    wait, hold, cleanup = duration_stats_of(timeline, rows, now)
    capacity = definition.capacity if definition else None
    return ResourceUse(
        resource=resource,
        kind=definition.kind if definition else "manager",
        name=resource_name(timeline, resource, None),
        capacity=capacity,
        contends=limited,
        acquisitions=len(rows),
        contended=snapshot.occupancy(resource).contended if limited else 0,
        wait=wait,
        hold=hold,
        cleanup=cleanup,
        most_waiters=most,
        most_waiters_at=when,
        utilisation=_share(usage(timeline, rows, now), capacity) if capacity else None,
        overtaken=overtaken(timeline, rows) if limited else 0,
    )


def _share(usage: tuple[int, int] | None, capacity: int) -> float | None:
    if usage is None:
        return None
    held, lifetime = usage
    return held / (capacity * lifetime) if lifetime else 0.0


def _spreads(
    timeline: Timeline, rows: Sequence[int], now: int
) -> tuple[DurationStats, DurationStats, DurationStats]:
    inside = entered(timeline, rows)
    leaving = [row for row in rows if timeline.exit_started[row] != NOT_YET]
    return (
        _spread(spans_of(timeline.enter_started, timeline.enter_ended, rows, now)),
        _spread(spans_of(timeline.enter_ended, timeline.exit_started, inside, now)),
        _spread(spans_of(timeline.exit_started, timeline.exit_ended, leaving, now)),
    )


def _spread(spans: tuple[list[int], list[int]]) -> DurationStats:
    starts, ends = spans
    return DurationStats.of(map(sub, ends, starts))


def _usage(timeline: Timeline, rows: Sequence[int], now: int) -> tuple[int, int] | None:
    """ns that ``rows`` held together, and from the first request to the last move."""
    asked, answered = waits_of(timeline, rows, now)
    came, left = holds_of(timeline, rows, now)
    if not came:
        return None
    return sum(left) - sum(came), max(max(answered), max(left)) - asked[0]


def _overtaken(timeline: Timeline, rows: Sequence[int]) -> int:
    """How many of ``rows`` got in after somebody who asked later."""
    inside = entered(timeline, rows)
    if all(
        ascending(pick(times, inside)) for times in (timeline.enter_started, timeline.enter_ended)
    ):
        return 0
    # Backwards in the order of asking: the earliest entry among all who asked later tells
    # whether anybody overtook.
    overtaken, earliest = 0, None
    asked = timeline.enter_started.__getitem__
    for _, together in groupby(sorted(inside, key=asked, reverse=True), key=asked):
        ends = [timeline.enter_ended[row] for row in together]
        if earliest is not None:
            overtaken += sum(end > earliest for end in ends)
        earliest = min(ends) if earliest is None else min(earliest, *ends)
    return overtaken
