"""Tasks that were garbage-collected while they waited."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.finding import Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import is_complete
from asyncctx_trace.analysis.wait_subjects import describe_subject

__all__ = ["DestroyedTask"]


class DestroyedTask(Finding):
    """A task was destroyed while it waited, because nothing referred to it any more.

    An event loop has only weak references to its tasks. Certain if the program went on after that;
    what is destroyed when a program ends is left out.
    """

    kind = "destroyed-task"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each line at which tasks waited."""
        timeline = snapshot.timeline
        by_site: dict[int, list[int]] = {}
        for row in timeline.waits.open.values():
            if _destroyed_while_waiting(snapshot, row):
                by_site.setdefault(timeline.waits.site[row], []).append(row)
        for site, rows in by_site.items():
            tasks = [timeline.waits.task[row] for row in rows]
            started, ended = timeline.waits.started[rows[0]], timeline.task_ended[tasks[0]]
            yield cls.of(
                snapshot,
                (),
                f"{snapshot.task_name(tasks[0])} was destroyed while it waited for "
                f"{describe_subject(timeline, rows[0])} at {snapshot.site_label(site)}: nothing "
                f"referred to the task, or to what it waited for, any more{times(len(rows))}. "
                "Keep a reference to the task.",
                certainty="certain" if is_complete(timeline, tasks, started, ended) else "possible",
                at=ended,
                count=len(rows),
                tasks=tasks,
                sites=[site],
            )


def _destroyed_while_waiting(snapshot: Snapshot, row: int) -> bool:
    """Return whether the task of the open wait ``row`` ended while its process still did work."""
    timeline = snapshot.timeline
    task = timeline.waits.task[row]
    ended = timeline.task_ended.get(task)
    if ended is None or ended < timeline.waits.started[row]:
        return False
    return ended < snapshot.once(_last_work).get(snapshot.process_of(task), 0)


def _last_work(snapshot: Snapshot) -> dict[int | None, int]:
    """Return process -> when one of its tasks last began to wait or to acquire. O(n)."""
    timeline = snapshot.timeline
    last_of_task: dict[int, int] = {}
    for starts, tasks in (
        (timeline.waits.started, timeline.waits.task),
        (timeline.enter_started, timeline.task),
    ):
        for at, task in zip(starts, tasks, strict=True):
            last_of_task[task] = max(at, last_of_task.get(task, 0))
    last: dict[int | None, int] = {}
    for task, at in last_of_task.items():
        process = snapshot.process_of(task)
        last[process] = max(at, last.get(process, 0))
    return last
