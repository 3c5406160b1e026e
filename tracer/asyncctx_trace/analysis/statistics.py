"""Statistics of durations: count, total, percentiles, maximum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, SupportsInt

__all__ = ["DurationStats"]


class SortedDurations(Protocol):
    """Durations in ascending order, in a list or a numpy array."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> SupportsInt: ...


@dataclass(frozen=True, slots=True)
class DurationStats:
    """Statistics of durations in ns; all zero if there are none.

    A percentile is one of the durations (nearest-rank method): pN is the shortest that at least
    N % of them do not exceed.
    """

    count: int = 0
    total: int = 0
    p50: int = 0
    p95: int = 0
    p99: int = 0
    max: int = 0

    @classmethod
    def of(cls, durations: Iterable[int]) -> DurationStats:
        """Return the statistics of ``durations`` (ns, in any order)."""
        in_order = sorted(durations)
        return cls.of_sorted(in_order, sum(in_order))

    @classmethod
    def of_sorted(cls, durations: SortedDurations, total: int) -> DurationStats:
        """Return the statistics of ``durations`` in ascending order, whose sum is ``total``."""
        count = len(durations)
        if not count:
            return cls()

        def rank(percent: int) -> int:
            return int(durations[-(-percent * count // 100) - 1])

        return cls(count, total, rank(50), rank(95), rank(99), rank(100))

    @property
    def mean(self) -> int:
        """The average in ns, rounded down."""
        return self.total // self.count if self.count else 0
