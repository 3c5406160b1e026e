"""The table of managers known by name: what each stands for, and how many may hold it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Adapter", "adapter_for"]


def _itself(manager: Any) -> Any:
    return manager


@dataclass(frozen=True, slots=True)
class Adapter:
    """How to read one class of managers, without importing the library it comes from."""

    manager: str
    """``module.QualifiedName`` of the class; its subclasses are read the same way."""
    kind: str
    resource: Callable[[Any], Any] = _itself
    """manager -> the object that tasks contend for, or the name that all such managers share"""
    capacity: Callable[[Any], int | None] = lambda resource: None
    """resource -> how many may hold it at once"""


ADAPTERS = (
    Adapter("asyncio.locks.Lock", "lock", capacity=lambda _: 1),
    Adapter("asyncio.locks.Semaphore", "semaphore", capacity=lambda s: s._value),
    Adapter("asyncio.locks.BoundedSemaphore", "semaphore", capacity=lambda s: s._bound_value),
    Adapter("asyncio.locks.Condition", "condition", capacity=lambda _: 1),
    Adapter("asyncio.timeouts.Timeout", "timeout", lambda _: "timeout"),
    Adapter("asyncio.taskgroups.TaskGroup", "task group", lambda _: "TaskGroup"),
    Adapter(
        "contextlib._AsyncGeneratorContextManager", "generator", lambda m: m.gen.__qualname__
    ),
    Adapter("contextlib.AsyncExitStack", "exit stack", lambda _: "AsyncExitStack"),
    Adapter("contextlib.aclosing", "closing", lambda m: type(m.thing).__qualname__),
)
_by_name = {adapter.manager: adapter for adapter in ADAPTERS}


def adapter_for(cls: type) -> Adapter | None:
    """The entry for ``cls`` or the nearest of its bases, ``None`` for an unknown manager."""
    for base in cls.__mro__:
        found = _by_name.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found
    return None
