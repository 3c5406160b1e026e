"""The lanes of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.names import task_name

__all__ = ["PageLane", "lanes_of"]


@dataclass(frozen=True, slots=True)
class PageLane:
    """A row of bars: one task, or tasks of one coroutine that never ran at once."""

    label: str
    group: str
    tasks: Sequence[int]


def lanes_of(timeline: Timeline) -> list[PageLane]:
    """Return the lanes, in order of their first event."""
    waits = timeline.waits
    firsts = {task: waits.started[rows[0]] for task, rows in waits.rows_of_task.items()}
    for task, rows in timeline.rows_of_task.items():
        first = timeline.enter_started[rows[0]]
        firsts[task] = min(first, firsts.get(task, first))
    order = sorted(firsts, key=lambda task: (firsts[task], task))
    return [PageLane(task_name(timeline, task, None), "", (task,)) for task in order]
