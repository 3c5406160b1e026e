"""The moments at which recorded tasks do something that others may depend on."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter
from typing import NamedTuple

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.analysis.what_if.grants import Grants
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["Instant", "Instants", "What", "instants_of"]

_LAST = 1 << 62


class What(IntEnum):
    """What happens at an instant; the payload is a row, a wait or a task."""

    ASKS = 0
    ENTERED = 1
    EXITS = 2
    EXITED = 3
    RELEASES = 4
    GIVES_UP = 5
    JOINS = 6
    """The exit of a task group begins."""
    WAITS = 7
    GOES_ON = 8
    SIGNALS = 9
    SPAWNS = 10
    PUTS = 11
    GETS = 12


class Instant(NamedTuple):
    """One moment of a task; they sort by time, and at one time by ``rank``."""

    at: int
    rank: int
    what: What
    payload: int


@dataclass(slots=True)
class Instants:
    """The instants of all tasks, and what is known of tasks and waits as a whole."""

    of_task: dict[int, list[Instant]]
    begins: dict[int, int]
    ends: dict[int, int]
    spawner: dict[int, int]
    """Task -> the task whose instants contain its start; others arrive by themselves."""
    signalled: set[int] = field(default_factory=set)
    """Rows of waits that a task ended by something that is not modelled in itself."""
    children_joined: dict[int, list[int]] = field(default_factory=dict)
    """Row of a task group -> the tasks for which its exit waits."""


def instants_of(timeline: Timeline, grants: dict[int, Grants]) -> Instants:
    """Return what each task of ``timeline`` did; O(n log n) for n events.

    ``grants``: limited resource -> who got its units.
    """
    return _Collector(timeline, grants).collect()


class _Collector:
    def __init__(self, timeline: Timeline, grants: dict[int, Grants]) -> None:
        self._timeline = timeline
        self._grants = grants
        self._of_task: dict[int, list[Instant]] = defaultdict(list)
        self._queueing: dict[int, list[tuple[int, int]]] = defaultdict(list)
        """Task -> start and end of what it spends in the queue of a limited resource."""
        self._exits: dict[int, list[tuple[int, int]]] = defaultdict(list)
        """Task -> start and end of the exits of its task groups."""

    def collect(self) -> Instants:
        """Collect everything."""
        for row in range(len(self._timeline)):
            self._add_row(row)
        self._add_waits()
        result = Instants(self._of_task, {}, {}, {})
        self._add_signals(result)
        for instants in self._of_task.values():
            instants.sort()
        self._bound(result)
        self._add_spawns(result)
        self._find_children(result)
        for instants in self._of_task.values():
            instants.sort()
        return result

    def _add(self, task: int, at: int, rank: int, what: What, payload: int) -> None:
        self._of_task[task].append(Instant(at, rank, what, payload))

    # -- acquisitions -----------------------------------------------------------------------

    def _add_row(self, row: int) -> None:
        timeline = self._timeline
        resource, task = timeline.resource[row], timeline.task[row]
        grants = self._grants.get(resource)
        started, ended = timeline.enter_started[row], timeline.enter_ended[row]
        rank = row * 4
        if ended != NOT_YET and not timeline.entered(row):
            self._add(task, started, rank, What.GIVES_UP, row)
            self._queueing[task].append((started, ended))
            self._add(task, ended, rank + 1, What.GOES_ON, -1)
            return
        self._add(task, started, rank, What.ASKS, row)
        if ended == NOT_YET:
            return
        if grants is not None and row in grants.granted:
            self._queueing[task].append((started, grants.granted[row]))
        self._add(task, ended, rank + 1, What.ENTERED, row)
        exit_started, exit_ended = timeline.exit_started[row], timeline.exit_ended[row]
        if exit_started == NOT_YET:
            return
        leaver = timeline.exit_task[row] or task
        group = timeline.is_group(resource)
        self._add(leaver, exit_started, rank + 2, What.JOINS if group else What.EXITS, row)
        if group and exit_ended != NOT_YET:
            self._exits[leaver].append((exit_started, exit_ended))
        early = grants is not None and row in grants.early
        if grants is not None and early:
            self._add(leaver, grants.early[row], rank + 2, What.RELEASES, row)
        if exit_ended != NOT_YET:
            what = What.EXITED if grants is None or early else What.RELEASES
            self._add(leaver, exit_ended, rank + 3, what, row)

    # -- waits ------------------------------------------------------------------------------

    def _add_waits(self) -> None:
        waits = self._timeline.waits
        for task, rows in waits.rows_of_task.items():
            absorbed = sorted(self._queueing.get(task, [])) + sorted(self._exits.get(task, []))
            absorbed.sort()
            index = 0
            for row in rows:
                started, ended = waits.started[row], waits.ended[row]
                while index < len(absorbed) and absorbed[index][1] <= started:
                    index += 1
                if index < len(absorbed) and absorbed[index][0] <= started:
                    continue  # how it waits in the queue of a resource, or for a task group
                self._add(task, started, _LAST, What.WAITS, row)
                if ended != NOT_YET:
                    self._add(task, ended, -1, What.GOES_ON, row)

    def _add_signals(self, result: Instants) -> None:
        """Add an instant to each task that ended a wait of another one."""
        timeline, waits = self._timeline, self._timeline.waits
        known = {instant.payload for each in self._of_task.values() for instant in each
                 if instant.what is What.WAITS}  # fmt: skip
        for row in sorted(known):
            ended, waker = waits.ended[row], waits.woken_by[row]
            cancelled = waits.outcome[row] == Outcome.CANCELLED
            if cancelled and not waker:
                definition = timeline.tasks.get(waits.task[row])
                waker = (definition.parent or 0) if definition else 0
            of_tasks = waits.kind[row] in OF_TASKS and not cancelled
            if ended == NOT_YET or of_tasks or not waker or waker == waits.task[row]:
                continue
            if waits.kind[row] == WaitKind.SLEEP and not cancelled:
                continue
            if self._runs_at(waker, ended):
                result.signalled.add(row)
                self._add(waker, ended, _LAST - 1, What.SIGNALS, row)

    def _runs_at(self, task: int, at: int) -> bool:
        """Return whether ``task`` may run at ``at``: no wait of its own goes on."""
        row = self._timeline.waits.at(task, at - 1)
        ended = -1 if row is None else self._timeline.waits.ended[row]
        return task in self._timeline.tasks and (row is None or ended == at)

    # -- tasks ------------------------------------------------------------------------------

    def _bound(self, result: Instants) -> None:
        """Find out when each task began and ended."""
        timeline, waits = self._timeline, self._timeline.waits
        for task, known in timeline.tasks.items():
            instants = self._of_task.get(task)
            first = instants[0].at if instants else known.at
            result.begins[task] = min(first, known.at)
            last = instants[-1].at if instants else known.at
            result.ends[task] = max(last, timeline.task_ended.get(task, last))
        for row in range(len(waits)):
            ended = waits.ended[row]
            if waits.kind[row] in OF_TASKS and waits.outcome[row] == Outcome.OK:
                targets = waits.tasks_awaited(row)
                single = len(targets) == 1 or waits.kind[row] == WaitKind.TASKS
                for target in targets if single else ():
                    instants = self._of_task.get(target)
                    last = instants[-1].at if instants else 0
                    if target in result.ends and last <= ended:
                        result.ends[target] = min(result.ends[target], ended)

    def _add_spawns(self, result: Instants) -> None:
        """Let each task be started by its parent, where the parent was suspended last before."""
        spawns: list[tuple[int, Instant]] = []
        for task, known in self._timeline.tasks.items():
            above = self._of_task.get(known.parent or 0)
            began = result.begins[task]
            if not above or above[0].at > began:
                continue
            anchor = above[bisect_right(above, began, key=attrgetter("at")) - 1]
            result.spawner[task] = known.parent or 0
            # Before the parent is suspended; after it goes on.
            rank = anchor.rank + (1 if anchor.what is What.GOES_ON else -1)
            spawn = Instant(anchor.at, rank, What.SPAWNS, task)
            spawns.append((known.parent or 0, spawn))
        for parent, spawn in spawns:
            self._of_task[parent].append(spawn)

    def _find_children(self, result: Instants) -> None:
        timeline = self._timeline
        children: dict[int, list[int]] = defaultdict(list)
        for task, known in timeline.tasks.items():
            children[known.parent or 0].append(task)
        for resource, rows in timeline.rows_of_resource.items():
            if timeline.is_group(resource):
                for row in rows:
                    start, end = timeline.enter_started[row], timeline.exit_ended[row]
                    result.children_joined[row] = [
                        task
                        for task in children.get(timeline.task[row], ())
                        if start <= result.begins[task] and NOT_YET < result.ends[task] <= end
                    ]
