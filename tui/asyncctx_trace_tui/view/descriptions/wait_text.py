"""Waits for other things than managers, in the words of the app."""

from __future__ import annotations

from asyncctx_trace.analysis.contention import wakers
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, site_name, task_name
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = [
    "BY_THEMSELVES",
    "describe_end",
    "describe_length",
    "describe_wait",
    "wait_label",
    "waker_of",
]

_ENDED_BY = {
    WaitKind.SLEEP: "the timer",
    WaitKind.IO: "input or output",
    WaitKind.THREAD: "the other thread",
}
"""What ends a wait that no task has to end."""
BY_THEMSELVES = frozenset(_ENDED_BY)
"""Waits that no task of the program has to end."""
_LABELS = {
    WaitKind.FUTURE: "future {}",
    WaitKind.TASK: "end of {}",
    WaitKind.TASKS: "end of {}",
    WaitKind.FIRST_TASK: "first of {}",
    WaitKind.QUEUE_GET: "get {}",
    WaitKind.QUEUE_PUT: "put {}",
    WaitKind.QUEUE_JOIN: "join {}",
    WaitKind.EVENT: "event {}",
    WaitKind.CONDITION: "condition {}",
    WaitKind.BARRIER: "barrier {}",
    WaitKind.LOCK: "lock {}",
    WaitKind.RECEIVE: "receive {}",
    WaitKind.SEND: "send {}",
    WaitKind.THREAD: "thread",
    WaitKind.IO: "I/O",
    WaitKind.SLEEP: "sleep",
    WaitKind.TIMED_TASKS: "end of {}",
}
_NAME = 24
"""The largest width of a name on a lane, in cells."""


def wait_label(timeline: Timeline, wait: int) -> str:
    """Return what the wait in row ``wait`` is for, to draw on a lane: ``get jobs``."""
    waits = timeline.waits
    kind = WaitKind(waits.kind[wait])
    tasks = waits.tasks_awaited(wait)
    if tasks:
        more = f" +{len(tasks) - 1}" if len(tasks) > 1 else ""
        name = task_name(timeline, tasks[0], _NAME) + more
    else:
        subject = waits.subject[wait]
        name = resource_name(timeline, subject, _NAME) if subject else ""
    return _LABELS[kind].format(name).strip()


def describe_wait(timeline: Timeline, wait: int) -> str:
    """Return who waits for what and where: ``a waits for event `ready` at app.py:31``."""
    waits = timeline.waits
    who = task_name(timeline, waits.task[wait])
    place = site_name(timeline, waits.site[wait])
    where = f" at {place}" if place else ""
    return f"{who} waits for {describe_subject(timeline, wait)}{where}"


def describe_end(timeline: Timeline, wait: int) -> str:
    """Return how a wait ended: ``woken by producer``, ``cancelled by main``; ``""`` if it lasts."""
    waits = timeline.waits
    if waits.ended[wait] == NOT_YET:
        return ""
    how = {Outcome.CANCELLED: "cancelled", Outcome.ERROR: "ended with an error"}.get(
        Outcome(waits.outcome[wait]), "woken"
    )
    by = waker_of(timeline, wait)
    return f"{how} by {by}" if by else how


def waker_of(timeline: Timeline, wait: int) -> str:
    """Return what ended a wait: a task, a timer, …; ``""`` if it is not known."""
    waits = timeline.waits
    if waits.woken_by[wait]:
        return task_name(timeline, waits.woken_by[wait])
    if waits.outcome[wait] == Outcome.CANCELLED:
        return ""
    kind = WaitKind(waits.kind[wait])
    awaited = waits.tasks_awaited(wait)
    if kind is WaitKind.TIMED_TASKS and wakers.waker_of(timeline, wait) is None:
        return _ENDED_BY[WaitKind.SLEEP]
    if awaited:
        return "the end of " + (task_name(timeline, awaited[0]) if len(awaited) == 1 else "a task")
    return _ENDED_BY.get(kind, "a callback")


def describe_length(timeline: Timeline, wait: int, now: int) -> str:
    """Return how long a wait took; one that has not ended took until ``now``."""
    waits = timeline.waits
    started, ended = waits.started[wait], waits.ended[wait]
    return format_duration((max(started, now) if ended == NOT_YET else ended) - started)
