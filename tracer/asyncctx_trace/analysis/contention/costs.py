"""What each resource cost the tasks that wanted it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.names import resource_name

__all__ = ["ResourceUse", "contention", "contention_in", "got_in"]


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """The acquisitions of one resource: how long they waited, held and cleaned up (ns).

    What has not ended ends at the time of the snapshot.
    """

    resource: int
    kind: str
    name: str
    capacity: int | None
    contends: bool
    """Whether tasks can keep each other out."""
    acquisitions: int
    contended: int
    """How many waited while the resource was full."""
    wait: DurationStats
    hold: DurationStats
    """The bodies, without the cleanup."""
    cleanup: DurationStats
    most_waiters: int
    most_waiters_at: int | None
    utilisation: float | None
    """The share of capacity × lifetime that was held (cleanup included); ``None`` if the capacity
    is not known."""
    overtaken: int
    """How many entered after one that asked later."""

    @property
    def contended_share(self) -> float:
        """The share of acquisitions that had to wait for a holder."""
        return self.contended / self.acquisitions if self.acquisitions else 0.0

    @property
    def fairness(self) -> float:
        """The share of acquisitions that were not overtaken; 1.0 is first come, first served."""
        return 1 - self.overtaken / self.acquisitions if self.acquisitions else 1.0


def contention(timeline: Timeline, now: int | None = None) -> list[ResourceUse]:
    """Return :func:`contention_in` at ``now``, by default the end of ``timeline``."""
    return contention_in(Snapshot(timeline, now))


def contention_in(snapshot: Snapshot) -> list[ResourceUse]:
    """Return every resource that was used, the one with most waiting time first."""
    uses = [_use(snapshot, resource) for resource in snapshot.timeline.rows_of_resource]
    return sorted(uses, key=lambda use: (not use.contends, -use.wait.total, use.resource))


def got_in(snapshot: Snapshot, resource: int) -> list[int]:
    """Return the rows of ``resource`` that entered, in order of entering."""
    rows = snapshot.timeline.rows_of_resource.get(resource, array("q"))
    return snapshot.kernels.for_rows(rows).rows_by_entry(snapshot.timeline, rows)


def _use(snapshot: Snapshot, resource: int) -> ResourceUse:
    timeline, now = snapshot.timeline, snapshot.now
    rows = timeline.rows_of_resource[resource]
    kernels = snapshot.kernels.for_rows(rows)
    definition = timeline.resources.get(resource)
    limited = contends(definition)
    most, when = snapshot.occupancy(resource).most_waiters() if limited else (0, None)
    wait, hold, cleanup = kernels.duration_stats(timeline, rows, now)
    capacity = definition.capacity if definition else None
    utilisation = None
    if capacity:
        utilisation = _utilisation(kernels.held_and_lifetime(timeline, rows, now), capacity)
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
        utilisation=utilisation,
        overtaken=kernels.overtaken(timeline, rows) if limited else 0,
    )


def _utilisation(held_and_lifetime: tuple[int, int] | None, capacity: int) -> float | None:
    if held_and_lifetime is None:
        return None
    held, lifetime = held_and_lifetime
    return held / (capacity * lifetime) if lifetime else 0.0
