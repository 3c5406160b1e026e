"""Publish the four events of an acquisition, in the task that makes it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden
from asyncctx_trace.instrument.registry import tasks
from asyncctx_trace.instrument.registry.tasks import Task, current_task, seen
from asyncctx_trace.instrument.sinks import active
from asyncctx_trace.model.outcomes import EnterFlag, Outcome, outcome_of
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.native import accelerated

__all__ = [
    "BY_CALL",
    "ENDED",
    "ENTERING",
    "ENTERING_ELSEWHERE",
    "HOLDING",
    "LEAVING",
    "TRACED",
    "Acquisition",
    "close",
    "enter_ended",
    "enter_started",
    "enter_started_by_call",
    "exit_ended",
    "exit_started",
    "on_failed_exit",
    "on_second_exit",
]

ENTERING, HOLDING, LEAVING, ENDED, ENTERING_ELSEWHERE = range(5)
"""The states of an acquisition."""

ids = itertools.count(1)
_OK = int(Outcome.OK)
BY_CALL = int(EnterFlag.BY_CALL)
TRACED = int(EnterFlag.TRACED)
_NO_ROOM = (RecursionError, MemoryError)
"""The program is at the end of its stack or memory: the event is missed, the sink not to blame."""


@accelerated
class Acquisition:
    """One pass of one task through one manager.

    Where a task releases what an ``async with`` holds and acquires it again inside the block, the
    object stands for one acquisition after the other, each with its own id.
    """

    __slots__ = ("flags", "id", "resource", "state", "task")

    @hidden
    def __init__(self, id: int, task: Task, resource: int) -> None:
        self.id = id
        self.task = task
        self.resource = resource
        self.state = ENTERING
        self.flags = 0
        """Bits of ``ExitFlag`` that its exit will have."""


@accelerated
@hidden
def enter_started(manager: int, resource: int, site: int, flags: int = 0) -> Acquisition | None:
    """Publish that the running task begins to enter; the caller has asked ``active_sink()``.

    Args:
        manager: Id of the manager's class.
        resource: Id of the resource.
        site: Id of the site.
        flags: Bits of ``EnterFlag``.

    Returns:
        The acquisition, ``None`` if no sink received the event.
    """
    sink = active.sink
    if sink is None:
        return None
    try:
        # The short way to the running task of asyncio, if it is known.
        known = None if tasks.running_loop() is None else seen(id(tasks.native_task()))
        task = known or current_task()
        open_ = task.open
        number = next(ids)
        acquisition = Acquisition(number, task, resource)
        parent = open_[-1].id if open_ else 0
        at = unpatched.monotonic_ns()
        if flags:
            sink.enter_started(at, number, parent, task.id, manager, resource, site, flags)
        else:
            sink.enter_started(at, number, parent, task.id, manager, resource, site)
    except _NO_ROOM:
        sinks.count_missed(sink)
        return None
    except Exception as error:
        sinks.disable_sink(sink, error)
        return None
    open_.append(acquisition)
    return acquisition


@hidden
def enter_started_by_call(
    manager: int,
    resource: int,
    site: int,
    task: Task,
    acquisition: Acquisition | None = None,
    *,
    flags: int = BY_CALL,
    elsewhere: bool = False,
) -> Acquisition | None:
    """Publish that ``task`` begins to enter by calling a method.

    ``acquisition`` is one that has ended and begins again. With ``elsewhere``, another task
    acquires on behalf of ``task``, which may go on meanwhile.
    """
    sink = active.sink
    if sink is None:
        return None
    open_ = task.open
    number = next(ids)
    parent = open_[-1].id if open_ else 0
    if acquisition is None:
        acquisition = Acquisition(number, task, resource)
    else:
        acquisition.id = number
    acquisition.state = ENTERING_ELSEWHERE if elsewhere else ENTERING
    try:
        sink.enter_started(
            unpatched.monotonic_ns(), number, parent, task.id, manager, resource, site, flags
        )
    except _NO_ROOM:
        sinks.count_missed(sink)
        return None
    except Exception as error:
        sinks.disable_sink(sink, error)
        return None
    open_.insert(0 if elsewhere else len(open_), acquisition)
    return acquisition


@accelerated
@hidden
def enter_ended(acquisition: Acquisition | None, error: BaseException | None = None) -> None:
    """Publish the end of the enter, which failed if there is an ``error``."""
    if acquisition is None:
        return
    acquisition.state = HOLDING if error is None else ENDED
    sink = active.sink
    try:
        at = unpatched.monotonic_ns()
        if error is None:
            if sink is not None:
                sink.enter_ended(at, acquisition.id, _OK, None)
        else:
            close(acquisition)
            if sink is not None:
                outcome = call_hidden(outcome_of, error)
                call_hidden(sink.enter_ended, at, acquisition.id, outcome, error)
    except _NO_ROOM:
        sinks.count_missed(sink)
    except Exception as failure:
        sinks.disable_sink(sink, failure)


@accelerated
@hidden
def exit_started(
    acquisition: Acquisition, error: BaseException | None = None, site: int = 0
) -> None:
    """Publish that the body has ended, with ``error`` if it failed, and the exit begins.

    ``site`` is that of the call that begins the exit, ``0`` for the end of an ``async with``.
    """
    if acquisition.state == ENDED:  # released inside the block
        return
    acquisition.state = LEAVING
    sink = active.sink
    if sink is None:
        return
    try:
        at = unpatched.monotonic_ns()
        known = None if tasks.running_loop() is None else seen(id(tasks.native_task()))
        task = known or current_task()
        if error is None:
            sink.exit_started(at, acquisition.id, task.id, _OK, None, site)
        else:
            outcome = call_hidden(outcome_of, error)
            call_hidden(sink.exit_started, at, acquisition.id, task.id, outcome, error, site)
    except _NO_ROOM:
        sinks.count_missed(sink)
    except Exception as failure:
        sinks.disable_sink(sink, failure)


@accelerated
@hidden
def exit_ended(
    acquisition: Acquisition | None,
    error: BaseException | None = None,
    suppressed: bool = False,
    body_error: BaseException | None = None,
) -> None:
    """Publish the end of the exit, which may have failed, after a body that may have failed."""
    if acquisition is None:
        return
    if acquisition.state == ENDED:
        _second_exit(acquisition, error)
        return
    acquisition.state = ENDED
    sink = active.sink
    try:
        at = unpatched.monotonic_ns()
        open_ = acquisition.task.open
        if open_ and open_[-1] is acquisition:
            open_.pop()
        else:
            close(acquisition)
        if sink is None:
            return
        if error is None:
            if acquisition.flags:
                sink.exit_ended(at, acquisition.id, _OK, suppressed, None, acquisition.flags)
            else:
                sink.exit_ended(at, acquisition.id, _OK, suppressed, None)
        else:
            outcome = call_hidden(outcome_of, error)
            flags = acquisition.flags | call_hidden(_flags_of, error, body_error)
            call_hidden(sink.exit_ended, at, acquisition.id, outcome, suppressed, error, flags)
    except _NO_ROOM:
        sinks.count_missed(sink)
    except Exception as failure:
        sinks.disable_sink(sink, failure)


def _no_flags(_error: BaseException, _body_error: BaseException | None) -> int:
    """Return no flags: the default until ``exit_flags`` is imported."""
    return 0


_flags_of: Callable[[BaseException, BaseException | None], int] = _no_flags


def on_failed_exit(flags_of: Callable[[BaseException, BaseException | None], int]) -> None:
    """Have ``flags_of(exit's error, body's error)`` determine the flags of exits that failed."""
    global _flags_of
    _flags_of = flags_of


def on_second_exit(callback: Callable[[Acquisition, BaseException | None], None]) -> None:
    """Call ``callback`` at the end of the exit of an acquisition that had ended before."""
    global _second_exit
    _second_exit = callback


def _nothing(acquisition: Acquisition, error: BaseException | None) -> None:
    """Do nothing: the default until ``open_acquisitions`` is imported."""


_second_exit: Callable[[Acquisition, BaseException | None], None] = _nothing


@hidden
def close(acquisition: Acquisition) -> None:
    """Take ``acquisition`` off the open ones of its task."""
    open_ = acquisition.task.open
    if acquisition in open_:
        open_.remove(acquisition)
