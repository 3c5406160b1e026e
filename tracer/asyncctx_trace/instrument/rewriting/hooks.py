"""The hooks around a rewritten ``async with``, which publish its events.

Each runs briefly in the program's own task and context, is not on the stack while the manager runs,
and raises nothing into the program. ``async_with`` shows where each is called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from asyncctx_trace.instrument import acceleration, sinks
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden
from asyncctx_trace.instrument.patches.exit_flags import note_skipped
from asyncctx_trace.instrument.publish import (
    Acquisition,
    enter_ended,
    enter_started,
    exit_ended,
    exit_started,
)
from asyncctx_trace.instrument.registry.resources import by_object, kind_of, kinds, resource_at
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.rewriting.async_with import Hooks
from asyncctx_trace.instrument.sinks import active_sink
from asyncctx_trace.native import accelerated

__all__ = ["HOOKS"]


@accelerated
class Exit(partial[Any]):
    """The manager's bound ``__aexit__`` with the acquisition that it will end.

    The interpreter keeps it in place of the method until it calls it. A ``partial`` is called in C
    and adds no frame of ours below the manager's.
    """

    __slots__ = ("acquisition",)
    acquisition: Acquisition


@accelerated
@hidden
def begin(site: Site, manager: object) -> Acquisition | None:
    """Return the handle of an acquisition, ``None`` for one that is not recorded."""
    try:
        if active_sink() is None:
            return None
        cls = type(manager)
        kind = kinds.by_id.get(id(cls)) or call_hidden(kind_of, cls)
        if not kind.manager or kind.traced:
            return None
        site_id = site.id or call_hidden(site.arrive)
        known = by_object.by_id.get(id(manager)) if kind.itself else None
        resource = resource_at(site, manager, kind) if known is None else known.id
        return enter_started(kind.manager, resource, site_id)
    except RecursionError:  # there is no stack to call anything
        sinks.active.uncounted += sinks.active.sink is not None
        return None
    except Exception as error:
        sinks.hook_failed(error)
        return None


@accelerated
@hidden
def entered(exit: Callable[..., Any], handle: Acquisition | None) -> Callable[..., Any]:
    """Return what the interpreter keeps as the exit."""
    if handle is None:
        return exit
    enter_ended(handle)
    wrapped = Exit(exit)
    wrapped.acquisition = handle
    return wrapped


@accelerated
@hidden
def leaving(exit: Callable[..., Any]) -> Acquisition | None:
    """Return the handle of the exit that begins now."""
    if type(exit) is not Exit:
        return None
    handle = exit.acquisition
    exit_started(handle)
    return handle


@accelerated
@hidden
def failing(exit: Callable[..., Any], error: BaseException, manager: object = None) -> None:
    """Begin the exit after an error; ``manager`` is given if ``exit`` is not bound to it."""
    if type(exit) is Exit:
        acquisition = exit.acquisition
        if manager is None:
            manager = getattr(exit.func, "__self__", None)
        exit_started(acquisition, error, note_skipped(manager, acquisition))


@accelerated
@hidden
def suppressed(exit: Callable[..., Any]) -> None:
    """End an exit that suppressed the error."""
    if type(exit) is Exit:
        exit_ended(exit.acquisition, None, True)


@accelerated
@hidden
def passed_on(exit: Callable[..., Any]) -> None:
    """End an exit that did not suppress the error."""
    if type(exit) is Exit:
        exit_ended(exit.acquisition)


@accelerated
@hidden
def not_cleaned(exit: Callable[..., Any], error: BaseException) -> None:
    """End an exit that failed itself."""
    if type(exit) is Exit:
        exit_ended(exit.acquisition, error, False, sys.exc_info()[1])


HOOKS = Hooks(
    begin=begin,
    entered=entered,
    not_entered=enter_ended,
    leaving=leaving,
    left=exit_ended,
    not_left=exit_ended,
    failing=failing,
    suppressed=suppressed,
    passed_on=passed_on,
    not_cleaned=not_cleaned,
)

acceleration.bind()
