"""The play head: its time, and how it moves as real time passes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

__all__ = ["SPEEDS", "Playback"]

SPEEDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""The speeds to switch between."""


class Playback:
    """A play head between ``first`` and ``last``, all in monotonic ns.

    It is paused, plays (forwards or backwards, at ``speed``), or follows the end of a live
    recording. Real time comes from :meth:`advance` only.
    """

    def __init__(self, first: int = 0, last: int = 0, *, speed: float = 1.0) -> None:
        self.first = first
        self.last = last
        self.speed = speed
        self.at = first
        self.playing = False
        self.backwards = False
        self.following = False
        self._clock: int | None = None
        self._rest = 0.0
        """The fraction of a ns left over by slow motion."""

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to play in this direction."""
        return self.at <= self.first if self.backwards else self.at >= self.last

    def advance(self, clock: int) -> None:
        """Move by the real time since the last call; ``clock`` is in ns."""
        before, self._clock = self._clock, clock
        if self.following:
            self.at = self.last
        elif self.playing and before is not None:
            moved = (clock - before) * self.speed + self._rest
            whole = int(moved)
            self._rest = moved - whole
            self._put(self.at - whole if self.backwards else self.at + whole)
            if self.ended:
                self.pause()

    def extend(self, first: int, last: int) -> None:
        """Set the first and last time of the recording."""
        self.first = first
        self.last = max(first, last)
        self._put(self.last if self.following else self.at)

    def play(self) -> None:
        """Play; at the end, start again."""
        if self.ended:
            self.at = self.last if self.backwards else self.first
        self.following = False
        self.playing = True

    def pause(self) -> None:
        """Pause."""
        self.playing = self.following = False
        self._rest = 0.0

    def toggle(self) -> None:
        """Play or pause."""
        if self.playing or self.following:
            self.pause()
        else:
            self.play()

    def follow(self) -> None:
        """Follow the end of a live recording."""
        self.pause()
        self.backwards = False
        self.following = True
        self.at = self.last

    def reverse(self) -> None:
        """Reverse the direction."""
        self.backwards = not self.backwards
        self._rest = 0.0

    def faster(self) -> None:
        """Switch to the next higher speed of SPEEDS, if any."""
        self.speed = SPEEDS[min(bisect_right(SPEEDS, self.speed), len(SPEEDS) - 1)]

    def slower(self) -> None:
        """Switch to the next lower speed of SPEEDS, if any."""
        self.speed = SPEEDS[max(bisect_left(SPEEDS, self.speed) - 1, 0)]

    def go(self, at: int) -> None:
        """Move to ``at``, limited to the recording."""
        self.following = False
        self._rest = 0.0
        self._put(at)

    def step(self, times: Sequence[int], by: int) -> bool:
        """Pause and move to the next of the sorted ``times``, or the previous if ``by`` < 0.

        Returns whether there was one.
        """
        self.pause()
        index = bisect_right(times, self.at) if by > 0 else bisect_left(times, self.at) - 1
        if not 0 <= index < len(times):
            return False
        self._put(times[index])
        return True

    def _put(self, at: int) -> None:
        self.at = min(max(at, self.first), self.last)
