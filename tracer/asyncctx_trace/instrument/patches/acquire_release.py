"""Record acquisitions by call: ``await lock.acquire()`` … ``lock.release()``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import CO_COROUTINE, CO_ITERABLE_COROUTINE
from types import CodeType, FrameType, FunctionType
from typing import Any, TypeAlias

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.adapters import Adapter, Pair, itself
from asyncctx_trace.instrument.hidden_frames import call_hidden, frequent, hidden
from asyncctx_trace.instrument.patches import spawned_tasks
from asyncctx_trace.instrument.patches.spawned_tasks import by_coroutine
from asyncctx_trace.instrument.publish import ENTERING, HOLDING, LEAVING, Acquisition
from asyncctx_trace.instrument.registry import open_acquisitions, resources
from asyncctx_trace.instrument.registry.callers import (
    MANAGER_METHODS,
    METHODS,
    caller_outside,
    innermost_own_frame,
    is_in_wait,
    is_library_internal,
    site_at,
    site_of_call,
)
from asyncctx_trace.instrument.registry.open_acquisitions import _released_in_block
from asyncctx_trace.instrument.registry.resources import Resource, by_object, kinds
from asyncctx_trace.instrument.registry.tasks import Task, current_task
from asyncctx_trace.instrument.rewriting.patching import watched
from asyncctx_trace.native import accelerated

__all__ = ["Watch", "forget_scope", "watch_of"]

_AWAITED = CO_COROUTINE | CO_ITERABLE_COROUTINE

_Calls: TypeAlias = tuple[Callable[..., object], Callable[..., object], Callable[..., object]]
"""Hooks for the start of a method, its return, and an error."""

_watches: dict[tuple[str, Pair], Watch] = {}
_waits: set[tuple[int, int]] = set()
"""(task, resource): the tasks whose ``wait()`` on a condition ended an acquisition of theirs."""


_Request: TypeAlias = tuple[Task, int, Resource, int, object, bool]
"""A call that acquires: task, manager, resource, site, the holder if the call names one, and
whether another task acquires on behalf of this one.

