"""Everything that is derived from a recording before its tasks become steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.grants import Grants, grants_of
from asyncctx_trace.analysis.what_if.instants import Instants, What, instants_of
from asyncctx_trace.analysis.what_if.loop_time import LoopTime
from asyncctx_trace.analysis.what_if.model import Op
from asyncctx_trace.analysis.what_if.queues import Queues, queues_of
from asyncctx_trace.model.capacity import limit_of
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["SEVERAL", "Facts"]

SEVERAL = 3
"""How many tasks a task must start, at different times, to count as the source of work."""


class Facts:
    """What the recording in ``timeline`` says, and by which factors its times are multiplied."""

    def __init__(
        self, timeline: Timeline, hold_factors: Mapping[int, float], arrival_factor: float
    ) -> None:
        self.timeline = timeline
        self.start = timeline.start or 0
        self.hold_factors = hold_factors
        """Site -> factor of the times in the bodies of its acquisitions."""
        self.arrival_factor = arrival_factor
        self.grants: dict[int, Grants] = {}
        """Limited resource -> who got its units."""
        for resource in timeline.rows_of_resource:
            known = timeline.resources.get(resource)
            if known is not None and limit_of(known.kind, known.capacity) is not None:
                capacity = 1 if known.kind == "lock" else known.capacity
                self.grants[resource] = grants_of(timeline, resource, capacity)
        self.loop_time = LoopTime(timeline)
        self.instants: Instants = instants_of(timeline, self.grants)
        self.queues: Queues = queues_of(timeline, self.instants)
        self.awaits_recorded = len(timeline.waits) > 0
        self.groups: list[tuple[int, ...]] = []
        """Tasks of which one must have ended."""
        self._classes: dict[tuple[Op, int, int], int] = {}

    def class_of(self, op: Op, site: int, kind: int) -> int:
        """Return the class of durations like this one."""
        return self._classes.setdefault((op, site, kind), len(self._classes) + 1)

    def join_any(self, tasks: list[int]) -> int:
        """Return the index of a group of tasks."""
        self.groups.append(tuple(tasks))
        return len(self.groups) - 1

    @cached_property
    def sources(self) -> set[int]:
        """The tasks whose pauses determine how fast work arrives.

        Those that put items into queues, and those that start tasks without waiting for them
        before they start others.
        """
        timeline = self.timeline
        starts: dict[int, set[int]] = defaultdict(set)
        joins: dict[int, int] = defaultdict(int)
        for task, instants in self.instants.of_task.items():
            for instant in instants:
                if instant.what is What.SPAWNS:
                    starts[task].add(instant.at)
                elif instant.what is What.JOINS or (
                    instant.what is What.WAITS and timeline.waits.kind[instant.payload] in OF_TASKS
                ):
                    joins[task] += 1
        spawners = {
            task
            for task, times in starts.items()
            if len(times) >= SEVERAL and joins[task] < len(times) / 2
        }
        return self.queues.producers | spawners

    @cached_property
    def sources_pause(self) -> bool:
        """Whether a source of work pauses for a time of its own."""
        waits = self.timeline.waits
        return any(
            waits.kind[row] == WaitKind.SLEEP
            for task in self.sources
            for row in waits.rows_of_task.get(task, ())
        )
