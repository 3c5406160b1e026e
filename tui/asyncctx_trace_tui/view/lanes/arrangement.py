"""The lanes of a screen from top to bottom: by process, then by coroutine."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.command_line import process_label
from asyncctx_trace_tui.view.lanes.lane import Lane
from asyncctx_trace_tui.view.lanes.packed_lane import PackedLane
from asyncctx_trace_tui.view.lanes.task_groups import GroupKey, LaneGroup, TaskGroups

__all__ = ["Arrangement", "Item", "OpenGroup", "ProcessHeading", "Row", "arrange"]

_LONGEST_COUNT = "99,999 more rows"
"""Under a group of which not all rows are shown."""
Row: TypeAlias = Lane | PackedLane
"""What the selection walks over: a task, or tasks that run one after the other."""


@dataclass(frozen=True, slots=True)
class ProcessHeading:
    """The line above the lanes of a process."""

    process: int


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """The line above the lanes of a group whose tasks have lanes of their own."""

    group: LaneGroup


Item: TypeAlias = Lane | LaneGroup | OpenGroup | ProcessHeading


class Arrangement:
    """What is shown from top to bottom."""

    def __init__(self, items: list[Item], tasks: int) -> None:
        self.items = items
        self.tasks = tasks
        """The number of tasks that are shown."""
        self._groups = [item for item in items if isinstance(item, LaneGroup)]
        self._opened = [item.group for item in items if isinstance(item, OpenGroup)]
        self._lanes = {item.task: item for item in items if isinstance(item, Lane)}

    @property
    def is_plain(self) -> bool:
        """Whether each line is that of one task."""
        return len(self._lanes) == len(self.items)

    @property
    def rows(self) -> list[Row]:
        """The rows from top to bottom."""
        return list(self._rows())

    def _rows(self) -> Iterator[Row]:
        for item in self.items:
            if isinstance(item, Lane):
                yield item
            elif isinstance(item, LaneGroup):
                yield from item.rows

    def names(self, timeline: Timeline) -> list[str]:
        """Return the names of lanes, groups and processes."""
        found = []
        for item in self.items:
            if isinstance(item, Lane):
                defined = timeline.tasks.get(item.task)
                found.append(defined.name if defined is not None else "")
            elif isinstance(item, LaneGroup):
                found += [item.title, _LONGEST_COUNT]
            elif isinstance(item, ProcessHeading):
                found.append(process_label(timeline.processes, item.process))
        return found

    def row_of(self, task: int) -> Row | None:
        """Return the row that shows a task, if any."""
        found: Row | None = self._lanes.get(task)
        if found is None:
            group = self.group_of(task)
            found = group.row_of[task] if group is not None else None
        return found

    def group_of(self, task: int) -> LaneGroup | None:
        """Return the packed group that contains a task, if any."""
        return next((group for group in self._groups if task in group.row_of), None)

    def opened_group_of(self, task: int) -> LaneGroup | None:
        """Return the group that contains a task and is open, if any."""
        return next((group for group in self._opened if task in group.row_of), None)


def arrange(
    groups: TaskGroups,
    opened: Container[GroupKey],
    spent: Sequence[int] | None,
) -> Arrangement:
    """Arrange lanes and groups by process, in order of first appearance or of the time spent.

    ``opened``: the groups whose tasks have lanes of their own. ``spent``: the time by which to
    sort, for each lane in order of first appearance; the longest comes first. Groups of tasks that
    never acquire anything come last.
    """
    packed = {id(group) for group in groups.packed}

    def rank(item: Lane | LaneGroup) -> tuple[bool, int, int]:
        lanes = item.lanes if isinstance(item, LaneGroup) else [item]
        time = 0 if spent is None else -sum(spent[lane.order] for lane in lanes)
        return isinstance(item, LaneGroup) and item.only_waits, time, lanes[0].order

    sections: dict[int, list[Lane | LaneGroup]] = {}
    for key, group in groups.groups.items():
        section = sections.setdefault(key.process, [])
        section += [group] if id(group) in packed else group.lanes
    alone: list[Lane] = sorted(groups.alone, key=rank)
    items: list[Item] = [*alone]
    for process, section in sections.items():
        if len(sections) > 1:
            items.append(ProcessHeading(process))
        for item in sorted(section, key=rank):
            if isinstance(item, LaneGroup) and item.key in opened:
                lanes: list[Lane] = sorted(item.lanes, key=rank)
                items += [OpenGroup(item), *lanes]
            else:
                items.append(item)
    return Arrangement(items, len(groups))