A plain tuple: making a named one would take half as long as everything else."""

_Begun: TypeAlias = tuple[Acquisition, Resource, bool, object]
"""An acquisition that has begun: the acquisition, the resource, whether it is that of a block that
had released what it holds, and the holder."""

_Release: TypeAlias = tuple[Resource, Acquisition | None, int]
"""A call that releases: the resource, the acquisition that it ends, the site."""


def watch_of(adapter: Adapter, pair: Pair) -> Watch:
    """Return the one watch of ``pair``."""
    watch = _watches.get((adapter.manager, pair))
    if watch is None:
        watch = _watches[adapter.manager, pair] = Watch(adapter, by_result=pair.by_result)
    return watch


def forget_scope() -> None:
    """Record calls in no file any more, except those on resources that the program has named."""
    for watch in _watches.values():
        watch.own = _nothing


def _nothing(file: str) -> bool:
    return False


class Watch:
    """Watch the methods of one pair.

    Calls that are part of something else are left out, such as that of ``acquire`` by ``async with
    lock``, and calls that no code of the program makes. Methods that are not awaited take effect
    when they return; a release that is awaited lasts from its start to its end.
    """

    def __init__(
        self, adapter: Adapter, *, by_result: bool = False, by_argument: bool = False
    ) -> None:
        """Create a watch; :meth:`acquiring` and :meth:`releasing` patch the methods.

        Args:
            adapter: Describes the class whose methods they are.
            by_result: The release takes what the acquire returned, not the object itself.
            by_argument: The methods take the holder as an argument.
        """
        self._adapter = adapter
        self._by_result = by_result
        self._by_argument = by_argument
        self._itself = adapter.resource is itself
        """Whether tasks contend for the object itself whose methods are called."""
        self._awaited = False
        """Whether the release is awaited."""
        self.own: Callable[[str], bool] = _nothing
        """Whether calls in a file are recorded."""

    def acquiring(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of the acquiring method, that reports each of its calls."""
        spawned_tasks.acquires(code.co_name)
        arguments = 2 if self._by_argument else 1
        calls: _Calls
        if code.co_flags & _AWAITED:
            calls = self._acquire_started, self._acquired, self._acquire_failed
        else:
            calls = self._acquire_nowait_started, self._acquired_nowait, self._acquire_nowait_failed
        return _reporting(code, calls, arguments, *consts)

    def releasing(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of the releasing method, that reports each of its calls."""
        arguments = 2 if self._by_result or self._by_argument else 1
        self._awaited = bool(code.co_flags & _AWAITED)
        calls: _Calls
        if self._by_result:
            calls = self._return_started, self._returned, self._return_failed
        elif self._itself:
            calls = self._release_started, self._released, self._release_failed
        else:
            # The adapter reads from the object what is released.
            calls = self._release_through_started, self._released, self._release_failed
        return _reporting(code, calls, arguments, *consts)

    # -- acquiring --------------------------------------------------------------------------

    def _acquire_started(
        self, thing: Any, holder: Any = None, caller: FrameType | None = None
    ) -> _Begun | None:
        try:
            if caller is None:
                method = sys._getframe(1)
                caller = method.f_back
                if (
                    caller is not None
                    and caller.f_code.co_name in MANAGER_METHODS
                    and caller.f_globals is method.f_globals
                ):
                    return None
            request = self._acquire_request(thing, holder, caller)
            return None if request is None else _begin(request)
        except Exception as error:
            sinks.hook_failed(error)
            return None

    def _acquired(self, request: _Begun | None, result: Any) -> None:
        if request is None:
            return
        acquisition, resource, again, holder = request
        publish.enter_ended(acquisition, None)
        if _waits:
            _waits.discard((acquisition.task.id, resource.id))
        if self._by_result:
            open_acquisitions.note_open_item(result, acquisition)
        elif again:
            open_acquisitions.note_reacquired(acquisition)
        else:
            open_acquisitions.note_open(resource, acquisition, holder)

    def _acquire_failed(self, request: _Begun | None, error: BaseException) -> None:
        if request is not None:
            publish.enter_ended(request[0], error)

    def _acquire_nowait_started(
        self, thing: Any, holder: Any = None, caller: FrameType | None = None
    ) -> _Request | None:
        try:
            return self._acquire_request(thing, holder, caller)
        except Exception as error:
            sinks.hook_failed(error)
            return None

    def _acquired_nowait(self, request: _Request | None, result: Any) -> None:
        if request is not None:
            self._acquired(_begin(request), result)

    def _acquire_nowait_failed(self, request: _Request | None, error: BaseException) -> None:
        """Record nothing: no task has waited, and nothing is acquired."""

    def _acquire_request(
        self, thing: Any, holder: Any, caller: FrameType | None
    ) -> _Request | None:
        """Return what is acquired by whom, ``None`` for a call that is not recorded."""
        if sinks.active_sink() is None:
            return None
        contended = thing if self._itself else resources.contended(self._adapter, thing)
        known = by_object.by_id.get(id(contended))
        waits = False
        if caller is None or caller.f_code.co_name in METHODS:
            waits = is_in_wait(caller)
            caller = caller_outside(contended, caller)
        made = spawned_tasks.spawned() if by_coroutine.by_id else None
        if made is not None:
            task, site, site_id, _ = made
        else:
            if caller is None:
                return None
            named = known is not None and known.is_named
            direct = named or self.own(caller.f_code.co_filename)
            task = current_task()
            if task.open and task.open[-1].state == ENTERING and _is_part(task, known, direct):
                return None
            frame = caller if direct else innermost_own_frame(caller, self.own)
            if frame is None:
                return None
            if (
                not direct
                and known is None
                and not self._by_result
                and is_library_internal(caller, self.own)
            ):
                return None  # a lock of its own, not a pool from which it takes for the program
            if named:
                site = site_at(frame)
                site_id = site.id
            else:
                site, site_id = site_of_call(frame, self.own)
        if waits and (known is None or (task.id, known.id) not in _waits):
            return None
        cls = type(thing)
        kind = kinds.by_id.get(id(cls)) or resources.kind_of(cls)
        resource = known or call_hidden(
            resources.of_pair, kind.adapter or self._adapter, thing, site.text
        )
        manager = kind.manager or resources.manager_of(cls)
        return task, manager, resource, site_id, holder, made is not None

    # -- releasing --------------------------------------------------------------------------

    def _release_started(  # noqa: C901 - hot path: each call more costs the program
        self, thing: Any, holder: Any = None, caller: FrameType | None = None
    ) -> _Release | None:
        try:
            contended = thing if self._itself else resources.contended(self._adapter, thing)
            resource = by_object.by_id.get(id(contended))
            if resource is None:
                return None
            if caller is None:
                method = sys._getframe(1)
                caller = method.f_back
                if (
                    caller is not None
                    and not resource.taken
                    and caller.f_code.co_name in MANAGER_METHODS
                    and caller.f_globals is method.f_globals
                ):
                    return None
            waits = False
            if caller is None or caller.f_code.co_name in METHODS:
                waits = is_in_wait(caller)
                caller = caller_outside(contended, caller)
            made = spawned_tasks.spawned() if by_coroutine.by_id else None
            if made is None and caller is None:
                return None
            task = current_task() if made is None else made.task
            if task.open and _is_left(task, resource):
                return None
            acquisition = open_acquisitions.match(resource, task, holder)
            if waits and not _note_wait(task, resource, acquisition):
                return None
            if (
                acquisition is None
                and not resource.is_named
                and caller is not None
                and is_library_internal(caller, self.own)
            ):
                return None  # the library acquired it before it was known
            if made is not None:  # a condition's wait() in a task of its own
                site_id = made.site_id
            elif caller is None:
                site_id = 0
            elif resource.is_named or self.own(caller.f_code.co_filename):
                site_id = site_at(caller).id
            else:
                site_id = self._site(caller)
            if acquisition is not None:
                acquisition.state = LEAVING
                if self._awaited:
                    publish.exit_started(acquisition, None, site_id)
            return resource, acquisition, site_id
        except Exception as error:
            sinks.hook_failed(error)
            return None

    def _release_through_started(self, thing: Any, holder: Any = None) -> _Release | None:
        return self._release_started(thing, holder)

    def _released(self, releasing: _Release | None, result: Any) -> None:
        if releasing is None:
            return
        resource, acquisition, site_id = releasing
        if acquisition is None:
            open_acquisitions.release_unmatched(resource, site_id)
            return
        if not self._awaited:
            publish.exit_started(acquisition, None, site_id)
        publish.exit_ended(acquisition)
        open_acquisitions.forget(resource, acquisition, site_id)

    def _release_failed(self, releasing: _Release | None, error: BaseException) -> None:
        if releasing is None:
            return
        resource, acquisition, site_id = releasing
        if acquisition is None:
            return
        if self._awaited:
            publish.exit_ended(acquisition, error)
            open_acquisitions.forget(resource, acquisition, site_id)
        else:
            acquisition.state = HOLDING

    def _return_started(self, thing: Any, item: Any = None) -> Acquisition | None:
        try:
            acquisition = open_acquisitions.pop_item(item)
            if acquisition is not None:
                caller = caller_outside(thing)
                site_id = 0 if caller is None else self._site(caller)
                publish.exit_started(acquisition, None, site_id)
            return acquisition
        except Exception as error:
            sinks.hook_failed(error)
            return None

    def _returned(self, acquisition: Acquisition | None, result: Any) -> None:
        if acquisition is not None:
            publish.exit_ended(acquisition, None, False)

    def _return_failed(self, acquisition: Acquisition | None, error: BaseException) -> None:
        if acquisition is not None:
            publish.exit_ended(acquisition, error, False)

    def _site(self, caller: FrameType) -> int:
        frame = innermost_own_frame(caller, self.own)
        return 0 if frame is None else site_at(frame).id


for _name, _method in list(vars(Watch).items()):
    if isinstance(_method, FunctionType) and not _name.startswith("__"):
        setattr(Watch, _name, frequent(_method))


def _reporting(code: CodeType, calls: _Calls, arguments: int, *consts: object) -> CodeType:
    started, ended, failed = map(accelerated, calls)
    return watched(code, started, ended, failed, arguments, *consts)


@hidden
def _begin(request: _Request) -> _Begun | None:
    task, manager, resource, site_id, holder, elsewhere = request
    before = open_acquisitions.released_in_block(resource, task) if _released_in_block else None
    flags = open_acquisitions.flags_of_call(resource, before)
    if elsewhere or before is not None:
        acquisition = publish.enter_started_by_call(
            manager, resource.id, site_id, task, before, flags=flags, elsewhere=elsewhere
        )
    else:
        acquisition = publish.enter_started(manager, resource.id, site_id, flags)
    return None if acquisition is None else (acquisition, resource, before is not None, holder)


@hidden
def _note_wait(task: Task, resource: Resource, acquisition: Acquisition | None) -> bool:
    """Note and return whether the ``wait()`` that ``task`` begins ends its own ``acquisition``.

    If not, the task holds the lock by a library's ``async with``, which is not recorded. Then the
    release in ``wait()`` and the acquire at its end are not recorded either.
    """
    key = task.id, resource.id
    if acquisition is None or acquisition.task is not task:
        _waits.discard(key)
        return False
    _waits.add(key)
    return True


@hidden
def _is_part(task: Task, resource: Resource | None, direct: bool) -> bool:
    """Return whether the call is part of the enter that ``task`` has begun already.

    An ``async with`` may call ``acquire``, which may call another watched method; and a library's
    primitive may wrap another library's.
    """
    return not direct or (resource is not None and task.open[-1].resource == resource.id)


@hidden
def _is_left(task: Task, resource: Resource) -> bool:
    """Return whether ``task`` exits a block of this resource, which releases it."""
    for each in reversed(task.open):
        if each.state == LEAVING and each.resource == resource.id:
            return True
    return False
