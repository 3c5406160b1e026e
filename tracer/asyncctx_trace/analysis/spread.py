"""How durations are spread: half of them, nearly all of them, the longest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Spread"]


@dataclass(frozen=True, slots=True)
class Spread:
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
    def of(cls, durations: Iterable[int]) -> Spread:
        """The spread of ``durations`` (ns, in any order)."""
        ranked = sorted(durations)
        if not ranked:
            return cls()
        count = len(ranked)

        def rank(percent: int) -> int:
            return ranked[-(-percent * count // 100) - 1]

        return cls(count, sum(ranked), rank(50), rank(95), rank(99), ranked[-1])

    @property
    def mean(self) -> int:
        """The average in ns."""
        return self.total // self.count if self.count else 0
