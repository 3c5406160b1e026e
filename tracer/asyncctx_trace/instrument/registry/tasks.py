"""The registry of tasks: which one runs now, on asyncio, on trio or on neither."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden, suspended
from asyncctx_trace.instrument.registry.coroutines import (
    coroutine_name,
    is_finished,
    plain_coroutine,
)
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.native import extension

if TYPE_CHECKING:
    from asyncctx_trace.instrument.publish import Acquisition

__all__ = [
    "Task",
    "current_task",
    "known",
    "native_task",
    "note_end_of",
    "note_finished",
    "of_coroutine",
    "of_native",
    "of_thread",
    "running",
    "running_loop",
    "see_running",
    "seen",
]


class Task:
    """One of the program's tasks, which is not kept alive."""

    __slots__ = (
        "at",
        "coroutine",
        "id",
        "name",
        "open",
        "parent",
        "ref",
        "runtime",
        "suspended_on",
        "thread",
        "wait",
    )

    def __init__(self, name: str, runtime: str, parent: int, coroutine: str = "") -> None:
        """``coroutine``: its qualified name, empty if unknown."""
        sinks.ensure_stack()
        self.id = _next_id()
        self.at = unpatched.monotonic_ns()
        self.name = name
        self.coroutine = coroutine
        self.runtime = runtime
        self.parent = parent
        self.thread = threading.current_thread().name
        self.open: list[Acquisition] = []
        """Its unfinished acquisitions, innermost last."""
        self.ref: weakref.ref[Any] | None = None
        self.wait: int | None = 0
        """The id of its wait for something else than a manager, ``0`` for none; ``None`` in a loop
        whose wakeups are not reported to us, so that no wait is recorded."""
        self.suspended_on = 0
        """The address of what was yielded to the event loop for that."""

    def define(self, sink: sinks.Sink) -> None:
        """Send ``sink`` the definition of this task."""
        sink.task_defined(
            self.at, self.id, self.name, self.runtime, self.parent, self.thread, self.coroutine
        )


_native = extension("asyncctx_trace.instrument")
_next_id = itertools.count(1).__next__
by_native: WeakIdMap[Task] = WeakIdMap(lambda task: _native_task_gone(task))
"""By the task object of asyncio or trio."""
_outside_tasks: list[Task] = []
"""Pseudo-tasks for code outside any task, one for each thread."""
_by_thread: WeakIdMap[Task] = WeakIdMap()
"""The same by the thread's object."""
_foreseen: WeakIdMap[Task] = WeakIdMap(lambda task: _native_task_gone(task))
"""Tasks that others wait for and that have not run our code yet, by the task object."""
_submitted: WeakIdMap[Task] = WeakIdMap(lambda task: _native_task_gone(task))
"""Tasks that others wait for and that are not made yet, by the coroutine that they will run."""
_finished: set[int] = set()
"""Tasks whose end was published although their objects are alive."""
_outside: threading.local = threading.local()
# A new task inherits its creator's context: the only way to learn who created it without a change
# to the program's task factory or to the tasks.
_creator: ContextVar[int] = ContextVar("asyncctx_trace_task")


seen = by_native.by_id.get
"""Address of a native task -> the task, for those that are known."""


@hidden
def current_task() -> Task:
    """Return the running task; code outside any task counts as one pseudo-task per thread."""
    native = None if running_loop() is None else native_task()
    if native is not None:
        task = seen(id(native))
        return call_hidden(_first_seen, native, "asyncio") if task is None else task
    native = _trio_task()
    if native is not None:
        task = seen(id(native))
        return call_hidden(_first_seen, native, "trio") if task is None else task
    outside: Task | None = getattr(_outside, "task", None)
    return call_hidden(_first_outside) if outside is None else outside


@hidden
def see_running() -> None:
    """Make the running asyncio task known, so that it is the parent of those that it makes."""
    native = None if sinks.active.sink is None or running_loop() is None else native_task()
    if native is not None and seen(id(native)) is None:
        call_hidden(_first_seen, native, "asyncio")


def _first_outside() -> Task:
    name = f"{threading.current_thread().name} (no task)"
    outside = _outside.task = _define(Task(name, "none", 0))
    outside.ref = _by_thread.add(threading.current_thread(), outside)
    _outside_tasks.append(outside)
    return outside


