"""Record the threads of a ``ThreadPoolExecutor`` as slots that calls wait for and hold.

The task that submits a call waits from then on, and holds a slot while the call runs.
"""

from __future__ import annotations

import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.adapters import Adapter
from asyncctx_trace.instrument.adapters.model import attribute
from asyncctx_trace.instrument.hidden_frames import hidden, program_frame, suspended
from asyncctx_trace.instrument.publish import BY_CALL, Acquisition
from asyncctx_trace.instrument.registry import resources
from asyncctx_trace.instrument.registry.callers import innermost_own_frame, site_of_call
from asyncctx_trace.instrument.registry.naming import receiver
from asyncctx_trace.instrument.registry.resources import Resource
from asyncctx_trace.instrument.registry.tasks import Task, current_task
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.instrument.rewriting.patching import beginning_with, watched
from asyncctx_trace.model.unpatched import unpatched

__all__ = ["ExecutorSlots", "PendingWait", "awaits_slot", "worker_of"]

_MODULE = "concurrent.futures.thread"
_ADAPTER = Adapter(f"{_MODULE}.ThreadPoolExecutor", "pool", capacity=attribute("_max_workers"))
_PASSED = re.compile(r"\brun_in_executor\(\s*(?!None\b)([\w.]+)\s*,")
"""The executor in the text of a call."""


class PendingWait:
    """A thread's wait for a call that has no slot yet: it begins when the call does."""

    __slots__ = ("number", "site", "task", "wait_kind")

    def __init__(self, task: Task, site: int, wait_kind: int) -> None:
        self.task = task
        self.site = site
        self.wait_kind = wait_kind
        self.number = 0
        """The id of the wait, once it has begun."""


_submitting = threading.local()
_pending: WeakIdMap[Acquisition] = WeakIdMap(lambda acquisition: _dropped(acquisition))
"""Acquisitions of slots that wait, by the future of the call."""
_waits: WeakIdMap[list[PendingWait]] = WeakIdMap()
"""Waits for a call that has not begun, by its future."""
_workers: WeakIdMap[Task] = WeakIdMap()
"""The thread that runs a call, by the futures of the call, that of asyncio included."""
_wrapped: WeakIdMap[Any] = WeakIdMap()
"""A weak reference to asyncio's future for that of a call."""


@hidden
def worker_of(future: Any) -> Task | None:
    """Return the pseudo-task of the thread that runs the call whose result ``future`` gives."""
    return _workers.get(future)


@hidden
def awaits_slot(future: Any, task: Task, site: int, wait_kind: int) -> PendingWait | None:
    """Return the wait of ``task`` that begins when the call of ``future`` does.

    ``None`` if the call has begun, or another task has submitted it.
    """
    acquisition = _pending.get(future)
    if acquisition is None or acquisition.task is not task:
        return None
    wait = PendingWait(task, site, wait_kind)
    waits = _waits.get(future)
    if waits is None:
        _waits.add(future, [wait])
    else:
        waits.append(wait)
    return wait


