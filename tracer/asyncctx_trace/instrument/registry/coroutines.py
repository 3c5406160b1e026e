"""The coroutines of tasks."""

from __future__ import annotations

from threading import Thread, _DummyThread
from types import CoroutineType, MemberDescriptorType
from typing import Any

from asyncctx_trace.instrument.hidden_frames import hidden
from asyncctx_trace.instrument.registry.lookups import on_type

__all__ = ["coroutine_name", "is_finished", "plain_coroutine"]


@hidden
def plain_coroutine(awaitable: Any) -> Any:
    """Return ``awaitable`` if it is a coroutine, or the one in its slot ``_coro``, else ``None``.

    aiohttp's requests wrap a coroutine like this. None of their code runs.
    """
    if type(awaitable) is CoroutineType:
        return awaitable
    slot = on_type(type(awaitable), "_coro")
    if type(slot) is not MemberDescriptorType:
        return None
    try:
        inner = slot.__get__(awaitable)
    except AttributeError:
        return None
    return inner if type(inner) is CoroutineType else None


@hidden
def coroutine_name(native: Any, runtime: str) -> str:
    """Return the qualified name of the coroutine of a task, such as ``Shop.serve``, or ``""``.

    It is empty for objects that only behave like a coroutine: their attributes may be code.
    """
    coroutine = plain_coroutine(native.coro if runtime == "trio" else native.get_coro())
    return "" if coroutine is None else coroutine.__qualname__


@hidden
def is_finished(native: Any, runtime: str) -> bool:
    """Return whether the coroutine of a task has run to its end, or a thread has ended.

    ``runtime``: ``none`` for a ``threading.Thread``. A thread that ``threading`` did not start may
    go on for ever.
    """
    if runtime == "none":
        return not isinstance(native, _DummyThread) and not Thread.is_alive(native)
    coroutine = native.coro if runtime == "trio" else native.get_coro()
    if coroutine is None:  # a task that ended at once drops it
        return True
    plain = plain_coroutine(coroutine)
    return plain is not None and plain.cr_frame is None
