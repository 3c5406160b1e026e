"""Find the program's line that calls a method that acquires or releases."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

from asyncctx_trace.instrument.hidden_frames import hidden, program_frame
from asyncctx_trace.instrument.registry import sites
from asyncctx_trace.instrument.registry.resources import kind_of
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.native import accelerated

__all__ = [
    "MANAGER_METHODS",
    "METHODS",
    "innermost_own_frame",
    "is_library_internal",
    "is_in_wait",
    "caller_outside",
    "site_at",
    "site_of_call",
]

site_at = accelerated(sites.site_at)

METHODS = frozenset(
    {
        "acquire",
        "acquire_nowait",
        "acquire_on_behalf_of",
        "acquire_on_behalf_of_nowait",
        "release",
        "release_on_behalf_of",
        "wait",
        "wait_for",
        "__aenter__",
        "__aexit__",
    }
)
"""Methods of locks and the like that call each other; subclasses override them by these names."""

MANAGER_METHODS = frozenset({"__aenter__", "__aexit__"})
"""Those of them that an ``async with`` calls, which is recorded itself."""
_LOOPS = frozenset({"asyncio.base_events", "asyncio.events", "asyncio.runners", "trio._core._run"})
"""Modules whose frames run tasks: frames below them belong to what started the loop."""
_SPAWNING = frozenset({"spawn_impl", "start", "start_soon"})
"""Functions in these modules that make a task for their caller."""
_RUNTIMES = frozenset({"anyio", "outcome", "trio"})
"""Packages, besides the standard library, that call and wrap locks for their caller."""
_FAR = 64
"""The number of frames that are searched."""

Own = Callable[[str], bool]


@hidden
def caller_outside(contended: object, caller: FrameType | None = None) -> FrameType | None:
    """Return the frame that calls the running method, outside other methods of ``contended``.

    The search begins at ``caller`` if that is given. ``None`` if the call is part of an ``async
    with``, which is recorded itself or not at all.
    """
    frame = caller
    if frame is None:
        method = program_frame()
        frame = None if method is None else method.f_back
    while frame is not None and frame.f_code.co_name in METHODS and _is_of(frame, contended):
        if frame.f_code.co_name.startswith("__a"):
            return None
        frame = frame.f_back
    return frame


@hidden
def is_in_wait(caller: FrameType | None) -> bool:
    """Return whether the ``wait()`` of a condition calls the method, from ``caller`` outwards."""
    frame = caller
    if frame is None:
        method = program_frame()
        frame = None if method is None else method.f_back
    while frame is not None and frame.f_code.co_name in METHODS:
        if frame.f_code.co_name == "wait":
            return True
        frame = frame.f_back
    return False


@hidden
def is_library_internal(caller: FrameType, own: Own) -> bool:
    """Return whether a library calls the method for its own purposes.

    The runtimes call it for their caller: ``wait_for(lock.acquire(), 1)``,
    ``to_thread.run_sync(f, limiter=limiter)``. So does a class that wraps a lock and has methods
    of the same names.
    """
    frame: FrameType | None = caller
    while frame is not None and not own(frame.f_code.co_filename):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if not (
            frame.f_code.co_name in METHODS
            or package in _RUNTIMES
            or package in sys.stdlib_module_names
        ):
            return True
        frame = frame.f_back
    return False


@hidden
def innermost_own_frame(frame: FrameType | None, own: Own) -> FrameType | None:
    """Return the innermost frame of the program's own code, from ``frame`` outwards."""
    for _ in range(_FAR):
        if frame is None:
            return None
        if own(frame.f_code.co_filename):
            return frame
        if frame.f_globals.get("__name__") in _LOOPS and frame.f_code.co_name not in _SPAWNING:
            return None
        frame = frame.f_back
    return None


@hidden
def site_of_call(frame: FrameType, own: Own) -> tuple[Site, int]:
    """Return the site of ``frame``, and its id for the caller of its function."""
    site = site_at(frame)
    caller = frame.f_back
    if caller is None or not own(caller.f_code.co_filename):
        caller = innermost_own_frame(caller, own)
        if caller is None:
            return site, site.id
    return site, site.called_from(site_at(caller).id)


@hidden
def _is_of(frame: FrameType, contended: object) -> bool:
    """Return whether ``frame`` is a method of ``contended``, or of an object that stands for it.

    A condition stands for its lock.
    """
    names = frame.f_code.co_varnames[:1]
    if not names or not frame.f_code.co_argcount:
        return False
    first = frame.f_locals.get(names[0])
    if first is contended:
        return True
    adapter = kind_of(type(first)).adapter
    if adapter is None:
        return False
    try:
        return adapter.resource(first) is contended
    except Exception:  # the library has changed since the adapter was written
        return False
