"""What tasks wait for besides managers, in words."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.waits import WaitKind

__all__ = ["describe_kind", "describe_subject"]

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


def describe_subject(timeline: Timeline, wait: int, width: int = _NAME) -> str:
    """Return what the wait in row ``wait`` of ``timeline.waits`` is for.

    Such as ``an item of `jobs``` or ``the end of worker-1``. ``width``: the largest width of a
    name, in cells.
    """
    waits = timeline.waits
    kind = WaitKind(waits.kind[wait])
    awaited = waits.tasks_awaited(wait)
    if awaited:
        first = task_name(timeline, awaited[0], width)
        more = f" and {len(awaited) - 1} more" if len(awaited) > 1 else ""
        either = "the first to end of " if kind is WaitKind.FIRST_TASK else "the end of "
        timer = ", or a timer" if kind is WaitKind.TIMED_TASKS else ""
        return f"{either}{first}{more}{timer}"
    subject = waits.subject[wait]
    return describe_kind(kind, resource_name(timeline, subject, width) if subject else "")


def describe_kind(kind: WaitKind, name: str) -> str:
    """Return what waits of ``kind`` are for; ``name`` is that of the subject, ``""`` if unknown."""
    return _PHRASES[kind].format(f"`{name}`" if name else _UNNAMED.get(kind, "")).strip()
