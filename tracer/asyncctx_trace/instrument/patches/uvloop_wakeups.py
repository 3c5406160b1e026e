"""Have uvloop report which tasks it wakes: there is no Python code of its loop to patch."""

from __future__ import annotations

import sys
from functools import update_wrapper
from typing import Any

from asyncctx_trace.instrument.hidden_frames import hidden
from asyncctx_trace.instrument.waits import await_hooks

__all__ = ["restore", "watch"]


def watch() -> None:
    """Override ``uvloop.Loop.call_soon``, which futures call to resume tasks.

    ``uvloop.Loop`` is an empty subclass, in Python, of the loop itself. Without effect before
    uvloop is imported, and where the class has an override already.
    """
    cls: Any = getattr(sys.modules.get("uvloop"), "Loop", None)
    if cls is None or "call_soon" in vars(cls):
        return
    original = cls.call_soon

    @hidden
    def call_soon(self: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        await_hooks.scheduled(callback)
        return original(self, callback, *args, context=context)

    cls.call_soon = update_wrapper(call_soon, original, updated=())
    _overridden.append(cls)


def restore() -> None:
    """Remove the override."""
    for cls in _overridden:
        if "call_soon" in vars(cls):
            del cls.call_soon
    _overridden.clear()


_overridden: list[Any] = []
