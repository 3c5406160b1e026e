"""The resources of a recording, similar ones together, ranked by the time lost at them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from asyncctx_trace.analysis.contention.capacity_units import rows_by_unit
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup, group_resources
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace_tui.view.tracks.step_curve import StepCurve
from asyncctx_trace_tui.view.tracks.track import UnitTrack

__all__ = ["FEW_UNITS", "ResourceEntry", "resource_entries"]

FEW_UNITS = 4
"""Up to this number of units, each has a line of its own, without being opened."""


@dataclass(frozen=True, slots=True, eq=False)
class ResourceEntry:
    """A resource, or several similar ones."""

    group: ResourceGroup
    is_limited: bool
    """Whether tasks can keep each other out."""
    lost: int
    """The time that tasks waited because it was full, in ns."""
    queue: StepCurve
    """How many wait."""
    held: StepCurve
    """How many hold it."""
    units: Sequence[UnitTrack]
    """Of a single resource: who held each unit."""
    members: Sequence[ResourceEntry]
    """Of several: the entry of each, ranked."""

    @property
    def resources(self) -> tuple[int, ...]:
        """The resources, the one at which most time was lost first."""
        return tuple(m.group.resources[0] for m in self.members) or self.group.resources

    @property
    def size(self) -> int:
        """The number of units: the capacity, or the most that were held at once."""
        return max(self.group.capacity or 0, len(self.units))

    @property
    def rank(self) -> tuple[bool, int, int]:
        """A key that sorts entries by the time lost, then by the time waited."""
        return not self.is_limited, -self.lost, -self.queue.total


def resource_entries(snapshot: Snapshot) -> list[ResourceEntry]:
    """Return the resources that were used, those at which most time was lost first."""
    used = list(snapshot.timeline.rows_of_resource)
    limited = frozenset(snapshot.limited)
    entries = [_entry(snapshot, group, limited) for group in group_resources(snapshot, used)]
    return sorted(entries, key=lambda entry: entry.rank)


def _entry(snapshot: Snapshot, group: ResourceGroup, limited: frozenset[int]) -> ResourceEntry:
    timeline, first = snapshot.timeline, group.resources[0]
    if len(group) == 1:
        lost = sum(snapshot.occupancy(first).blocked_times) if first in limited else 0
        groups = {first} if timeline.is_group(first) else frozenset[int]()
        units = [UnitTrack(timeline, rows, groups) for rows in rows_by_unit(timeline, first)]
        return ResourceEntry(group, first in limited, lost, *_curves(snapshot, group), units, ())
    alone = (
        ResourceGroup(group.kind, timeline.resources[each].name, group.capacity, (each,))
        for each in group.resources
    )
    members = sorted((_entry(snapshot, each, limited) for each in alone), key=lambda e: e.rank)
    lost = sum(member.lost for member in members)
    return ResourceEntry(group, first in limited, lost, *_curves(snapshot, group), (), members)


def _curves(snapshot: Snapshot, group: ResourceGroup) -> tuple[StepCurve, StepCurve]:
    """Return how many wait and how many hold over time."""
    timeline, now = snapshot.timeline, snapshot.now
    if len(group) == 1:
        steps = snapshot.occupancy(group.resources[0])
        return StepCurve(steps.times, steps.waiters), StepCurve(steps.times, steps.holders)
    waits, holds = (array("q"), array("q")), (array("q"), array("q"))
    for resource in group.resources:
        for row in timeline.rows_of_resource[resource]:
            asked, entered = timeline.enter_started[row], timeline.enter_ended[row]
            until = max(asked, now) if entered == NOT_YET else entered
            waits[0].append(asked)
            waits[1].append(until)
            if timeline.entered(row):
                ended = timeline.exit_ended[row]
                holds[0].append(entered)
                holds[1].append(max(entered, now) if ended == NOT_YET else ended)
    return StepCurve.of_intervals(*waits), StepCurve.of_intervals(*holds)
