"""What each resource cost the tasks that wanted it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.occupancy import contends, hold_of, wait_of
from asyncctx_trace.analysis.spread import Spread
from asyncctx_trace.analysis.timeline import NOT_YET, Timeline

__all__ = ["ResourceUse", "contention", "contention_in", "got_in"]


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
    wait: Spread
    hold: Spread
    """Bodies alone; the cleanup is told apart."""
    cleanup: Spread
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
    return contention_in(Case(timeline, now))


def contention_in(case: Case) -> list[ResourceUse]:
    """The same for a case."""
    uses = [_use(case, resource) for resource in case.timeline.rows_of_resource]
    return sorted(uses, key=lambda use: (not use.contends, -use.wait.total, use.resource))


def got_in(timeline: Timeline, resource: int) -> list[int]:
    """Rows of ``resource`` in the order in which their tasks got in."""
    ended = timeline.enter_ended
    rows = [row for row in timeline.rows_of_resource.get(resource, ()) if timeline.entered(row)]
    return sorted(rows, key=lambda row: (ended[row], row))


def _use(case: Case, resource: int) -> ResourceUse:
    timeline, now = case.timeline, case.now
    rows = timeline.rows_of_resource[resource]
    definition = timeline.resources.get(resource)
    waits = [wait_of(timeline, row, now) for row in rows]
    holds = [hold for row in rows if (hold := hold_of(timeline, row, now)) is not None]
    limited = contends(definition)
    contended, most, when = 0, 0, None
    if limited:
        occupancy = case.occupancy(resource)
        contended = sum(occupancy.full(start, end) > 0 for start, end in waits)
        most, when = occupancy.most_waiters()
    return ResourceUse(
        resource=resource,
        kind=definition.kind if definition else "manager",
        name=definition.name if definition else f"resource {resource}",
        capacity=definition.capacity if definition else None,
        contends=limited,
        acquisitions=len(rows),
        contended=contended,
        wait=Spread.of(end - start for start, end in waits),
        hold=Spread.of(case.body_length(row) for row in rows if timeline.entered(row)),
        cleanup=Spread.of(
            case.exit_length(row) for row in rows if timeline.exit_started[row] != NOT_YET
        ),
        most_waiters=most,
        most_waiters_at=when,
        utilisation=_utilisation(definition.capacity if definition else None, waits, holds),
        overtaken=_overtaken(timeline, rows) if limited else 0,
    )


def _utilisation(
    capacity: int | None, waits: list[tuple[int, int]], holds: list[tuple[int, int]]
) -> float | None:
    if not capacity or not holds:
        return None
    lifetime = max(end for _, end in (*waits, *holds)) - waits[0][0]
    held = sum(end - start for start, end in holds)
    return held / (capacity * lifetime) if lifetime else 0.0


def _overtaken(timeline: Timeline, rows: Iterable[int]) -> int:
    # Backwards in the order of asking: the earliest entry among all who asked later tells
    # whether anybody overtook.
    overtaken, earliest = 0, None
    asked = timeline.enter_started.__getitem__
    entered = filter(timeline.entered, sorted(rows, key=asked, reverse=True))
    for _, together in groupby(entered, key=asked):
        ends = [timeline.enter_ended[row] for row in together]
        if earliest is not None:
            overtaken += sum(end > earliest for end in ends)
        earliest = min(ends) if earliest is None else min(earliest, *ends)
    return overtaken
