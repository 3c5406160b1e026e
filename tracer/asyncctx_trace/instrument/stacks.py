"""What ``AsyncExitStack.enter_async_context`` is given: a stand-in that tells of the manager."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from asyncctx_trace.instrument import hub, resources, sites
from asyncctx_trace.instrument.careful import entering, leaving
from asyncctx_trace.instrument.invisible import program_frame, unobserved
from asyncctx_trace.instrument.lifecycle import Acquisition
from asyncctx_trace.instrument.scope import Scope

__all__ = ["Stacked", "standing_in"]


class Stacked:
    """Seen by the exit stack alone, which looks both methods up and calls each once."""

    __slots__ = ("acquisition", "manager", "resource", "site")

    def __init__(self, manager: Any, resource: int, site: int) -> None:
        self.manager = manager
        self.resource = resource
        self.site = site
        self.acquisition: Acquisition | None = None

    @unobserved
    def __aenter__(self) -> Awaitable[Any]:
        cls = type(self.manager)
        awaitable = cls.__aenter__(self.manager)
        kind = resources.kind_of(cls)
        return entering(awaitable, kind.manager, self.resource, self._opened, self.site)

    def _opened(self, acquisition: Acquisition) -> None:
        self.acquisition = acquisition

    @unobserved
    def __aexit__(self, *exc: Any) -> Awaitable[Any]:
        awaitable: Awaitable[Any] = type(self.manager).__aexit__(self.manager, *exc)
        if self.acquisition is None:
            return awaitable
        return leaving(awaitable, self.acquisition, exc[1])


@unobserved
def standing_in(manager: Any, scope: Scope) -> Any:
    """A stand-in for ``manager`` where the program's own code enters it, else itself.

    Called while the exit stack's coroutine runs, on behalf of the one that awaits it.
    """
    if hub.listening is None:
        return manager
    try:
        kind = resources.kind_of(type(manager))
        if not kind.manager or kind.traced:
            return manager
        stack = program_frame()
        caller = None if stack is None else stack.f_back
        if caller is None or caller.f_code.co_filename not in scope:
            return manager
        place = sites.entered_at(caller)
        return Stacked(manager, resources.at_place(place, manager, kind), place.site)
    except Exception as error:
        hub.switch_off(hub.listening, error)
        return manager
