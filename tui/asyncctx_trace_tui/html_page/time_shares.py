"""How much of each slice of time is spent in what: short acquisitions as sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["TimeShares"]

_FULL = 255
"""The value of a share of 1."""


@dataclass
class TimeShares:
    """Time spent in waiting, holding, cleanup and other waits, by track and slice of time.

    Tracks and kinds are numbers of the caller. All slices have the same width in ns. When there
    are more than ``most`` slices with anything in them, pairs of slices become one.
    """

    length: int
    """The length of the recording in ns."""
    most: int
    kinds: int = 4
    width: int = 0
    """The width of a slice in ns."""
    _spent: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """Track and slice -> ns of each kind."""

    def __post_init__(self) -> None:
        """Begin with slices that are narrower than a pixel of the widest screen."""
        self.width = self.width or max(1, self.length >> 16)

    def add(self, track: int, kind: int, start: int, end: int) -> None:
        """Add the time from ``start`` to ``end``, in ns since the start of the recording."""
        while start < end:
            slice_ = start // self.width
            until = min(end, (slice_ + 1) * self.width)
            spent = self._spent.get((track, slice_))
            if spent is None:
                spent = self._spent[track, slice_] = [0] * self.kinds
                if len(self._spent) > self.most and self.width <= self.length:
                    self._widen()
                    self.add(track, kind, start, end)
                    return
            spent[kind] += until - start
            start = until

    def shares(self) -> Iterator[tuple[int, int, list[int]]]:
        """Yield track, slice and the share of each kind, from 0 to 255, in order.

        What is spent at all has a share of at least 1.
        """
        for (track, slice_), spent in sorted(self._spent.items()):
            yield track, slice_, [min(_FULL, -(-ns * _FULL // self.width)) for ns in spent]

    def _widen(self) -> None:
        self.width *= 2
        wider: dict[tuple[int, int], list[int]] = {}
        for (track, slice_), spent in self._spent.items():
            known = wider.get((track, slice_ // 2))
            wider[track, slice_ // 2] = (
                spent if known is None else [a + b for a, b in zip(known, spent, strict=True)]
            )
        self._spent = wider
