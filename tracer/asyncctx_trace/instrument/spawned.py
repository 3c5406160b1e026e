"""Acquisitions that run as a task of their own: ``create_task(lock.acquire())``, ``shield``, …"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from types import CodeType, CoroutineType
from typing import Any, NamedTuple

from asyncctx_trace.instrument import hub, tasks
from asyncctx_trace.instrument.callers import enclosing, place_of
from asyncctx_trace.instrument.invisible import program_frame, suspended, unobserved
from asyncctx_trace.instrument.sites import Place
from asyncctx_trace.instrument.surgery import filtering_argument
from asyncctx_trace.instrument.tasks import Task, current_task

__all__ = ["CREATING", "Spawned", "SpawnWatch", "acquires", "spawned"]

CREATING = (
    ("asyncio.base_events", "BaseEventLoop.create_task", "coro"),
    # For loops that are not written in Python.
    ("asyncio.tasks", "create_task", "coro"),
    ("asyncio.tasks", "ensure_future", "coro_or_future"),
    ("asyncio.tasks", "_ensure_future", "coro_or_future"),
    ("asyncio.taskgroups", "TaskGroup.create_task", "coro"),
)
"""Module, function and argument of whatever makes a task of a coroutine."""


class Spawned(NamedTuple):
    """Who made a task of a coroutine that acquires, and where."""

    task: Task
    place: Place
    site: int


_spawned: dict[int, tuple[weakref.ref[Any], Spawned]] = {}
"""By the address of the coroutine; an entry leaves with it."""
_names: set[str] = {"_wrap_awaitable"}
"""Names of the functions whose coroutines count."""


def acquires(function: str) -> None:
    """Have coroutines of functions with this name looked at."""
    _names.add(function)


@unobserved
def spawned() -> Spawned | None:
    """Who made the task that runs now, if it does nothing but acquire."""
    if not _spawned:
        return None
    try:
        native: Any = tasks.native_task()
    except RuntimeError:
        return None
    found = None if native is None else _spawned.get(id(native.get_coro()))
    return None if found is None else found[1]


class SpawnWatch:
    """Looks at coroutines of which the program's own code makes tasks."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own

    def creating(self, argument: str, code: CodeType, *consts: object) -> CodeType:
        """``code``, of what makes a task, that shows us the coroutine."""
        return filtering_argument(code, argument, self._look, *consts)

    @suspended
    def _look(self, coroutine: Any) -> Any:
        if type(coroutine) is CoroutineType and coroutine.cr_code.co_name in _names:
            self._note(coroutine)
        return coroutine

    def _note(self, coroutine: CoroutineType[Any, Any, Any]) -> None:
        if hub.heard() is None or id(coroutine) in _spawned:
            return
        try:
            creating = program_frame()
            frame = None if creating is None else enclosing(creating.f_back, self._own)
            if frame is None:
                return
            place, site = place_of(frame, self._own)
            key = id(coroutine)
            ref = weakref.ref(coroutine, partial(_forget, key))
            _spawned[key] = ref, Spawned(current_task(), place, site)
        except Exception as error:
            hub.switch_off(hub.listening, error)


@suspended
def _forget(key: int, _: object) -> None:
    _spawned.pop(key, None)
