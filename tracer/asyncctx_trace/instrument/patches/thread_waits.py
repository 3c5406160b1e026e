"""Record what threads wait for, and tasks that block their thread: queues, events, futures, ….

A wait is recorded where the program's own code calls the method that waits, and if it has to wait.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType
from typing import Any, NamedTuple

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.hidden_frames import hidden, program_frame, suspended
from asyncctx_trace.instrument.patches.executor_slots import PendingWait, awaits_slot, worker_of
from asyncctx_trace.instrument.publish import BY_CALL
from asyncctx_trace.instrument.registry import open_acquisitions, resources, tasks
from asyncctx_trace.instrument.registry.callers import site_at
from asyncctx_trace.instrument.registry.resources import Resource
from asyncctx_trace.instrument.registry.tasks import Task, current_task
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.instrument.rewriting.patching import beginning_with, watched
from asyncctx_trace.model.outcomes import EnterFlag, Outcome, outcome_of
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.model.waits import WaitKind

__all__ = ["ThreadWaits"]

_QUEUES = frozenset({"Queue", "LifoQueue", "PriorityQueue"})


@hidden
def _gets(queue: Any, block: object) -> bool:
    return bool(block) and _is_plain(queue) and not queue._qsize()


@hidden
def _puts(queue: Any, item: object, block: object) -> bool:
    return bool(block) and _is_plain(queue) and 0 < queue.maxsize <= queue._qsize()


@hidden
def _joins_queue(queue: Any) -> bool:
    return bool(queue.unfinished_tasks)


@hidden
def _is_plain(queue: Any) -> bool:
    """Return whether the methods of ``queue`` are the library's: no code of the program is run."""
    return type(queue).__module__ == "queue" and type(queue).__name__ in _QUEUES


@hidden
def _is_unset(event: Any) -> bool:
    return not event._flag


@hidden
def _is_pending(future: Any) -> bool:
    return future._state in ("PENDING", "RUNNING")


@hidden
def _is_alive(thread: Any) -> bool:
    return type(thread).is_alive is threading.Thread.is_alive and bool(thread.is_alive())


@hidden
def _always(thing: object) -> bool:
    return True


class _Waiting(NamedTuple):
    """A method that makes its thread wait."""

    module: str
    function: str
    kind: WaitKind
    resource: str
    """The kind of resource that the object is; ``""`` where it is none."""
    arguments: int
    """How many leading arguments ``waits`` gets."""
    waits: Callable[..., bool]
    """Whether a call with these arguments has to wait."""
    waker: str = ""
    """The method by which others end the wait."""


_TABLE = (
    _Waiting("queue", "Queue.get", WaitKind.QUEUE_GET, "queue", 2, _gets, "Queue.put"),
    _Waiting("queue", "Queue.put", WaitKind.QUEUE_PUT, "queue", 3, _puts, "Queue.get"),
    _Waiting(
        "queue", "Queue.join", WaitKind.QUEUE_JOIN, "queue", 1, _joins_queue, "Queue.task_done"
    ),
    _Waiting("threading", "Event.wait", WaitKind.EVENT, "event", 1, _is_unset, "Event.set"),
    _Waiting("threading", "Barrier.wait", WaitKind.BARRIER, "barrier", 1, _always),
    _Waiting("threading", "Thread.join", WaitKind.THREAD, "", 1, _is_alive),
    _Waiting("concurrent.futures._base", "Future.result", WaitKind.THREAD, "", 1, _is_pending),
    _Waiting("concurrent.futures._base", "Future.exception", WaitKind.THREAD, "", 1, _is_pending),
)
_WAKES_ONLY = (("threading", "Event.set"), ("queue", "Queue.task_done"))
"""Functions that end waits and never wait themselves."""
_BLOCKING = int(EnterFlag.BLOCKING)
_OK, _TIMED_OUT = int(Outcome.OK), int(Outcome.TIMED_OUT)
_actors: WeakIdMap[dict[str, int]] = WeakIdMap()
"""Method -> the task that has called it last, by the queue or event."""
_submitted: WeakIdMap[Task] = WeakIdMap()
"""The task that stands for what a future of another thread gives, by the future."""

_Handle = tuple[int, Any, _Waiting]
"""id of a wait; the queue, event or barrier that it is for, or ``None``; how it waits"""


class _Notified(NamedTuple):
    """A thread that waits for a condition, whose lock it has released."""

    wait: int
    resource: Resource
    manager: int
    site: int


