"""The lanes of the page: those of the app, when all groups are closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.command_line import process_label
from asyncctx_trace.model.names import task_name
from asyncctx_trace_tui.view.lanes.arrangement import ProcessHeading, arrange
from asyncctx_trace_tui.view.lanes.lane import Lane
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.lanes.task_groups import LaneGroup, TaskGroups

__all__ = ["PageLane", "lanes_of"]


@dataclass(frozen=True, slots=True)
class PageLane:
    """A row of bars: one task, or tasks of one coroutine that never ran at once."""

    label: str
    """The name of the task, or that of the group in its first row; ``""`` in its other rows."""
    group: str = ""
    """The name of the group, if there is one."""
    tasks: Sequence[int] = ()
    """Their ids; there are none in the heading of a process."""


def lanes_of(timeline: Timeline) -> list[PageLane]:
    """Return the lanes from top to bottom: by process, then by first event."""
    tracks = LaneSet(timeline)
    tracks.update()
    groups = TaskGroups(tracks)
    groups.update()
    return list(_lanes(timeline, groups))


def _lanes(timeline: Timeline, groups: TaskGroups) -> Iterator[PageLane]:
    for item in arrange(groups, (), None).items:
        match item:
            case ProcessHeading(process):
                yield PageLane(process_label(timeline.processes, process))
            case Lane():
                yield PageLane(task_name(timeline, item.task, None), "", (item.task,))
            case LaneGroup():
                for row in item.rows:
                    yield PageLane("" if row.number else item.title, item.title, row.tasks)
