"""Note who makes tasks of a library's coroutines, as by ``create_task(lock.acquire())``."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, CoroutineType
from typing import Any, NamedTuple

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import hidden, program_frame
from asyncctx_trace.instrument.registry import tasks
from asyncctx_trace.instrument.registry.callers import innermost_own_frame, site_of_call
from asyncctx_trace.instrument.registry.coroutines import plain_coroutine
from asyncctx_trace.instrument.registry.lookups import on_type
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.registry.tasks import Task, current_task
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.instrument.rewriting.patching import filtering_argument, filtering_result
from asyncctx_trace.native import accelerated

__all__ = ["CREATING", "Spawned", "SpawnWatch", "acquires", "code_acquires", "origin", "spawned"]

CREATING = (
    ("asyncio.base_events", "BaseEventLoop.create_task", "coro", ""),
    # uvloop's loop is not written in Python: what calls its method is patched instead.
    ("asyncio.tasks", "create_task", "coro", "uvloop"),
    ("asyncio.tasks", "ensure_future", "coro_or_future", "uvloop"),
    ("asyncio.tasks", "_ensure_future", "coro_or_future", "uvloop"),
    ("asyncio.taskgroups", "TaskGroup.create_task", "coro", "uvloop"),
)
"""Functions that make a task of a coroutine: module, function, argument, and the module without
which there is no need to patch it."""


class Spawned(NamedTuple):
    """Who made a task of a coroutine, and where."""

    task: Task
    site: Site
    site_id: int
    acquires: bool
    """Whether the coroutine does nothing but acquire."""


by_coroutine: WeakIdMap[Spawned] = WeakIdMap()
"""Who made a task of a coroutine."""
_names: set[str] = {"_wrap_awaitable", "wait", "wait_for"}
"""Names of functions that do nothing but acquire, or wait for a condition."""


_codes: dict[int, CodeType] = {}
"""The same by the address of the code."""


ignored: WeakIdMap[bool] = WeakIdMap()
"""Code of the program's own coroutines, and classes of awaitables that are not coroutines: nothing
is noted about tasks made of them."""


def acquires(function: str) -> None:
    """Attribute the calls of functions with this name to the task that makes a task of them."""
    _names.add(function)
    ignored.clear()


def code_acquires(code: CodeType) -> CodeType:
    """Attribute the calls of this code likewise; return the code."""
    _codes[id(code)] = code
    ignored.clear()
    return code


@hidden
def spawned() -> Spawned | None:
    """Return who made the running task, if it does nothing but acquire."""
    found = origin()
    return found if found is not None and found.acquires else None


@hidden
def origin() -> Spawned | None:
    """Return where the program made the running task, if its coroutine is a library's."""
    return by_coroutine.get(tasks.running()[1]) if by_coroutine.by_id else None


class SpawnWatch:
    """Watch coroutines of which the program's own code makes tasks."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own
        ignored.clear()

    def creating(self, argument: str, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of a function that makes tasks, that passes us the coroutine."""
        return filtering_argument(code, argument, accelerated(self._task_created), *consts)

    @hidden
    def _task_created(self, coroutine: Any) -> Any:
        try:
            self._see(coroutine)
        except RecursionError:  # the program is at the end of its stack
            pass
        except Exception as error:
            sinks.hook_failed(error)
        return coroutine

    def _see(self, coroutine: Any) -> None:
        tasks.see_running()
        plain = plain_coroutine(coroutine)
        if plain is None:
            cls = type(coroutine)
            if on_type(cls, "_coro") is None:  # a future, to be awaited by gather() or so
                _pass(cls)
            return
        code = plain.cr_code
        if code not in ignored:
            acquires = code.co_name in _names or id(code) in _codes
            if acquires or not self._own(code.co_filename):
                self._note(plain, acquires)
            else:
                _pass(code)

    def spawning(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of trio's function that calls what shall run in a task, likewise."""
        return filtering_result(code, accelerated(self._task_created), *consts)

    def _note(self, coroutine: CoroutineType[Any, Any, Any], acquires: bool) -> None:
        if sinks.active_sink() is None or coroutine in by_coroutine:
            return
        try:
            creating = program_frame()
            frame = None if creating is None else innermost_own_frame(creating.f_back, self._own)
            if frame is not None:
                site, site_id = site_of_call(frame, self._own)
            else:  # a task made by a library's task
                above = origin()
                if above is None:
                    return
                site, site_id = above.site, above.site_id
            by_coroutine.add(coroutine, Spawned(current_task(), site, site_id, acquires))
        except Exception as error:
            sinks.hook_failed(error)


def _pass(thing: Any) -> None:
    ignored.add(thing, True)
