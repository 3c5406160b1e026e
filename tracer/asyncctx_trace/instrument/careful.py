"""Awaits what a manager gave for entering or leaving it, and tells of it.

For where no mark can stand: our coroutine is around the manager's awaitable then. It is in no
traceback and no warning names it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable
from types import CodeType, FrameType, FunctionType
from typing import Any, cast

from asyncctx_trace.instrument import lifecycle, sites
from asyncctx_trace.instrument.exit_flags import note_skipped
from asyncctx_trace.instrument.invisible import invisible, unobserved
from asyncctx_trace.instrument.lifecycle import Acquisition

__all__ = ["entering", "leaving", "special"]


@invisible
async def entering(
    awaitable: Awaitable[Any],
    manager: int,
    resource: int,
    opened: Callable[[Acquisition], object],
) -> Any:
    """Enter; ``opened`` gets the acquisition before the body may begin."""
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
async def leaving(
    awaitable: Awaitable[Any],
    acquisition: Acquisition,
    body_error: BaseException | None,
    manager: object = None,
) -> Any:
    """Leave ``manager``, after a body that ended with ``body_error``."""
    failed = body_error is not None
    site = 0 if body_error is None else note_skipped(manager, acquisition)
    lifecycle.exit_started(acquisition, body_error, site)
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


_ENTERING: CodeType = cast(FunctionType, entering).__code__
_LEAVING: CodeType = cast(FunctionType, leaving).__code__


def _step_out(error: BaseException, code: CodeType) -> None:
    traceback = error.__traceback__
    if traceback is not None and traceback.tb_frame.f_code is code:
        error.__traceback__ = traceback.tb_next


def special(thing: object, name: str) -> Any:
    """``name`` bound to ``thing``, looked up on the type alone as the interpreter does."""
    cls = type(thing)
    for base in cls.__mro__:
        if name in base.__dict__:
            found = base.__dict__[name]
            bind = getattr(type(found), "__get__", None)
            return found if bind is None else bind(found, thing, cls)
    raise AttributeError(name)
