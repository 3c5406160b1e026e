"""Locks, semaphores and the like of libraries whose methods acquire and release by call."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PRIMITIVES", "Primitive"]

_ON_BEHALF = "acquire_on_behalf_of", "acquire_on_behalf_of_nowait"


class Primitive(NamedTuple):
    """The methods of one class and its subclasses. Those that they lack are passed over."""

    module: str
    cls: str
    acquire: tuple[str, ...] = ("acquire", "acquire_nowait")
    release: str = "release"
    by_argument: bool = False
    """Whether the methods get who is to hold it: the same for acquiring and for releasing."""


PRIMITIVES = (
    Primitive("anyio._backends._asyncio", "Lock"),
    Primitive("anyio._backends._asyncio", "Semaphore"),
    Primitive(
        "anyio._backends._asyncio",
        "CapacityLimiter",
        _ON_BEHALF,
        "release_on_behalf_of",
        by_argument=True,
    ),
    # On trio, anyio's call these.
    Primitive("trio._sync", "_LockImpl"),
    Primitive("trio._sync", "Semaphore"),
    Primitive(
        "trio._sync", "CapacityLimiter", _ON_BEHALF, "release_on_behalf_of", by_argument=True
    ),
)
"""Besides those that adapters name as their pairs."""