class ThreadWaits:
    """Watch the methods that make a thread wait."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own

    def patches(self) -> Iterator[tuple[str, str, Callable[..., CodeType]]]:
        """Yield the module, the function, and how its code is changed, of each."""
        for waiting in _TABLE:
            yield waiting.module, waiting.function, partial(self._waiting, waiting)
        for module, function in _WAKES_ONLY:
            yield module, function, partial(self._waking, function)
        yield "threading", "Condition.wait", self._notified
        yield "asyncio.tasks", "run_coroutine_threadsafe", self._submitting

    # -- waits ------------------------------------------------------------------------------

    def _waiting(self, waiting: _Waiting, code: CodeType, *consts: object) -> CodeType:
        started, ended, failed = self._hooks(waiting)
        return watched(code, started, ended, failed, waiting.arguments, *consts)

    def _hooks(  # noqa: C901 - three functions that share what they close over
        self, waiting: _Waiting
    ) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        wakes = any(waiting.function == other.waker for other in _TABLE)

        @suspended
        def started(*arguments: Any) -> _Handle | Any:
            if sinks.active.sink is None:
                return None
            try:
                if waiting.waits(*arguments):
                    return self._begin(waiting, arguments[0])
                thing = arguments[0]
                return thing if wakes and resources.of_object(thing) is not None else None
            except Exception as error:
                sinks.hook_failed(error)
                return None

        @suspended
        def ended(handle: Any, result: object) -> None:
            if handle is None:
                return
            try:
                if type(handle) is PendingWait:
                    _end((handle.number, None, waiting), _OK)
                    return
                thing = handle
                if type(handle) is tuple:
                    thing = handle[1]
                    is_late = result is False and waiting.kind is WaitKind.EVENT
                    _end(handle, _TIMED_OUT if is_late else _OK)
                if wakes:
                    _note_actor(thing, waiting.function)
            except Exception as error:
                sinks.hook_failed(error)

        @suspended
        def failed(handle: Any, error: BaseException) -> None:
            if type(handle) is PendingWait:
                handle = handle.number, None, waiting
            if type(handle) is tuple:
                _end(handle, _outcome(error, waiting))

        return started, ended, failed

    @hidden
    def _begin(self, waiting: _Waiting, thing: Any) -> _Handle | PendingWait | None:
        method = program_frame()
        caller = None if method is None else method.f_back
        sink = sinks.active_sink()
        if sink is None or caller is None or not self._own(caller.f_code.co_filename):
            return None
        site = site_at(caller)
        task = current_task()
        kind, subject = waiting.kind, 0
        if waiting.resource:
            resource = resources.of_object(thing)
            if resource is None:
                method_name = waiting.function.partition(".")[2]
                resource = resources.of_awaited(thing, waiting.resource, method_name, site.text)
            subject = resource.id
        else:
            target = _submitted.get(thing) or tasks.of_thread(thing)
            if target is not None:
                kind, subject = WaitKind.TASK, target.id
            elif waiting.function.startswith("Future."):
                pending = awaits_slot(thing, task, site.id, int(kind))
                if pending is not None:
                    return pending
        number = next(publish.ids)
        at = unpatched.monotonic_ns()
        sink.wait_started(at, number, task.id, subject, site.id, int(kind))
        worker = worker_of(thing) if kind is WaitKind.THREAD else None
        if worker is not None:
            sink.wait_target(at, number, worker.id)
        return number, thing if waiting.resource else None, waiting

    # -- what ends them ---------------------------------------------------------------------

    def _waking(self, function: str, code: CodeType, *consts: object) -> CodeType:
        @suspended
        def wakes(thing: Any) -> None:
            if sinks.active.sink is None:
                return
            try:
                if resources.of_object(thing) is not None:
                    _note_actor(thing, function)
            except Exception as error:
                sinks.hook_failed(error)

        return beginning_with(code, wakes, *consts, arguments=("self",))

    # -- conditions -------------------------------------------------------------------------

    def _notified(self, code: CodeType, *consts: object) -> CodeType:
        return watched(
            code, self._condition_waits, self._condition_woken, self._condition_failed, 1, *consts
        )

    @suspended
    def _condition_waits(self, condition: Any) -> _Notified | None:
        sink = sinks.active.sink
        if sink is None:
            return None
        try:
            resource = resources.of_object(condition._lock)
            method = program_frame()
            caller = None if method is None else method.f_back
            while caller is not None and caller.f_code.co_name == "wait_for":
                caller = caller.f_back
            if resource is None or caller is None or not self._own(caller.f_code.co_filename):
                return None
            task = current_task()
            acquisition = open_acquisitions.match(resource, task)
            if acquisition is None or acquisition.task is not task:
                return None
            site = site_at(caller)
            open_acquisitions.released(resource, acquisition, site.id)
            subject = resources.of_awaited(condition, "condition", "wait", site.text)
            number = next(publish.ids)
            sink.wait_started(
                unpatched.monotonic_ns(),
                number,
                task.id,
                subject.id,
                site.id,
                int(WaitKind.CONDITION),
            )
            manager = resources.manager_of(type(condition))
            return _Notified(number, resource, manager, site.id)
        except Exception as error:
            sinks.hook_failed(error)
            return None

    @suspended
    def _condition_woken(self, handle: _Notified | None, result: object) -> None:
        if handle is not None:
            self._reacquire(handle, _TIMED_OUT if result is False else _OK)

    @suspended
    def _condition_failed(self, handle: _Notified | None, error: BaseException) -> None:
        if handle is not None:
            self._reacquire(handle, int(outcome_of(error)))

    @hidden
    def _reacquire(self, handle: _Notified, outcome: int) -> None:
        """Publish the end of the wait, and that the lock is held again; it is, even on an error."""
        sink = sinks.active.sink
        if sink is None:
            return
        try:
            sink.wait_ended(unpatched.monotonic_ns(), handle.wait, outcome, 0)
            task = current_task()
            before = open_acquisitions.released_in_block(handle.resource, task)
            acquisition = publish.enter_started_by_call(
                handle.manager,
                handle.resource.id,
                handle.site,
                task,
                before,
                flags=BY_CALL | _BLOCKING,
            )
            if acquisition is None:
                return
            publish.enter_ended(acquisition, None)
            if not open_acquisitions.note_reacquired(acquisition):
                open_acquisitions.note_open(handle.resource, acquisition)
        except Exception as error:
            sinks.hook_failed(error)

    # -- coroutines for the loop of another thread --------------------------------------------

    def _submitting(self, code: CodeType, *consts: object) -> CodeType:
        return watched(code, _coroutine_passed, _coroutine_submitted, _nothing, 2, *consts)


@suspended
def _coroutine_passed(coroutine: Any, loop: Any) -> Task | None:
    """Return the task that will run ``coroutine``; the loop may do so before the call returns."""
    if sinks.active.sink is None or not hasattr(type(coroutine), "send"):
        return None
    try:
        return tasks.of_coroutine(coroutine, _thread_of(loop))
    except Exception as error:
        sinks.hook_failed(error)
        return None


@suspended
def _coroutine_submitted(task: Task | None, future: Any) -> None:
    """Note that ``future`` is that of ``task``."""
    if task is not None:
        _submitted.add(future, task)


@hidden
def _nothing(handle: object, error: object) -> None:
    """Report nothing."""


@hidden
def _thread_of(loop: Any) -> str:
    """Return the name of the thread that runs ``loop``, ``""`` if that is not known."""
    thread = threading._active.get(getattr(loop, "_thread_id", None))  # type: ignore[attr-defined]  # enumerate() takes a lock
    return "" if thread is None else str(thread.name)


@hidden
def _note_actor(thing: Any, method: str) -> None:
    """Note that the running task has called ``method`` of ``thing``."""
    actors = _actors.get(thing)
    if actors is None:
        actors = {}
        _actors.add(thing, actors)
    actors[method] = current_task().id


@hidden
def _end(handle: _Handle, outcome: int) -> None:
    number, thing, waiting = handle
    sink = sinks.active.sink
    if sink is None or not number:
        return
    actors = None if thing is None or outcome != _OK else _actors.get(thing)
    waker = 0 if actors is None else actors.get(waiting.waker, 0)
    try:
        sink.wait_ended(unpatched.monotonic_ns(), number, outcome, waker)
    except Exception as error:
        sinks.disable_sink(sink, error)


@hidden
def _outcome(error: BaseException, waiting: _Waiting) -> int:
    module = sys.modules.get("queue")
    if module is not None and isinstance(error, (module.Empty, module.Full)):
        return _TIMED_OUT
    if isinstance(error, (TimeoutError, KeyboardInterrupt)):
        return int(outcome_of(error))
    return _OK if waiting.function.startswith("Future.") else int(outcome_of(error))
