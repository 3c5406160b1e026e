"""The task that ended a wait for something else than a manager."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline.phases import NOT_YET
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = ["waker_of"]

_AT_ONCE = 1_000_000
"""ns in which the callback of a task that ended wakes who waits for it, if there is a deadline."""


def waker_of(timeline: Timeline, wait: int) -> int | None:
    """Return the task without which the wait in row ``wait`` would not have ended when it did.

    That is the task that set, filled or cancelled what was waited for; of several tasks that were
    awaited, the one that ended last. ``None`` for a timer, a thread or I/O. For a wait that goes
    on, the first of the awaited tasks that has not ended.
    """
    waits = timeline.waits
    if waits.woken_by[wait]:
        return waits.woken_by[wait]
    ended = waits.ended[wait]
    awaited = waits.tasks_awaited(wait)
    if ended == NOT_YET:
        return next((task for task in awaited if task not in timeline.task_ended), None)
    if waits.outcome[wait] == Outcome.CANCELLED:
        return None
    # A callback of the task that ended last has set the future of `gather` or `wait`. What had
    # ended before only had to be noticed.
    over = [(timeline.task_ended.get(task, NOT_YET), task) for task in awaited]
    during = (each for each in over if waits.started[wait] <= each[0] <= ended)
    last, task = max(during, default=(NOT_YET, None))
    if waits.kind[wait] == WaitKind.TIMED_TASKS and ended - last > _AT_ONCE:
        all_over = all(NOT_YET < at <= ended for at, _ in over)
        return task if all_over else None  # the time was over
    return task
