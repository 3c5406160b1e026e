"""Record acquisitions through exit stacks: ``await stack.enter_async_context(manager)``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import CodeType, MethodType
from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.hidden_frames import hidden, program_frame, suspended
from asyncctx_trace.instrument.publish import Acquisition
from asyncctx_trace.instrument.registry import entered_managers, open_acquisitions, resources, sites
from asyncctx_trace.instrument.registry.callers import innermost_own_frame
from asyncctx_trace.instrument.registry.resources import Resource
from asyncctx_trace.instrument.registry.tasks import current_task
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.instrument.rewriting.patching import filtering_awaitable, watched
from asyncctx_trace.instrument.wrapping.awaiting import await_exit
from asyncctx_trace.model.outcomes import EnterFlag

__all__ = ["StackWatch"]

_BY_CALL = int(EnterFlag.BY_CALL)
"""Any task may close the stack."""

_Handle = tuple[Acquisition, Any, Any]
"""acquisition, exit stack, manager"""

_open: WeakIdMap[Acquisition] = WeakIdMap(
    lambda acquisition: open_acquisitions.collected([acquisition])
)
"""By the callback that the exit stack keeps."""


class StackWatch:
    """Watch ``AsyncExitStack`` where the program's own code enters something."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own

    def entering(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of ``enter_async_context``, that reports each of its calls."""
        return watched(
            code, self._acquire_started, self._acquired, self._acquire_failed, 2, *consts
        )

    def leaving(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of ``__aexit__``, that reports each callback it calls."""
        return filtering_awaitable(code, self._called_back, ("cb", "exc_details"), *consts)

    @suspended
    def _acquire_started(self, stack: Any, manager: Any) -> _Handle | None:
        if sinks.active_sink() is None:
            return None
        try:
            kind = resources.kind_of(type(manager))
            method = program_frame()
            caller = None if method is None else method.f_back
            if (
                not kind.manager
                or kind.traced
                or caller is None
                or not self._own(caller.f_code.co_filename)
            ):
                return None
            site = sites.site_at(caller)
            resource = resources.resource_at(site, manager, kind)
            acquisition = publish.enter_started(kind.manager, resource, site.id, _BY_CALL)
            return None if acquisition is None else (acquisition, stack, manager)
        except Exception as error:
            sinks.hook_failed(error)
            return None

    @suspended
    def _acquired(self, handle: _Handle | None, result: Any) -> None:
        if handle is None:
            return
        acquisition, stack, manager = handle
        publish.enter_ended(acquisition, None)
        callbacks = stack._exit_callbacks  # noqa: SLF001 - the stack has no other list of them
        callback = callbacks[-1][1] if callbacks else None
        if getattr(callback, "__self__", None) is manager:
            _open.add(callback, acquisition)

    @suspended
    def _acquire_failed(self, handle: _Handle | None, error: BaseException) -> None:
        if handle is not None:
            publish.enter_ended(handle[0], error)

    @suspended
    def _called_back(self, awaitable: Awaitable[Any], callback: Any, exc: Any) -> Awaitable[Any]:
        acquisition = _open.pop(callback)
        by_hand = _exited_by(callback) if acquisition is None else None
        if acquisition is None and by_hand is None:
            return awaitable
        # The stack's end: `await stack.aclose()`, or that of its own `async with`.
        frame = innermost_own_frame(program_frame(), self._own)
        site_id = 0 if frame is None else sites.of_frame(frame)
        manager = getattr(callback, "__self__", None)
        if by_hand is not None:
            manager, acquisition, resource = by_hand
            entered_managers.remove(manager, acquisition, resource, site_id)
        assert acquisition is not None
        return await_exit(awaitable, acquisition, exc[1], manager, site_id)


@hidden
def _exited_by(callback: Any) -> tuple[Any, Acquisition, Resource | None] | None:
    """Return the manager that ``callback`` exits, what ends by that, and the resource.

    ``None`` if it exits none that was entered by a call of ``__aenter__``.
    """
    if sinks.active.sink is None:
        return None
    method = getattr(callback, "__wrapped__", callback)  # of push_async_callback()
    if type(method) is not MethodType or method.__name__ != "__aexit__":
        return None
    try:
        manager = method.__self__
        kind = resources.kind_of(type(manager))
        if not kind.manager or kind.traced:
            return None
        resource = entered_managers.resource_of(manager, kind)
        acquisition = entered_managers.find(manager, resource, current_task())
        return None if acquisition is None else (manager, acquisition, resource)
    except Exception as error:
        sinks.hook_failed(error)
        return None
