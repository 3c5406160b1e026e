"""What is known by name of locks, of waits, and of where libraries are."""

from __future__ import annotations

import re
from typing import Any

from asyncctx_trace.instrument.waits.subjects import LISTED
from asyncctx_trace.model.waits import WaitKind

__all__ = ["BOUNDS", "LIBRARY", "LOCKS", "NOT_SHARED", "SUBJECTS", "awaited_by"]

LIBRARY = re.compile(r"/(?:site|dist)-packages/|/lib/python3\.\d+t?/|^<frozen |/python3\d+\.zip/")
_IO = frozenset({"asyncio.streams", "asyncio.selector_events", "asyncio.base_events"})
LOCKS = {
    "asyncio.locks.Lock": ("lock", 1),
    "asyncio.locks.Condition": ("condition", 1),
    "asyncio.locks.Semaphore": ("semaphore", None),
    "trio._sync.Lock": ("lock", 1),
    "_thread.lock": ("lock", 1),
    "_thread.RLock": ("lock", 1),
    "threading.Condition": ("condition", 1),
    "threading.Semaphore": ("semaphore", None),
}
SUBJECTS = {
    WaitKind.QUEUE_GET: "queue",
    WaitKind.QUEUE_PUT: "queue",
    WaitKind.QUEUE_JOIN: "queue",
    WaitKind.EVENT: "event",
    WaitKind.CONDITION: "condition",
    WaitKind.BARRIER: "barrier",
    WaitKind.RECEIVE: "channel",
    WaitKind.SEND: "channel",
}
"""The kind of a resource that is known by a wait for it alone."""
_ACQUIRE = ("acquire", "__aenter__", "acquire_on_behalf_of")
NOT_SHARED = frozenset({"builtins", "_asyncio", "asyncio.tasks", "asyncio.unix_events", "uvloop"})
BOUNDS = ("_bound_value", "_max_value", "_total_tokens", "maxsize", "_maxsize")


def awaited_by(frames: list[dict[str, Any]]) -> tuple[WaitKind | None, int, str]:
    """Return what the frames of a library wait for: the kind, the object and the method."""
    for frame in frames:
        listed = LISTED.get((frame["module"], frame["function"]))
        method = frame["function"].rpartition(".")[2]
        if listed is not None:
            return listed.kind, frame["self"] if listed.thing else 0, method
        if method in _ACQUIRE and frame["module"] in ("trio._sync", "anyio._backends._asyncio"):
            return WaitKind.LOCK, frame["self"], method
    if frames and frames[-1]["module"] in _IO:
        return WaitKind.IO, 0, frames[-1]["function"]
    return None, 0, frames[-1]["function"] if frames else ""
