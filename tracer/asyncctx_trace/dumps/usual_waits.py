"""How long the waits for each resource usually are."""

from __future__ import annotations

from collections import Counter

__all__ = ["UsualWaits"]

_ENOUGH = 100
"""The number of waits from which on a 99th percentile says something."""
_MOST = 100_000
"""The number of waits at which the weight of all is halved, so that newer ones count more."""


class UsualWaits:
    """The distribution of the waits for each resource, in buckets.

    Bounds of buckets are about 9 % apart (eight for each doubling), so the percentiles are too
    large by at most that. Adding is O(1), a percentile O(number of buckets).
    """

    def __init__(self) -> None:
        self._counts: dict[int, Counter[int]] = {}
        self._totals: Counter[int] = Counter()
        self._p99: dict[int, int] = {}
        """Resource -> the percentile, if nothing was added since it was computed."""

    def add(self, resource: int, wait: int) -> None:
        """Add a wait in ns."""
        counts = self._counts.get(resource)
        if counts is None:
            counts = self._counts[resource] = Counter()
        counts[_bucket(wait)] += 1
        self._totals[resource] += 1
        if self._totals[resource] >= _MOST:
            halved = Counter({b: n // 2 for b, n in counts.items() if n > 1})
            self._counts[resource] = halved
            self._totals[resource] = halved.total()
        self._p99.pop(resource, None)

    def p99(self, resource: int) -> int | None:
        """Return the 99th percentile in ns; ``None`` before there were 100 waits."""
        total = self._totals[resource]
        if total < _ENOUGH:
            return None
        known = self._p99.get(resource)
        if known is None:
            left = total // 100
            for bucket in sorted(self._counts[resource], reverse=True):
                left -= self._counts[resource][bucket]
                if left < 0:
                    known = _upper(bucket)
                    break
            assert known is not None  # the counts add up to the total
            self._p99[resource] = known
        return known


def _bucket(wait: int) -> int:
    """Return the number of the bucket: the exponent and three bits of the mantissa."""
    if wait < 16:
        return max(0, wait)
    shift = wait.bit_length() - 4
    return (shift << 3) + (wait >> shift)


def _upper(bucket: int) -> int:
    """Return the upper bound of a bucket."""
    if bucket < 16:
        return bucket
    shift = (bucket >> 3) - 1
    return ((bucket - (shift << 3)) + 1) << shift