def _first_seen(native: Any, runtime: str) -> Task:
    foreseen = _foreseen.pop(native) or _of_submitted(native, runtime)
    if foreseen is not None:
        foreseen.ref = by_native.add(native, foreseen)
        if not _reports_wakeups():
            foreseen.wait = None
        creator = _creator.get(0)
        _creator.set(foreseen.id)
        if foreseen.parent != creator:  # up to CPython 3.11 it is known only in the task itself
            foreseen.parent = creator
            _define(foreseen)
        return foreseen
    name = native.name if runtime == "trio" else native.get_name()
    task = Task(str(name), runtime, _creator.get(0), coroutine_name(native, runtime))
    if runtime == "asyncio" and not _reports_wakeups():
        task.wait = None
    _creator.set(task.id)
    task.ref = by_native.add(native, task)
    return _define(task)


@hidden
def _reports_wakeups() -> bool:
    """Return whether the running loop calls us for each callback that it schedules."""
    cls = type(running_loop())
    base = getattr(sys.modules.get("asyncio.base_events"), "BaseEventLoop", None)
    uvloop = getattr(sys.modules.get("uvloop"), "Loop", None)
    mro = type.__dict__["__mro__"].__get__(cls)
    return base in mro or (uvloop in mro and "call_soon" in vars(uvloop))


def of_coroutine(coroutine: Any, thread: str) -> Task:
    """Return the task that will run ``coroutine`` on the event loop of another thread.

    Args:
        coroutine: It was passed to that loop, and no task has been made of it yet.
        thread: The name of that thread, ``""`` if that is not known.
    """
    known = _submitted.get(coroutine)
    if known is None:
        name = str(getattr(coroutine, "__qualname__", type(coroutine).__qualname__))
        known = Task(name, "asyncio", current_task().id, name)
        known.thread = thread or known.thread
        with contextlib.suppress(TypeError):  # it cannot be watched
            _submitted.add(coroutine, known)
        _define(known)
    return known


def of_thread(thread: Any) -> Task | None:
    """Return the pseudo-task of ``thread``, a ``threading.Thread``; ``None`` if none is known."""
    return _by_thread.get(thread)


def _of_submitted(native: Any, runtime: str) -> Task | None:
    """Return the task that stands for the coroutine of ``native``, now with its own name."""
    if runtime != "asyncio" or not _submitted:
        return None
    coroutine = native.get_coro()
    known = None if coroutine is None else _submitted.pop(coroutine)
    if known is not None:
        known.name = str(native.get_name())
        known.thread = threading.current_thread().name
        _define(known)
    return known


def of_native(native: Any) -> Task:
    """Return the task that an asyncio task object stands for, which need not run now."""
    known = by_native.get(native) or _foreseen.get(native)
    if known is None:
        known = _of_submitted(native, "asyncio")
        if known is not None:
            known.ref = _foreseen.add(native, known)
    if known is None:
        context = native.get_context() if hasattr(native, "get_context") else None
        creator = 0 if context is None else context.get(_creator, 0)
        name = str(native.get_name())
        known = Task(name, "asyncio", creator, coroutine_name(native, "asyncio"))
        known.ref = _foreseen.add(native, known)
        _define(known)
    return known


def _define(task: Task) -> Task:
    sink = sinks.active.sink
    if sink is not None:
        try:
            task.define(sink)
        except Exception as error:
            sinks.disable_sink(sink, error)
    return task


@hidden
def _native_task_gone(task: Task) -> None:
    sink = sinks.active.sink
    if task.id in _finished:
        _finished.discard(task.id)
    elif sink is not None:
        try:
            sink.task_ended(unpatched.monotonic_ns(), task.id)
        except Exception as error:
            sinks.disable_sink(sink, error)


@hidden
def note_end_of(native: Any) -> None:
    """Publish that the asyncio task ``native`` has come to its end, if anything is known of it."""
    task = by_native.get(native) or _foreseen.get(native)
    if task is not None:
        note_ended(task)


@hidden
def note_ended(task: Task) -> None:
    """Publish that ``task`` has come to its end, if that has not been published."""
    sink = sinks.active.sink
    if sink is None or task.id in _finished:
        return
    _finished.add(task.id)
    try:
        sink.task_ended(unpatched.monotonic_ns(), task.id)
    except Exception as error:
        sinks.hook_failed(error)


