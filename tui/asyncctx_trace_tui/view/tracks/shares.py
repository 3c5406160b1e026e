"""The values that tracks are summed up to: time per phase, runs of equal columns, problems."""

from __future__ import annotations

from array import array
from collections.abc import Set
from typing import NamedTuple, Protocol

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns
from asyncctx_trace.model.events import Outcome

__all__ = [
    "NEVER",
    "NO_TIME",
    "Problem",
    "Run",
    "Shares",
    "TrackColumns",
    "WaitRun",
    "WaitTrackColumns",
]

NEVER = 1 << 62
"""Stands for the time of an event that has not happened, in ns."""


class Shares(NamedTuple):
    """Time spent in each phase, in ns."""

    wait: int
    hold: int
    cleanup: int

    def minus(self, other: Shares) -> Shares:
        """Return the difference to ``other``."""
        return Shares(self.wait - other.wait, self.hold - other.hold, self.cleanup - other.cleanup)


class Run(NamedTuple):
    """Neighboring columns in the same phase, or a single column with several phases."""

    column: int
    length: int
    shares: Shares
    """The time per phase in one column."""
    row: int
    """The acquisition that starts last in it or reaches into it; -1 if there is none."""
    touches: tuple[bool, bool]
    """Whether a phase continues from the left, and to the right."""


class WaitRun(NamedTuple):
    """Neighboring columns within one wait, or a single column in which a task waits for a time."""

    column: int
    length: int
    row: int
    """The wait, in ``timeline.waits``: of a single column, the one in the middle of it."""
    share: int
    """The time spent waiting in one column, in ns."""


class Problem(NamedTuple):
    """A phase that ended badly: error, cancellation or timeout."""

    at: int
    outcome: Outcome
    row: int


NO_TIME = Shares(0, 0, 0)


class TrackColumns(Protocol):
    """The columns of a track, as its numpy implementation needs them."""

    timeline: Timeline
    rows: array[int]
    """Rows of the timeline, in order."""
    starts: array[int]
    """The start of each row that has been summed up, in ns."""
    sums: tuple[array[int], array[int], array[int]]
    """The time in each phase before each of these rows, in ns."""
    holds_only: bool
    groups: Set[int]
    """The resources whose exit waits for tasks: it is drawn like the body."""

    def sum_up(self) -> None:
        """Add the rows that were appended since the last call."""


class WaitTrackColumns(Protocol):
    """The columns of a track of waits, as the numpy implementation needs them."""

    columns: WaitColumns
    rows: array[int]
    """Rows of ``columns``, in order."""
    starts: array[int]
    """The start of each row that has been summed up, in ns."""
    before: array[int]
    """The time spent waiting before each of these rows, in ns."""
