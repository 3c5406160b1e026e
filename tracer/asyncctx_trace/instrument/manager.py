"""The proxy around one manager: it is the manager, and tells when it is entered and left."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from typing import Any

import wrapt

from asyncctx_trace.instrument import hub, lifecycle, sites
from asyncctx_trace.instrument.invisible import invisible
from asyncctx_trace.instrument.resources import Resource, manager_of
from asyncctx_trace.instrument.tasks import current_task

__all__ = ["TracedManager"]


class TracedManager(wrapt.ObjectProxy):
    """Passes everything on to the manager, and publishes each acquisition of it.

    One proxy may be entered by many tasks at once: each exit finds the acquisition of its own
    task; an exit in a task that never entered takes the oldest that is open.
    """

    def __init__(self, manager: Any, resource: Resource) -> None:
        super().__init__(manager)
        self._self_resource = resource
        self._self_manager = manager_of(type(manager))
        self._self_open: list[lifecycle.Acquisition] = []

    def __aenter__(self) -> Awaitable[Any]:
        awaitable = self.__wrapped__.__aenter__()
        if hub.seek is not None:
            hub.seek()
        if hub.listening is None:
            return awaitable  # type: ignore[no-any-return]  # whatever the manager gives
        return _enter(self, awaitable)

    def __aexit__(self, *exc: Any) -> Awaitable[Any]:
        awaitable = self.__wrapped__.__aexit__(*exc)
        if not self._self_open:
            return awaitable  # type: ignore[no-any-return]  # whatever the manager gives
        return _exit(self, awaitable, *exc[1:2])

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)


@invisible
async def _enter(proxy: TracedManager, awaitable: Awaitable[Any]) -> Any:
    acquisition = lifecycle.enter_started(
        proxy._self_manager, proxy._self_resource.id, sites.of_frame(sys._getframe(1))
    )
    if acquisition is None:
        return await awaitable
    try:
        value = await awaitable
    except BaseException as error:
        lifecycle.enter_ended(acquisition, error)
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next
        raise
    proxy._self_open.append(acquisition)
    lifecycle.enter_ended(acquisition, None)
    return value


@invisible
async def _exit(
    proxy: TracedManager, awaitable: Awaitable[Any], body_error: BaseException | None = None
) -> Any:
    acquisition = _leaving(proxy)
    if acquisition is None:
        return await awaitable
    lifecycle.exit_started(acquisition, body_error)
    try:
        value = await awaitable
    except BaseException as error:
        lifecycle.exit_ended(acquisition, error, False)
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next
        raise
    lifecycle.exit_ended(acquisition, None, body_error is not None and bool(value))
    return value


def _leaving(proxy: TracedManager) -> lifecycle.Acquisition | None:
    open_ = proxy._self_open
    if not open_:
        return None
    task = current_task()
    for index in range(len(open_) - 1, -1, -1):
        if open_[index].task is task:
            return open_.pop(index)
    return open_.pop(0)
