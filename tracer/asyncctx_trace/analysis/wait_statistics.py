"""What tasks waited for besides managers: how often, how long, and who ended it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from asyncctx_trace.analysis.kernels.choice import kernels_for
from asyncctx_trace.analysis.kernels.wait_groups import WaitGroup
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.wait_subjects import describe_kind, describe_subject
from asyncctx_trace.model.names import resource_name
from asyncctx_trace.model.waits import WaitKind

__all__ = ["WaitGroup", "describe_group", "describe_wakers", "wait_groups"]

_NOT_TASKS = {
    WaitKind.TASK: "its end",
    WaitKind.TASKS: "their end",
    WaitKind.FIRST_TASK: "the first end",
    WaitKind.TIMED_TASKS: "their end, or a timer",
    WaitKind.SLEEP: "a timer",
    WaitKind.IO: "input or output",
    WaitKind.THREAD: "a thread",
}
"""What ends a wait that no task ended, where the kind says it."""


def wait_groups(snapshot: Snapshot, tasks: Iterable[int] | None = None) -> list[WaitGroup]:
    """Return the waits by kind, name of the subject and site, most time first.

    ``tasks``: only their waits; by default, those of all tasks. O(n log n) for n waits.
    """
    timeline = snapshot.timeline
    waits = timeline.waits
    numbers: dict[str, int] = {}
    names = {
        resource: numbers.setdefault(known.name, len(numbers) + 1)
        for resource, known in timeline.resources.items()
    }
    rows = (
        range(len(waits))
        if tasks is None
        else sorted(chain.from_iterable(waits.rows_of_task.get(task, ()) for task in tasks))
    )
    groups = kernels_for(len(rows)).whole.wait_groups(waits, rows, names, snapshot.now)
    return sorted(groups, key=lambda group: -group.duration.total)


def describe_group(snapshot: Snapshot, group: WaitGroup, width: int) -> str:
    """Return what the waits of ``group`` were for, such as ``an item of `jobs```.

    ``width``: the largest width of a name, in cells.
    """
    if group.duration.count == 1:
        return describe_subject(snapshot.timeline, group.first, width)
    name = resource_name(snapshot.timeline, group.subject, width) if group.subject else ""
    return describe_kind(group.kind, name)


def describe_wakers(snapshot: Snapshot, group: WaitGroup) -> str:
    """Return who ended the waits of ``group``: ``producer``, ``worker-1 and 3 more``, ``a timer``.

    Empty if none has ended.
    """
    tasks = [task for task, _ in group.wakers if task]
    if not tasks:
        return _NOT_TASKS.get(group.kind, "a callback") if group.wakers else ""
    others = group.waker_count - 1 - any(not task for task, _ in group.wakers)
    return snapshot.task_name(tasks[0]) + (f" and {others} more" if others > 0 else "")
