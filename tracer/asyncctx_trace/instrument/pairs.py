"""Acquisitions without ``async with``: ``await lock.acquire()`` … ``lock.release()``."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE
from types import CodeType, FrameType
from typing import Any

from asyncctx_trace.compiled import compiled
from asyncctx_trace.instrument import hub, lifecycle, resources, sites
from asyncctx_trace.instrument.adapters import Adapter, Pair
from asyncctx_trace.instrument.invisible import program_frame, unobserved
from asyncctx_trace.instrument.lifecycle import Acquisition
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.instrument.surgery import watched

__all__ = ["Watch", "watch_of"]

_compiled = compiled(__package__)
_COROUTINE = CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR

_PROGRAM = Scope()
"""What is a program's own code and no library's: it may call the methods of its own pools."""

_open: dict[int, list[Acquisition]] = {}
"""By the address of what was acquired: the lock, or the connection that the pool gave."""
_refs: dict[int, weakref.ref[Any]] = {}
_watches: dict[Pair, Watch] = {}


def watch_of(adapter: Adapter, pair: Pair) -> Watch:
    """The one watch of ``pair``."""
    watch = _watches.get(pair)
    if watch is None:
        watch = _watches[pair] = Watch(adapter, pair)
    return watch


class Watch:
    """Watches the two methods of one pair.

    Calls from the library's own module are part of something else (``async with lock`` calls
    ``acquire``, too) and are left out; so is what no code of the program awaits.
    """

    def __init__(self, adapter: Adapter, pair: Pair) -> None:
        self._adapter = adapter
        self._by_result = pair.by_result
        self.own: Callable[[str], bool] = lambda file: False
        """Which files are traced without a word."""

    def acquiring(self, code: CodeType, *consts: object) -> CodeType:
        """``code``, of the acquiring method, that tells of each of its calls."""
        marks = _compiled(self._asked), _compiled(self._got), self._failed
        return watched(code, *marks, 1, *consts)

    def releasing(self, code: CodeType, *consts: object) -> CodeType:
        """``code``, of the releasing method, that does."""
        arguments = 2 if self._by_result else 1
        marks = _compiled(self._releasing), _compiled(self._released), self._not_released
        return watched(code, *marks, arguments, *consts)

    def _asked(self, thing: Any) -> tuple[Acquisition, Any] | None:
        if hub.heard() is None:
            return None
        try:
            caller = self._caller(thing)
            if caller is None:
                return None
            kind = resources.kind_of(type(thing))
            place = sites.entered_at(caller)
            resource = resources.of_pair(self._adapter, thing, place.text).id
            manager = kind.manager or resources.manager_of(type(thing))
            acquisition = lifecycle.enter_started(manager, resource, place.site)
            return None if acquisition is None else (acquisition, thing)
        except Exception as error:
            hub.switch_off(hub.listening, error)
            return None

    def _got(self, ticket: tuple[Acquisition, Any] | None, result: Any) -> None:
        if ticket is None:
            return
        acquisition, thing = ticket
        lifecycle.enter_ended(acquisition, None)
        _keep(result if self._by_result else thing, acquisition)

    def _failed(self, ticket: tuple[Acquisition, Any] | None, error: BaseException) -> None:
        if ticket is not None:
            lifecycle.enter_ended(ticket[0], error)

    def _releasing(self, thing: Any, result: Any = None) -> Acquisition | None:
        waiting = _open.get(id(result if self._by_result else thing))
        if not waiting or self._from_inside():
            return None
        # A lock's are let go of in any order; what was acquired itself is given back as it came.
        acquisition = waiting.pop(-1 if self._by_result else 0)
        lifecycle.exit_started(acquisition, None)
        return acquisition

    def _released(self, ticket: Acquisition | None, result: Any) -> None:
        if ticket is not None:
            lifecycle.exit_ended(ticket, None, False)

    def _not_released(self, ticket: Acquisition | None, error: BaseException) -> None:
        if ticket is not None:
            lifecycle.exit_ended(ticket, error, False)

    def _from_inside(self) -> bool:
        """Whether the library itself calls: for `async with`, or a condition for its lock."""
        method = program_frame()
        caller = None if method is None else method.f_back
        if method is None or caller is None or caller.f_globals is not method.f_globals:
            return False
        code = caller.f_code
        return code.co_name.startswith("__a") or code.co_filename not in _PROGRAM

    def _caller(self, thing: object) -> FrameType | None:
        """The program's frame that awaits the method, perhaps through ``asyncio.wait_for``."""
        if self._from_inside():
            return None
        method = program_frame()
        frame = None if method is None else method.f_back
        if frame is not None and resources.is_named(self._adapter, thing):
            return frame
        while frame is not None and frame.f_code.co_flags & _COROUTINE:
            if self.own(frame.f_code.co_filename):
                return frame
            frame = frame.f_back
        return None


for _name, _method in list(vars(Watch).items()):
    if _name.startswith("_") and not _name.startswith("__"):
        setattr(Watch, _name, unobserved(_method))


@unobserved
def _keep(thing: Any, acquisition: Acquisition) -> None:
    key = id(thing)
    if key not in _refs:
        try:
            _refs[key] = weakref.ref(thing, partial(_forget, key))
        except TypeError:  # it stays in the list until it is given back
            pass
    _open.setdefault(key, []).append(acquisition)


def _forget(key: int, _: object) -> None:
    _refs.pop(key, None)
    _open.pop(key, None)
