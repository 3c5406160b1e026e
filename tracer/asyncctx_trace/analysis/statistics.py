"""How durations are spread: half of them, nearly all of them, the longest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, SupportsInt

__all__ = ["DurationStats"]


class Ranked(Protocol):
    """Durations in order, in a list or a column of numpy's."""

    def __len__(self) -> int: ...

    def __getitem__(self, rank: int, /) -> SupportsInt: ...


@dataclass(frozen=True, slots=True)
class DurationStats:
    """Durations in ns; all zero where there are none.

    A percentile is one of the durations themselves (nearest rank): pN is the shortest that at
    least N % do not exceed.
    """

    count: int = 0
    total: int = 0
    p50: int = 0
    p95: int = 0
    p99: int = 0
    max: int = 0

    @classmethod
    def of(cls, durations: Iterable[int]) -> DurationStats:
        """The spread of ``durations`` (ns, in any order)."""
        ranked = sorted(durations)
        return cls.ranked(ranked, sum(ranked))

    @classmethod
    def ranked(cls, durations: Ranked, total: int) -> DurationStats:
        """The same of durations in order, with their sum."""
        count = len(durations)
        if not count:
            return cls()

        def rank(percent: int) -> int:
            return int(durations[-(-percent * count // 100) - 1])

        return cls(count, total, rank(50), rank(95), rank(99), rank(100))

    @property
    def mean(self) -> int:
        """The average in ns."""
        return self.total // self.count if self.count else 0
