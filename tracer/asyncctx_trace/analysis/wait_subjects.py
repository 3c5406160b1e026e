"""What tasks wait for besides managers, in words."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.waits import WaitKind

__all__ = ["describe_subject"]

_PHRASES = {
    WaitKind.FUTURE: "a future",
    WaitKind.TASK: "the end of a task",
    WaitKind.TASKS: "the end of tasks",
    WaitKind.FIRST_TASK: "the first task to end",
    WaitKind.QUEUE_GET: "an item of {}",
    WaitKind.QUEUE_PUT: "room in {}",
    WaitKind.QUEUE_JOIN: "all items of {} to be done",
    WaitKind.EVENT: "event {}",
    WaitKind.CONDITION: "a notification of {}",
    WaitKind.BARRIER: "barrier {}",
    WaitKind.LOCK: "lock {}",
    WaitKind.RECEIVE: "an item of {}",
    WaitKind.SEND: "room in {}",
    WaitKind.THREAD: "a function in another thread",
    WaitKind.IO: "input or output",
    WaitKind.SLEEP: "a timer",
    WaitKind.TIMED_TASKS: "the end of tasks, or a timer",
}
_UNNAMED = {
    WaitKind.QUEUE_GET: "a queue",
    WaitKind.QUEUE_PUT: "a queue",
    WaitKind.QUEUE_JOIN: "a queue",
    WaitKind.RECEIVE: "a channel",
    WaitKind.SEND: "a channel",
}
_NAME = 60
"""Characters of one name in a sentence."""


def describe_subject(timeline: Timeline, wait: int) -> str:
    """Return what the wait in row ``wait`` of ``timeline.waits`` is for.

    Such as ``an item of `jobs``` or ``the end of worker-1``.
    """
    waits = timeline.waits
    kind = WaitKind(waits.kind[wait])
    awaited = waits.tasks_awaited(wait)
    if awaited:
        first = task_name(timeline, awaited[0], _NAME)
        more = f" and {len(awaited) - 1} more" if len(awaited) > 1 else ""
        either = "the first to end of " if kind is WaitKind.FIRST_TASK else "the end of "
        timer = ", or a timer" if kind is WaitKind.TIMED_TASKS else ""
        return f"{either}{first}{more}{timer}"
    subject = waits.subject[wait]
    name = f"`{resource_name(timeline, subject, _NAME)}`" if subject else ""
    return _PHRASES[kind].format(name or _UNNAMED.get(kind, "")).strip()
