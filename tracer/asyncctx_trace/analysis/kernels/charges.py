"""The paths along which the waiting time for a resource is charged to holders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import Generic, TypeAlias, TypeVar, cast

__all__ = [
    "MAX_PATHS",
    "MAX_PATHS_IN_ALL",
    "MAX_PATH_LENGTH",
    "SCALE",
    "Charge",
    "ChargeKey",
    "ChargePaths",
    "Charges",
    "Path",
    "round_charges",
]

SCALE = 64
"""Fractional bits of a charge: a waiter's time is split among several holders."""
MAX_PATHS = 64
"""The number of paths that are followed from one resource: with tasks that hold one of several
units each while they wait for the next resource, their number grows exponentially."""
MAX_PATHS_IN_ALL = 50_000
"""About how many paths are followed from all resources together: in a deadlock of 100,000 tasks,
a path of the maximum length leads from each resource."""
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

    def __init__(self, path: Path, first: T, max_paths: int) -> None:
        """``first``: what :meth:`follow` yields with ``path``."""
        self._ahead: list[tuple[int, int, Path, Callable[[], tuple[int, T]] | None, T | None]]
        self._ahead = [(0, 0, path, None, first)]
        self._count = 0
        self._max_paths = max_paths

    def add(self, path: Path, bound: int, resolve: Callable[[], tuple[int, T]]) -> None:
        """Add a path on which at most ``bound`` is passed on.

        ``resolve`` returns the exact amount, and what is passed on to whom. It is not called for
        paths on which so little is passed on that they are never followed.
        """
        if bound and len(path) <= MAX_PATH_LENGTH:
            self._count += 1
            heappush(self._ahead, (-bound, self._count, path, resolve, None))

    def follow(self) -> Iterator[tuple[Path, T]]:
        """Yield each path with what is passed on along it."""
        followed = 0
        while self._ahead and followed < self._max_paths:
            _, number, path, resolve, passed_on = heappop(self._ahead)
            if resolve is not None:
                amount, passed_on = resolve()
                if amount:
                    heappush(self._ahead, (-amount, number, path, None, passed_on))
                continue
            followed += 1
            yield path, cast("T", passed_on)


def round_charges(charges: Iterable[int], total: int) -> list[int]:
    """Round ``charges`` to whole ns with the sum ``total``; large fractions are rounded up."""
    exact = list(charges)
    whole = [charge >> SCALE for charge in exact]
    missing = total - sum(whole)
    if not missing:
        return whole
    fractions = sorted(
        range(len(exact)), key=lambda i: (exact[i] & (1 << SCALE) - 1, i), reverse=True
    )
    for index in fractions[:missing]:
        whole[index] += 1
    return whole