@suspended
def note_finished(at: int, *, holders_only: bool = True) -> None:
    """Publish the end of tasks that are finished, still referenced, and hold something, or of all.

    The pseudo-task of a thread is finished when the thread has ended.

    Called when this package runs anyway: the end of a task does not call it.
    """
    sink = sinks.active.sink
    if sink is None:
        return
    for task in known():
        skipped = task.ref is None or (holders_only and not task.open)
        native = None if skipped or task.ref is None else task.ref()
        collected_thread = not skipped and native is None and task.runtime == "none"
        finished = collected_thread or (native is not None and is_finished(native, task.runtime))
        if task.id in _finished or not finished:
            continue
        _finished.add(task.id)
        try:
            sink.task_ended(at, task.id)
        except Exception as error:
            sinks.disable_sink(sink, error)


def known() -> list[Task]:
    """Return the known tasks whose objects are alive."""
    return [*by_native.values(), *_foreseen.values(), *_submitted.values(), *_outside_tasks]


def _replay(sink: sinks.Sink) -> None:
    if sinks.active.sink is None:
        _forget_threads()
    for task in known():
        task.define(sink)


def _forget_threads() -> None:
    """Forget the pseudo-tasks, unless one of them holds something that it may release later.

    A recording then contains those that are used in it, and not those of earlier recordings.
    """
    global _outside
    if not any(task.open for task in _outside_tasks):
        _outside_tasks.clear()
        _by_thread.clear()
        _outside = threading.local()


sinks.on_attach(_replay)


@hidden
def running() -> tuple[Any, Any]:
    """Return the running task object of asyncio or trio, and its coroutine; ``None`` for none."""
    native = None if running_loop() is None else native_task()
    if native is not None:
        return native, plain_coroutine(native.get_coro())
    native = _trio_task()
    return native, None if native is None else plain_coroutine(native.coro)


@hidden
def _trio_task() -> Any:
    """Return the running task object of trio, or ``None``."""
    # Like trio.lowlevel.current_task, which raises if there is none.
    run = getattr(sys.modules.get("trio._core._run"), "GLOBAL_RUN_CONTEXT", None)
    if run is not None:
        return getattr(run, "task", None)
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            return call_hidden(trio.lowlevel.current_task)
        except (RuntimeError, AttributeError):  # no run in this thread, or trio half imported
            pass
    return None


@hidden
def _running_loop() -> Any:
    """Placeholder until asyncio is imported, then replaced by asyncio's own function."""
    global running_loop
    found = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
    if found is None:
        return None
    running_loop = found
    return found()


running_loop = _running_loop
"""The event loop that runs in this thread, or ``None``; ``native_task`` raises without one."""


@hidden
def _native_task() -> Any:
    """Placeholder until asyncio is imported, then replaced by asyncio's own function.

    Importing asyncio takes longer than importing this package, and a program without it has no
    tasks of asyncio.
    """
    global native_task
    events = sys.modules.get("asyncio.events")
    tasks = sys.modules.get("asyncio.tasks")
    if events is None or tasks is None or not hasattr(tasks, "current_task"):
        return None
    found: Callable[[], Any] = tasks.current_task
    get_running_loop: Any = getattr(events, "_get_running_loop", None)
    if sys.version_info < (3, 12):
        # There asyncio.current_task is written in Python and takes 0.4 µs; this is its essence.
        running: dict[Any, Any] = tasks._current_tasks  # noqa: SLF001 - see above

        def found() -> Any:
            return running.get(get_running_loop())

    _read_running_tasks(tasks, get_running_loop)
    native_task = found
    return found()


@hidden
def _read_running_tasks(tasks: Any, get_running_loop: Any) -> None:
    """Have native code read what asyncio's own function returns, in a tenth of the time.

    From CPython 3.14 on that is as fast itself, and does not use this dict.
    """
    running: Any = getattr(tasks, "_current_tasks", None)
    if sys.version_info >= (3, 14) or _native is None or type(running) is not dict:
        return
    if isinstance(get_running_loop, BuiltinFunctionType):  # not asyncio in Python
        _native.read_running_tasks_from(running, get_running_loop)


native_task = _native_task
