"""What the hooks at awaits, and at what wakes tasks, publish."""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinMethodType, MethodType
from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden
from asyncctx_trace.instrument.publish import ENTERING
from asyncctx_trace.instrument.registry import resources, tasks
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.registry.tasks import Task, current_task, seen
from asyncctx_trace.instrument.waits.subjects import Subject, subject_of
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.native import accelerated

__all__ = ["rescheduled", "scheduled", "suspended", "suspending"]

_KINDS = {
    WaitKind.QUEUE_GET: "queue",
    WaitKind.QUEUE_PUT: "queue",
    WaitKind.QUEUE_JOIN: "queue",
    WaitKind.EVENT: "event",
    WaitKind.CONDITION: "condition",
    WaitKind.BARRIER: "barrier",
    WaitKind.LOCK: "lock",
    WaitKind.RECEIVE: "channel",
    WaitKind.SEND: "channel",
}
"""The kind of resource that a wait is for."""
_OK = int(Outcome.OK)
_CANCELLED = int(Outcome.CANCELLED)
_ERROR = int(Outcome.ERROR)


@accelerated
@hidden
def suspending(site: Site, awaited: Any, value: Any) -> None:
    """Publish that the running task suspends: ``awaited``, at ``site``, has yielded ``value``."""
    suspended(site, value, subject_of, awaited, value)


@hidden
def suspended(site: Site, value: Any, find: Callable[..., Subject | None], *arguments: Any) -> None:
    """Publish that the running task suspends at ``site``, because ``value`` has been yielded.

    ``find``, called with ``arguments``, returns what the task waits for.
    """
    sink = sinks.active_sink()
    if sink is None or value is None:
        return
    try:
        known = None if tasks.running_loop() is None else seen(id(tasks.native_task()))
        task = known or current_task()
        if task.wait is None:
            return
        if task.wait:
            if task.suspended_on == id(value):  # an outer frame passes on what an inner one yielded
                return
            _end(task, _OK, 0)
        subject = find(*arguments)
        if subject is None:
            return
        if subject.kind is WaitKind.LOCK and task.open and task.open[-1].state == ENTERING:
            return  # recorded as an acquisition
        site_id = site.id or call_hidden(site.arrive)
        waited_for = _id_of(subject, site)
        number = task.wait = next(publish.ids)
        task.suspended_on = id(value)
        sink.wait_started(
            unpatched.monotonic_ns(), number, task.id, waited_for, site_id, int(subject.kind)
        )
        if len(subject.tasks) > 1:
            for each in subject.tasks:
                sink.wait_target(
                    unpatched.monotonic_ns(), number, call_hidden(tasks.of_native, each).id
                )
    except RecursionError:  # there is no stack to call anything
        sinks.active.uncounted += sinks.active.sink is not None
    except Exception as error:
        sinks.hook_failed(error)


@accelerated
@hidden
def scheduled(callback: Any) -> None:
    """Publish the end of the wait of the task that ``callback`` resumes, if it resumes one.

    Called when ``callback`` is scheduled in the event loop. The running task may have ended just
    before; then its end is published, too.
    """
    try:
        running = None if tasks.running_loop() is None else tasks.native_task()
        waker = None if running is None else seen(id(running))
        if running is not None and running.done():
            tasks.note_end_of(running)
        cls = type(callback)
        if cls is not BuiltinMethodType and cls is not MethodType:
            return
        native = callback.__self__
        task = seen(id(native))
        if task is None or not task.wait:
            return
        future = getattr(native, "_fut_waiter", None)
        outcome = _OK
        if future is not None and future.cancelled():
            outcome = _CANCELLED
        elif future is not None and future.done() and future._exception is not None:
            outcome = _ERROR
        _end(task, outcome, 0 if waker is None else waker.id)
    except RecursionError:
        sinks.active.uncounted += sinks.active.sink is not None
    except Exception as error:
        sinks.hook_failed(error)


@hidden
def rescheduled(native: Any, outcome: Any) -> None:
    """Publish the end of the wait of trio's task ``native``, rescheduled with ``outcome``."""
    task = seen(id(native))
    if task is None or not task.wait:
        return
    try:
        waker = current_task()
        ended = _OK if getattr(outcome, "error", None) is None else _CANCELLED
        if ended == _CANCELLED and _has_slept(native):
            ended = _OK
        # Trio cancels a task as it suspends if its deadline has passed: nobody else woke it then.
        is_other = waker is not task and waker.runtime == "trio"
        _end(task, ended, waker.id if is_other else 0)
    except Exception as error:
        sinks.hook_failed(error)


@hidden
def _has_slept(native: Any) -> bool:
    """Return whether only a timer of ``trio.sleep`` ends the wait, which cancels its own scope."""
    subject = subject_of(native.coro, native)
    if subject is None or subject.method not in _TIMERS:
        return False
    around = native._cancel_status._parent
    return around is None or not around.effectively_cancelled


_TIMERS = frozenset({"sleep", "sleep_until"})


@hidden
def _end(task: Task, outcome: int, waker: int) -> None:
    number = task.wait
    task.wait = 0
    sink = sinks.active.sink
    if sink is not None and number is not None:
        sink.wait_ended(unpatched.monotonic_ns(), number, outcome, waker)


@hidden
def _id_of(subject: Subject, site: Site) -> int:
    """Return the id of the task or resource that ``subject`` stands for, ``0`` for none."""
    if subject.tasks:
        return call_hidden(tasks.of_native, subject.tasks[0]).id if len(subject.tasks) == 1 else 0
    if subject.thing is None:
        return 0
    known = resources.of_object(subject.thing)
    if known is None:
        kind = _KINDS.get(subject.kind, "future")
        known = call_hidden(resources.of_awaited, subject.thing, kind, subject.method, site.text)
    return known.id
