"""How many tasks of a group exist, and how many of them wait, over time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import NamedTuple

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace_tui.view.lanes.task_groups import GroupKey, group_key
from asyncctx_trace_tui.view.tracks.step_curve import StepCurve

__all__ = ["GroupCurve", "group_curves"]

_FEW = 3
"""Groups of fewer tasks have no curve."""


class GroupCurve(NamedTuple):
    """The tasks of a group over time."""

    alive: StepCurve
    waiting: StepCurve
    """Those that wait for a resource."""
    acquires: bool
    """Whether any of them ever acquires a resource."""


def group_curves(snapshot: Snapshot) -> dict[GroupKey, GroupCurve]:
    """Return the curves of all groups. O(n log n) for n acquisitions."""
    timeline = snapshot.timeline
    groups: dict[GroupKey, list[int]] = {}
    for task in dict.fromkeys((*timeline.rows_of_task, *timeline.waits.rows_of_task)):
        groups.setdefault(group_key(timeline, task), []).append(task)
    return {
        key: GroupCurve(
            _alive(snapshot, tasks),
            _waiting(snapshot, tasks),
            any(task in timeline.rows_of_task for task in tasks),
        )
        for key, tasks in groups.items()
        if len(tasks) >= _FEW
    }


def _alive(snapshot: Snapshot, tasks: Iterable[int]) -> StepCurve:
    timeline, waits = snapshot.timeline, snapshot.timeline.waits
    starts, ends = array("q"), array("q")
    for task in tasks:
        acquired, waited = timeline.rows_of_task.get(task), waits.rows_of_task.get(task)
        first = min(
            timeline.enter_started[acquired[0]] if acquired else snapshot.now,
            waits.started[waited[0]] if waited else snapshot.now,
        )
        starts.append(first)
        ends.append(max(first, timeline.task_ended.get(task, snapshot.now)))
    return StepCurve.of_intervals(starts, ends)


def _waiting(snapshot: Snapshot, tasks: Iterable[int]) -> StepCurve:
    timeline, now = snapshot.timeline, snapshot.now
    starts, ends = array("q"), array("q")
    for task in tasks:
        for row in timeline.rows_of_task.get(task, ()):
            start, end = timeline.enter_started[row], timeline.enter_ended[row]
            if start != end:
                starts.append(start)
                ends.append(max(start, now) if end == NOT_YET else end)
    return StepCurve.of_intervals(starts, ends)
