"""The play head: where in recorded time the viewer is, and how that moves as real time passes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

__all__ = ["SPEEDS", "Playback"]

SPEEDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""The speeds that the keys go through."""


class Playback:
    """A play head between ``first`` and ``last``, all in monotonic ns.

    It stands, plays (forwards or backwards, at ``speed``), or follows: then it is where the
    program is. Real time comes in through :meth:`advance` alone.
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
        """The part of a ns that slow motion has not moved yet."""

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to play in its direction."""
        return self.at <= self.first if self.backwards else self.at >= self.last

    def advance(self, clock: int) -> None:
        """Real time is now ``clock`` ns; the first call after a start only sets the watch."""
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
        """The recording now reaches from ``first`` to ``last``."""
        self.first = first
        self.last = max(first, last)
        self._put(self.last if self.following else self.at)

    def play(self) -> None:
        """Go on; from the far end, begin anew."""
        if self.ended:
            self.at = self.last if self.backwards else self.first
        self.following = False
        self.playing = True

    def pause(self) -> None:
        """Stand still."""
        self.playing = self.following = False
        self._rest = 0.0

    def toggle(self) -> None:
        """Play or stand still."""
        if self.playing or self.following:
            self.pause()
        else:
            self.play()

    def follow(self) -> None:
        """Stay with the program, at the end of what is known."""
        self.pause()
        self.backwards = False
        self.following = True
        self.at = self.last

    def turn(self) -> None:
        """Play the other way."""
        self.backwards = not self.backwards
        self._rest = 0.0

    def faster(self) -> None:
        """The next higher speed of SPEEDS, if there is one."""
        self.speed = SPEEDS[min(bisect_right(SPEEDS, self.speed), len(SPEEDS) - 1)]

    def slower(self) -> None:
        """The next lower speed of SPEEDS, if there is one."""
        self.speed = SPEEDS[max(bisect_left(SPEEDS, self.speed) - 1, 0)]

    def go(self, at: int) -> None:
        """Stand at ``at``, or as near as the recording reaches."""
        self.following = False
        self._rest = 0.0
        self._put(at)

    def step(self, times: Sequence[int], by: int) -> bool:
        """Stand at the next of the sorted ``times``, or with ``by`` below 0 at the previous one.

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
