"""Tasks of one coroutine as a group, packed into as many rows as run at once."""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import islice
from typing import NamedTuple

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import TaskDefined
from asyncctx_trace_tui.view.lanes.lane import Lane
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.lanes.packed_lane import PackedLane
from asyncctx_trace_tui.view.lanes.packing import RowPacker
from asyncctx_trace_tui.view.lanes.task_ends import TaskEnds

__all__ = ["GroupKey", "LaneGroup", "TaskGroups", "group_key"]

_FEW_LANES = 24
"""Up to this number of lanes, each task has a lane of its own."""
_FEW = 3
"""The number of tasks of one coroutine from which they are packed."""
_FEW_NAMED = 20
"""The same for tasks with names of their own, which differ at most in numbers."""
_GENERATED = re.compile(r"Task-\d+")
_NUMBER = re.compile(r"\d+")


class GroupKey(NamedTuple):
    """What the tasks of a group have in common."""

    process: int
    coroutine: str
    """Its qualified name; in older recordings, the function in which the task first waited."""
    name: str
    """The name of the tasks with ``…`` for numbers; ``""`` for generated names."""

    @property
    def label(self) -> str:
        """What the group is called."""
        return self.name or self.coroutine or "tasks"


def group_key(timeline: Timeline, task: int) -> GroupKey:
    """Return the key of the group that a task belongs to."""
    defined = timeline.tasks.get(task)
    if defined is None:
        return GroupKey(0, _first_function(timeline, task), "")
    coroutine = defined.coroutine or _first_function(timeline, task)
    name = "" if _has_generated_name(defined) else _NUMBER.sub("…", defined.name)
    return GroupKey(defined.process, coroutine, name)


def _has_generated_name(task: TaskDefined) -> bool:
    """Return whether the name of a task was made by asyncio, or of its coroutine by trio."""
    if _GENERATED.fullmatch(task.name):
        return task.runtime != "none"
    return bool(task.coroutine) and (
        task.name == task.coroutine or task.name.endswith(f".{task.coroutine}")
    )


def _first_function(timeline: Timeline, task: int) -> str:
    """Return the function in which a task first acquired or waited, ``""`` if unknown."""
    acquired, waited = timeline.rows_of_task.get(task), timeline.waits.rows_of_task.get(task)
    events = []
    if acquired:
        events.append((timeline.enter_started[acquired[0]], timeline.site[acquired[0]]))
    if waited:
        events.append((timeline.waits.started[waited[0]], timeline.waits.site[waited[0]]))
    known = timeline.sites.get(min(events)[1]) if events else None
    return known.function if known is not None else ""


class LaneGroup:
    """Tasks with the same key, in order of their first events."""

    def __init__(self, tracks: LaneSet, key: GroupKey, ends: TaskEnds) -> None:
        self.key = key
        self.lanes: list[Lane] = []
        self.rows: list[PackedLane] = []
        self.row_of: dict[int, PackedLane] = {}
        """Task -> the row into which it is packed."""
        self._tracks = tracks
        self._ends = ends
        self._packer = RowPacker()
        self._lasting: dict[int, int] = {}
        """Task that has not ended -> its row."""
        self._seen = 0
        """The number of ends that were used to free rows."""
        self._acquired = False
        """Whether a task is known to have acquired something."""

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self.lanes)

    @property
    def title(self) -> str:
        """The name of the group with the number of its tasks."""
        return f"{self.key.label} ×{len(self):,}"

    @property
    def is_large(self) -> bool:
        """Whether the tasks are so many that they are packed."""
        return len(self.lanes) >= (_FEW_NAMED if self.key.name else _FEW)

    @property
    def only_waits(self) -> bool:
        """Whether none of the tasks has acquired anything, as those that serve connections."""
        if not self._acquired:
            rows = self._tracks.timeline.rows_of_task
            self._acquired = any(lane.task in rows for lane in self.lanes)
        return not self._acquired

    def pack(self) -> None:
        """Place the tasks that were added since the last call."""
        new = self.lanes[len(self.row_of) :]
        if not new:
            return
        ends, lasting, packer = self._ends.ends, self._lasting, self._packer
        for task in self._ends.order[self._seen :]:
            if task in lasting:
                packer.end(lasting.pop(task), ends[task])
        self._seen = len(self._ends.order)
        for lane in new:
            task, start = lane.task, lane.started
            number = packer.place(start)
            if number == len(self.rows):
                self.rows.append(PackedLane(self._tracks.timeline, self._tracks.groups, number))
            row = self.row_of[task] = self.rows[number]
            row.add(task, start)
            if task in ends:
                packer.end(number, max(start, ends[task]))
            else:
                lasting[task] = number


class TaskGroups:
    """The groups of all tasks that have lanes; new tasks are added as a recording grows."""

    def __init__(
        self, tracks: LaneSet, *, only: Container[int] | None = None, alone: Container[int] = ()
    ) -> None:
        """``only``: the tasks to show, all by default; ``alone``: tasks that are in no group."""
        self.groups: dict[GroupKey, LaneGroup] = {}
        self.alone: list[Lane] = []
        self._tracks = tracks
        self._only = only
        self._alone = alone
        self._ends = TaskEnds(tracks.timeline)
        self._known = 0

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self.alone) + sum(map(len, self.groups.values()))

    def update(self) -> None:
        """Add the tasks that the recording got since the last call."""
        tracks, only, groups = self._tracks, self._only, self.groups
        for lane in islice(tracks.lanes.values(), self._known, None):
            task = lane.task
            if only is not None and task not in only:
                continue
            if task in self._alone:
                self.alone.append(lane)
                continue
            key = group_key(tracks.timeline, task)
            if key not in groups:
                groups[key] = LaneGroup(tracks, key, self._ends)
            groups[key].lanes.append(lane)
        self._known = len(tracks.lanes)
        if len(self) > _FEW_LANES:
            self._ends.update()
            for group in self.packed:
                group.pack()

    @property
    def packed(self) -> list[LaneGroup]:
        """The groups whose tasks are packed."""
        if len(self) <= _FEW_LANES:
            return []
        return [group for group in self.groups.values() if group.is_large]
