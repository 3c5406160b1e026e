"""Columns of a timeline as numpy's arrays."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = [
    "Integers",
    "bisect",
    "column",
    "distinct",
    "entered",
    "holds_of",
    "ranges",
    "runs",
    "spans_of",
    "total",
    "view",
    "waits_of",
]

Integers: TypeAlias = NDArray[np.int64]

_LARGEST = 2**63


def view(values: Sequence[int]) -> Integers:
    """``values`` without a copy where they are a column: let go of it before that may grow."""
    return np.frombuffer(values, values.typecode) if isinstance(values, array) else np.array(values)


def column(values: NDArray[np.signedinteger], typecode: str = "q") -> array[int]:
    """A column that holds ``values``."""
    made = array(typecode)
    made.frombytes(values.astype(typecode).tobytes())
    return made


def entered(timeline: Timeline, rows: Integers) -> Integers:
    """Those of ``rows`` that got in."""
    inside: Integers = rows[view(timeline.enter_outcome)[rows] == Outcome.OK]
    return inside


def spans_of(
    begun: array[int], ended: array[int], rows: Integers, now: int
) -> tuple[Integers, Integers]:
    """Starts and ends of a phase that has begun in each of ``rows``; what goes on ends at now."""
    starts, ends = view(begun)[rows], view(ended)[rows]
    return starts, np.where(ends == NOT_YET, np.maximum(starts, now), ends)


def waits_of(timeline: Timeline, rows: Integers, now: int) -> tuple[Integers, Integers]:
    """Starts and ends of the waits in ``rows``."""
    return spans_of(timeline.enter_started, timeline.enter_ended, rows, now)


def holds_of(timeline: Timeline, rows: Integers, now: int) -> tuple[Integers, Integers]:
    """Those of ``rows`` that got in: when they did, and when their cleanup was done."""
    return spans_of(timeline.enter_ended, timeline.exit_ended, entered(timeline, rows), now)


def distinct(*times: Integers) -> Integers:
    """All of them, each once, in order."""
    every = np.concatenate(times)
    every.sort()
    fresh = np.ones(len(every), np.bool_)
    np.not_equal(every[1:], every[:-1], out=fresh[1:])
    return every[fresh]


def runs(keys: Integers) -> Integers:
    """Where each run of equal ``keys`` begins."""
    fresh = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
    return np.flatnonzero(fresh)


def ranges(firsts: Integers, lasts: Integers) -> Integers:
    """The numbers from each first up to its last, which is left out."""
    sizes = lasts - firsts
    ends = np.cumsum(sizes)
    shifts: Integers = np.repeat(firsts - ends + sizes, sizes)
    return np.arange(len(shifts)) + shifts


def bisect(values: Integers, keys: Integers, first: Integers, last: Integers) -> Integers:
    """As ``bisect_right`` of each key between its own two places, within which all is in order."""
    first, last = first.copy(), last.copy()
    while np.any(open_ := first < last):
        middle = (first + last) // 2
        right = open_ & (values[np.minimum(middle, len(values) - 1)] <= keys)
        first = np.where(right, middle + 1, first)
        last = np.where(open_ & ~right, middle, last)
    return first


def total(values: Integers) -> int:
    """Their exact sum."""
    if not len(values):
        return 0
    if len(values) * max(int(values.max()), -int(values.min())) < _LARGEST:
        return int(values.sum())
    return sum(values.tolist())
