"""The paths along which the waiting time for a resource is charged to holders."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Generic, TypeAlias, TypeVar

__all__ = [
    "MAX_PATHS",
    "MAX_PATH_LENGTH",
    "SCALE",
    "Charge",
    "ChargeKey",
    "ChargePaths",
    "Charges",
    "Path",
]

SCALE = 64
"""Fractional bits of a charge: a waiter's time is split among several holders."""
MAX_PATHS = 64
"""The number of paths that are followed from one resource: with tasks that hold one of several
units each while they wait for the next resource, their number grows exponentially."""
MAX_PATH_LENGTH = 16
"""The number of resources on a path."""

Path: TypeAlias = tuple[int, ...]
"""Resources, from the one that is waited for to the one that is held."""
ChargeKey: TypeAlias = tuple[int, int, Path, int]
"""Site and task of a hold, the path that leads to it, and the number of the cause for which the
holder did not go on, 0 for none."""
Charges: TypeAlias = dict[ChargeKey, int]
"""What each holder is charged with, in units of ``2**-SCALE`` ns."""
Charge: TypeAlias = tuple[ChargeKey, int]
"""One entry of :data:`Charges`."""

T = TypeVar("T")


class ChargePaths(Generic[T]):
    """The paths that are still to be followed; those on which most time is passed on come first."""

    def __init__(self, path: Path, rate: T) -> None:
        """``rate``: what each holder at the end of ``path`` is charged with, over time."""
        self._ahead: list[tuple[int, int, Path, T, list[Charge]]] = [(0, 0, path, rate, [])]
        self._count = 0

    def add(self, path: Path, rate: T, passed_on: list[Charge]) -> None:
        """Add a path. ``passed_on``: what each holder before its end no longer has to bear."""
        amount = sum(ns for _, ns in passed_on)
        if amount and len(path) <= MAX_PATH_LENGTH:
            self._count += 1
            heappush(self._ahead, (-amount, self._count, path, rate, passed_on))

    def follow(self, charges: Charges) -> Iterator[tuple[Path, T]]:
        """Yield each path with its rate, after subtracting from ``charges`` what is passed on."""
        for _ in range(MAX_PATHS):
            if not self._ahead:
                break
            _, _, path, rate, passed_on = heappop(self._ahead)
            for key, ns in passed_on:
                charges[key] -= ns
            yield path, rate
