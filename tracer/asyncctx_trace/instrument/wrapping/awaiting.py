"""Await what a manager returned for entering or exiting it, and publish the events.

Used where no hook can be inserted. Native, it is an iterator around the manager's awaitable, with
no frame of ours below the manager's. In Python it is a coroutine, in no traceback or warning.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from asyncctx_trace.instrument.hidden_frames import hidden, is_ours, suspended, without_lines
from asyncctx_trace.instrument.patches.exit_flags import note_skipped
from asyncctx_trace.instrument.publish import (
    TRACED,
    Acquisition,
    enter_ended,
    enter_started,
    exit_ended,
    exit_started,
)
from asyncctx_trace.instrument.registry.lookups import module_name, on_type
from asyncctx_trace.instrument.registry.sites import site_at
from asyncctx_trace.native import accelerated

__all__ = ["await_enter", "await_exit", "special", "step_out"]

_CONTEXTLIB = contextlib.__file__


@hidden
def site_of(frame: FrameType) -> int:
    """Return the site at which ``frame`` enters; for an exit stack, that of the call of it."""
    while frame.f_code.co_filename == _CONTEXTLIB and frame.f_back is not None:
        frame = frame.f_back
    return site_at(frame).id


@hidden
def failed_exit_started(
    acquisition: Acquisition, body_error: BaseException, manager: object, site: int
) -> None:
    exit_started(acquisition, body_error, note_skipped(manager, acquisition) or site)


@hidden
def failed_exit_ended(
    acquisition: Acquisition,
    body_error: BaseException | None,
    value: object,
    error: BaseException | None,
) -> None:
    """Publish the end of the exit where the body failed, or the exit, or both."""
    exit_ended(acquisition, error, error is None and _is_true(value), body_error)


@accelerated
@without_lines
async def await_enter(
    awaitable: Awaitable[Any],
    manager: int,
    resource: int,
    opened: Callable[[Acquisition], object],
) -> Any:
    """Enter; ``opened`` is called with the acquisition before the body may begin."""
    acquisition = enter_started(manager, resource, site_of(sys._getframe(1)), TRACED)
    if acquisition is None:
        return await awaitable
    try:
        value = await awaitable
    except BaseException as error:
        enter_ended(acquisition, error)
        step_out(error)
        raise
    opened(acquisition)
    enter_ended(acquisition, None)
    return value


@accelerated
@without_lines
async def await_exit(
    awaitable: Awaitable[Any],
    acquisition: Acquisition,
    body_error: BaseException | None,
    manager: object = None,
    site: int = 0,
) -> Any:
    """Exit ``manager``, after a body that ended with ``body_error``, by a call at ``site``."""
    if body_error is None:
        exit_started(acquisition, None, site)
    else:
        failed_exit_started(acquisition, body_error, manager, site)
    try:
        value = await awaitable
    except BaseException as error:
        exit_ended(acquisition, error, False, body_error)
        del body_error
        step_out(error)
        raise
    if body_error is None:
        exit_ended(acquisition)
    else:
        failed_exit_ended(acquisition, body_error, value, None)
    return value


@hidden
def _is_true(value: object) -> bool:
    """Return the truth of an exit's result, if that is possible without running its code.

    The interpreter evaluates it once; a second evaluation would be visible.
    """
    cls = type(value)
    if module_name(cls) != "builtins" and (on_type(cls, "__bool__") or on_type(cls, "__len__")):
        return False
    return bool(value)


@hidden
def step_out(error: BaseException) -> None:
    """Take the running function, which is ours, out of the traceback of ``error``."""
    traceback = error.__traceback__
    if traceback is not None and is_ours(traceback.tb_frame):
        error.__traceback__ = traceback.tb_next


@suspended
def special(thing: object, name: str) -> Any:
    """Return ``name`` bound to ``thing``, looked up on the type as the interpreter does."""
    cls = type(thing)
    found = on_type(cls, name)
    if found is None:
        raise AttributeError(name)
    bind = on_type(type(found), "__get__")
    return found if bind is None else bind(found, thing, cls)