class ExecutorSlots:
    """Watch executors to which the program's own code submits calls."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own

    def patches(self) -> Iterator[tuple[str, str, Callable[..., CodeType]]]:
        """Yield the module, the function, and how its code is changed, of each."""
        yield _MODULE, "ThreadPoolExecutor.submit", self._submitting
        yield _MODULE, "_WorkItem.__init__", self._making
        yield _MODULE, "_WorkItem.run", self._running
        yield "asyncio.futures", "wrap_future", self._wrapping

    def _submitting(self, code: CodeType, *consts: object) -> CodeType:
        return watched(code, self._submit_started, _submitted, _not_submitted, 1, *consts)

    def _making(self, code: CodeType, *consts: object) -> CodeType:
        return beginning_with(code, _made, *consts, arguments=("future",))

    def _running(self, code: CodeType, *consts: object) -> CodeType:
        return watched(code, _begun, _ended, _failed, 1, *consts)

    def _wrapping(self, code: CodeType, *consts: object) -> CodeType:
        return watched(code, _itself, _note_wrapped, _nothing, 1, *consts)

    @suspended
    def _submit_started(self, executor: Any) -> Acquisition | None:
        if sinks.active_sink() is None:
            return None
        try:
            method = program_frame()
            caller = None if method is None else method.f_back
            if caller is not None and caller.f_code.co_name == "run_in_executor":  # of a loop
                caller = caller.f_back
            frame = innermost_own_frame(caller, self._own)
            if frame is None:
                return None
            site, site_id = site_of_call(frame, self._own)
            acquisition = publish.enter_started_by_call(
                resources.manager_of(type(executor)),
                _resource_of(executor, site.text).id,
                site_id,
                current_task(),
                flags=BY_CALL,
                elsewhere=True,
            )
            _submitting.acquisition = acquisition
            return acquisition
        except Exception as error:
            sinks.hook_failed(error)
            return None


@hidden
def _resource_of(executor: Any, text: str) -> Resource:
    found = resources.of_object(executor)
    if found is not None:
        return found
    passed = _PASSED.search(text)
    prefix = str(getattr(executor, "_thread_name_prefix", ""))
    name = receiver(text, ("submit",)) or (passed[1] if passed else "")
    if not name:
        name = "default executor" if prefix == "asyncio" else prefix
    return resources.of_contended(_ADAPTER, executor, name)


@suspended
def _made(future: Any) -> None:
    acquisition = getattr(_submitting, "acquisition", None)
    if acquisition is not None:
        _submitting.acquisition = None
        _pending.add(future, acquisition)


@suspended
def _submitted(acquisition: Acquisition | None, future: Any) -> None:
    if acquisition is not None:
        _submitting.acquisition = None


@suspended
def _not_submitted(acquisition: Acquisition | None, error: BaseException) -> None:
    if acquisition is not None:
        _submitting.acquisition = None
        publish.enter_ended(acquisition, error)


@suspended
def _begun(item: Any) -> Acquisition | None:
    future = item.future
    acquisition = _pending.pop(future)
    if acquisition is None:
        return None
    try:
        if future._state != "PENDING":
            _dropped(acquisition)
            return None
        publish.enter_ended(acquisition, None)
        worker = current_task()
        _workers.add(future, worker)
        for wait in _waits.pop(future) or ():
            _begin_wait(wait, worker)
        reference = _wrapped.get(future)
        wrapped = None if reference is None else reference()
        if wrapped is not None:
            _workers.add(wrapped, worker)
            task, sink = acquisition.task, sinks.active.sink
            if sink is not None and task.wait and task.suspended_on == id(wrapped):
                sink.wait_target(unpatched.monotonic_ns(), task.wait, worker.id)
    except Exception as error:
        sinks.hook_failed(error)
    return acquisition


@hidden
def _begin_wait(wait: PendingWait, worker: Task) -> None:
    sink = sinks.active.sink
    if sink is not None:
        wait.number = next(publish.ids)
        at = unpatched.monotonic_ns()
        sink.wait_started(at, wait.number, wait.task.id, 0, wait.site, wait.wait_kind)
        sink.wait_target(at, wait.number, worker.id)


@suspended
def _ended(acquisition: Acquisition | None, result: object) -> None:
    if acquisition is not None:
        publish.exit_started(acquisition)
        publish.exit_ended(acquisition)


@suspended
def _failed(acquisition: Acquisition | None, error: BaseException) -> None:
    if acquisition is not None:
        publish.exit_started(acquisition)
        publish.exit_ended(acquisition, error)


@hidden
def _dropped(acquisition: Acquisition) -> None:
    """Publish that the call was cancelled before it had a slot."""
    module = sys.modules.get("asyncio.exceptions")
    error = GeneratorExit if module is None else module.CancelledError
    publish.enter_ended(acquisition, error())


@hidden
def _itself(future: Any) -> Any:
    return future


@suspended
def _note_wrapped(future: Any, wrapped: Any) -> None:
    if future not in _pending and future not in _workers:
        return
    try:
        worker = _workers.get(future)
        _wrapped.add(future, weakref.ref(wrapped))
        if worker is not None:
            _workers.add(wrapped, worker)
    except TypeError:  # it cannot be watched
        return
    except Exception as error:
        sinks.hook_failed(error)


@hidden
def _nothing(handle: object, error: BaseException) -> None:
    """Report nothing."""
