"""The hooks around ``await m.__aenter__()`` and ``await m.__aexit__(…)``.

They publish an acquisition by call: any task may exit what another one has entered.
``protocol_calls`` shows where each is called.
"""

from __future__ import annotations

from typing import Any, cast

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.hidden_frames import hidden, suspended
from asyncctx_trace.instrument.publish import LEAVING, Acquisition
from asyncctx_trace.instrument.registry import entered_managers, open_acquisitions
from asyncctx_trace.instrument.registry.lookups import mro
from asyncctx_trace.instrument.registry.resources import Resource, kind_of, kinds, resource_at
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.registry.tasks import current_task
from asyncctx_trace.instrument.rewriting.protocol_calls import ProtocolHooks
from asyncctx_trace.instrument.wrapping.awaiting import failed_exit_ended, failed_exit_started

__all__ = ["PROTOCOL_HOOKS"]


class _Enter:
    """An enter that has begun."""

    __slots__ = ("acquisition", "again", "manager", "resource")

    @hidden
    def __init__(
        self, acquisition: Acquisition, manager: Any, resource: Resource | None, again: bool
    ) -> None:
        self.acquisition = acquisition
        self.manager = manager
        self.resource = resource
        self.again = again
        """Whether the acquisition is that of a block that had released the resource."""


class _Exit:
    """An exit that is about to begin, or has begun."""

    __slots__ = ("acquisition", "error", "manager", "resource", "site")

    @hidden
    def __init__(
        self, acquisition: Acquisition, manager: Any, resource: Resource | None, site: int
    ) -> None:
        self.acquisition = acquisition
        self.manager = manager
        self.resource = resource
        self.site = site
        self.error: BaseException | None = None
        """What ended the body."""


@suspended
def begin_enter(site: Site, manager: Any) -> _Enter | None:
    """Return the handle of an enter, ``None`` for one that is not recorded."""
    try:
        if sinks.active_sink() is None:
            return None
        cls = type(manager)
        kind = kinds.by_id.get(id(cls)) or kind_of(cls)
        if not kind.manager or kind.traced:
            return None
        site_id = site.id or site.arrive()
        resource_id = resource_at(site, manager, kind)
        resource = entered_managers.resource_of(manager, kind, resource_id)
        task = current_task()
        before = (
            open_acquisitions.released_in_block(resource, task) if resource is not None else None
        )
        flags = (
            publish.BY_CALL
            if resource is None
            else open_acquisitions.flags_of_call(resource, before)
        )
        if before is None:
            acquisition = publish.enter_started(kind.manager, resource_id, site_id, flags)
        else:
            acquisition = publish.enter_started_by_call(
                kind.manager, resource_id, site_id, task, before, flags=flags
            )
        if acquisition is None:
            return None
        return _Enter(acquisition, manager, resource, before is not None)
    except RecursionError:  # there is no stack to call anything
        sinks.active.uncounted += sinks.active.sink is not None
        return None
    except Exception as error:
        sinks.hook_failed(error)
        return None


@suspended
def entered(handle: _Enter | None, result: object) -> None:
    """End an enter."""
    if handle is None:
        return
    publish.enter_ended(handle.acquisition, None)
    try:
        if handle.again:
            open_acquisitions.note_reacquired(handle.acquisition)
        else:
            entered_managers.add(handle.manager, handle.acquisition, handle.resource)
    except Exception as error:
        sinks.hook_failed(error)


@suspended
def not_entered(handle: _Enter | None, error: BaseException) -> None:
    """End an enter that failed."""
    if handle is not None:
        publish.enter_ended(handle.acquisition, error)


@suspended
def begin_exit(site: Site, manager: Any) -> _Exit | None:
    """Return the handle of an exit that is to begin, ``None`` for one that is not recorded."""
    try:
        if sinks.active.sink is None:
            return None
        cls = type(manager)
        kind = kinds.by_id.get(id(cls)) or kind_of(cls)
        if not kind.manager or kind.traced:
            return None
        resource = entered_managers.resource_of(manager, kind)
        acquisition = entered_managers.find(manager, resource, current_task())
        if acquisition is None:
            return None
        return _Exit(acquisition, manager, resource, site.id or site.arrive())
    except RecursionError:
        sinks.active.uncounted += sinks.active.sink is not None
        return None
    except Exception as error:
        sinks.hook_failed(error)
        return None


@suspended
def exit_arguments(handle: _Exit | None, error: object) -> None:
    """Begin the exit; ``error`` is what its second argument says, or all arguments."""
    if handle is None:
        return
    if type(error) is tuple:
        error = error[1] if len(error) > 1 else None
    if BaseException in mro(type(error)):
        handle.error = cast(BaseException, error)
        failed_exit_started(handle.acquisition, handle.error, handle.manager, handle.site)
    else:
        publish.exit_started(handle.acquisition, None, handle.site)


@suspended
def exited(handle: _Exit | None, result: object) -> None:
    """End an exit."""
    if handle is None:
        return
    if handle.error is None:
        publish.exit_ended(handle.acquisition)
    else:
        failed_exit_ended(handle.acquisition, handle.error, result, None)
    _forget(handle)


@suspended
def not_exited(handle: _Exit | None, error: BaseException) -> None:
    """End an exit that failed."""
    if handle is None:
        return
    if handle.acquisition.state == LEAVING:  # otherwise an argument of the call has failed
        publish.exit_ended(handle.acquisition, error, False, handle.error)
        _forget(handle)


@hidden
def _forget(handle: _Exit) -> None:
    try:
        entered_managers.remove(handle.manager, handle.acquisition, handle.resource, handle.site)
    except Exception as error:
        sinks.hook_failed(error)


PROTOCOL_HOOKS = ProtocolHooks(
    begin_enter=begin_enter,
    entered=entered,
    not_entered=not_entered,
    begin_exit=begin_exit,
    exit_arguments=exit_arguments,
    exited=exited,
    not_exited=not_exited,
)
