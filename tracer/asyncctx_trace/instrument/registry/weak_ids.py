"""A map from objects, by identity, that keeps none of them alive."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from asyncctx_trace.instrument.hidden_frames import hidden, suspended
from asyncctx_trace.native import extension

__all__ = ["WeakIdMap", "address_table"]

T = TypeVar("T")

_native = extension("asyncctx_trace.instrument")
address_table: type[dict[int, Any]] = dict if _native is None else _native.AddressTable
"""A dict whose keys are addresses, which native code reads without making any."""


class WeakIdMap(Generic[T]):
    """Values of objects, found by the objects' addresses.

    Neither hash nor comparison of the objects is called, which would run the program's code. An
    entry leaves with its object, before the address can be another object's.

    Args:
        on_collected: Called with the value of an object that is gone. Not called for an entry that
            was taken out before.
    """

    __slots__ = ("_on_collected", "_refs", "by_id")

    def __init__(self, on_collected: Callable[[T], object] | None = None) -> None:
        self.by_id: dict[int, T] = address_table()
        """Address -> value, for hot paths and native code, which look up by address; read only."""
        self._refs: dict[int, weakref.ref[Any]] = {}
        self._on_collected = on_collected

    @hidden
    def add(self, thing: Any, value: T) -> weakref.ref[Any]:
        """Set the value of ``thing``, and return the reference that watches it.

        Raises:
            TypeError: ``thing`` cannot be referenced weakly. It has no entry then: its address
                would be taken for that of a later object.
        """
        key = id(thing)
        ref = self._refs.get(key)
        if ref is None:
            ref = self._refs[key] = weakref.ref(thing, partial(self._forget, key))
        self.by_id[key] = value
        return ref

    @hidden
    def add_or_keep(self, thing: Any, value: T) -> None:
        """Set the value of ``thing``; one that cannot be watched keeps it until it is popped."""
        try:
            self.add(thing, value)
        except TypeError:
            self.by_id[id(thing)] = value

    @hidden
    def get(self, thing: Any) -> T | None:
        """Return the value of ``thing``, ``None`` if it has none."""
        return self.by_id.get(id(thing))

    @hidden
    def pop(self, thing: Any) -> T | None:
        """Take out the value of ``thing``, and return it; ``None`` if it has none."""
        key = id(thing)
        self._refs.pop(key, None)
        return self.by_id.pop(key, None)

    def clear(self) -> None:
        """Take out every value."""
        self._refs.clear()
        self.by_id.clear()

    def values(self) -> list[T]:
        """Return all values, in the order in which they were added."""
        return list(self.by_id.values())

    def items(self) -> list[tuple[Any, T]]:
        """Return the objects that are alive, each with its value."""
        things = ((ref(), self.by_id.get(key)) for key, ref in list(self._refs.items()))
        return [
            (thing, value) for thing, value in things if thing is not None and value is not None
        ]

    @hidden
    def __contains__(self, thing: Any) -> bool:
        return id(thing) in self.by_id

    @hidden
    def __bool__(self) -> bool:
        return bool(self.by_id)

    # The map is reached by the callback and not by a name: objects die when this module's names
    # are gone already, at the end of the process.
    @suspended
    def _forget(self, key: int, ref: object) -> None:
        if self._refs.get(key) is not ref:
            return
        # Another thread may call `clear()` meanwhile.
        self._refs.pop(key, None)
        value = self.by_id.pop(key, None)
        if self._on_collected is not None and value is not None:
            self._on_collected(value)
