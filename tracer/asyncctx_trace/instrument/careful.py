"""Awaits what a manager gave for entering or leaving it, and tells of it.

For where no mark can stand. Compiled, it is an iterator around the manager's awaitable: no frame
of ours is below the manager's. Otherwise it is a coroutine, in no traceback and in no warning.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from types import CodeType, FrameType, FunctionType
from typing import Any, cast

from asyncctx_trace.compiled import extension
from asyncctx_trace.instrument import lifecycle, sites
from asyncctx_trace.instrument.exit_flags import note_skipped
from asyncctx_trace.instrument.invisible import invisible, program_frame, suspended, unobserved
from asyncctx_trace.instrument.lifecycle import Acquisition

__all__ = ["entering", "leaving", "special"]

_native = extension(__package__)


@suspended
def entering(
    awaitable: Awaitable[Any],
    manager: int,
    resource: int,
    opened: Callable[[Acquisition], object],
) -> Awaitable[Any]:
    """Enter; ``opened`` gets the acquisition before the body may begin."""
    if _native is None:
        return _entering(awaitable, manager, resource, opened)
    return cast(
        Awaitable[Any],
        _native.watched(
            awaitable, partial(_enter_started, manager, resource), partial(_enter_ended, opened)
        ),
    )


@suspended
def leaving(
    awaitable: Awaitable[Any],
    acquisition: Acquisition,
    body_error: BaseException | None,
    manager: object = None,
    site: int = 0,
) -> Awaitable[Any]:
    """Leave ``manager``, after a body that ended with ``body_error``, by a call at ``site``."""
    if _native is None:
        return _leaving(awaitable, acquisition, body_error, manager, site)
    started = partial(_exit_started, acquisition, body_error, manager, site)
    ended = partial(_exit_ended, acquisition, body_error)
    return cast(Awaitable[Any], _native.watched(awaitable, started, ended))


def _enter_started(manager: int, resource: int) -> Acquisition | None:
    frame = program_frame()
    site = 0 if frame is None else sites.of_frame(_asking(frame))
    return lifecycle.enter_started(manager, resource, site)


def _enter_ended(
    opened: Callable[[Acquisition], object],
    acquisition: Acquisition | None,
    value: object,
    error: BaseException | None,
) -> None:
    if acquisition is not None:
        if error is None:
            opened(acquisition)
        lifecycle.enter_ended(acquisition, error)


def _exit_started(
    acquisition: Acquisition, body_error: BaseException | None, manager: object, site: int
) -> None:
    skipped = 0 if body_error is None else note_skipped(manager, acquisition)
    lifecycle.exit_started(acquisition, body_error, skipped or site)


def _exit_ended(
    acquisition: Acquisition,
    body_error: BaseException | None,
    _: None,
    value: object,
    error: BaseException | None,
) -> None:
    suppressed = error is None and body_error is not None and _is_true(value)
    lifecycle.exit_ended(acquisition, error, suppressed, body_error)


@invisible
async def _entering(
    awaitable: Awaitable[Any],
    manager: int,
    resource: int,
    opened: Callable[[Acquisition], object],
) -> Any:
    acquisition = lifecycle.enter_started(
        manager, resource, sites.of_frame(_asking(sys._getframe(1)))
    )
    if acquisition is None:
        return await awaitable
    try:
        value = await awaitable
    except BaseException as error:
        lifecycle.enter_ended(acquisition, error)
        _step_out(error, _ENTERING)
        raise
    opened(acquisition)
    lifecycle.enter_ended(acquisition, None)
    return value


@invisible
async def _leaving(
    awaitable: Awaitable[Any],
    acquisition: Acquisition,
    body_error: BaseException | None,
    manager: object,
    site: int,
) -> Any:
    failed = body_error is not None
    _exit_started(acquisition, body_error, manager, site)
    try:
        value = await awaitable
    except BaseException as error:
        lifecycle.exit_ended(acquisition, error, False, body_error)
        del body_error
        _step_out(error, _LEAVING)
        raise
    del body_error
    lifecycle.exit_ended(acquisition, None, failed and _is_true(value))
    return value


@unobserved
def _asking(frame: FrameType) -> FrameType:
    """The frame that enters; for an exit stack, the one that has given it the manager."""
    while frame.f_code.co_filename == contextlib.__file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame


@unobserved
def _is_true(value: object) -> bool:
    """The truth of what an exit gave, as far as it can be had without running its code.

    The interpreter will ask once; to ask twice would be seen.
    """
    cls = type(value)
    if cls.__module__ != "builtins" and (hasattr(cls, "__bool__") or hasattr(cls, "__len__")):
        return False
    return bool(value)


_ENTERING: CodeType = cast(FunctionType, _entering).__code__
_LEAVING: CodeType = cast(FunctionType, _leaving).__code__


def _step_out(error: BaseException, code: CodeType) -> None:
    traceback = error.__traceback__
    if traceback is not None and traceback.tb_frame.f_code is code:
        error.__traceback__ = traceback.tb_next


@suspended
def special(thing: object, name: str) -> Any:
    """``name`` bound to ``thing``, looked up on the type alone as the interpreter does."""
    cls = type(thing)
    for base in cls.__mro__:
        if name in base.__dict__:
            found = base.__dict__[name]
            bind = getattr(type(found), "__get__", None)
            return found if bind is None else bind(found, thing, cls)
    raise AttributeError(name)
