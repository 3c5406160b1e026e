"""Columns of a timeline as numpy arrays."""

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
    "exact_sum",
    "holds_of",
    "ranges",
    "runs",
    "spans_of",
    "view",
    "waits_of",
]

Integers: TypeAlias = NDArray[np.int64]

_LARGEST = 2**63


def view(values: Sequence[int]) -> Integers:
    """Return ``values`` as an array; a column is not copied, and cannot grow while it is in use."""
    return np.frombuffer(values, values.typecode) if isinstance(values, array) else np.array(values)


def column(values: NDArray[np.signedinteger], typecode: str = "q") -> array[int]:
    """Return ``values`` as a column."""
    made = array(typecode)
    made.frombytes(values.astype(typecode).tobytes())
    return made


def entered(timeline: Timeline, rows: Integers) -> Integers:
    """Return those of ``rows`` that entered."""
    inside: Integers = rows[view(timeline.enter_outcome)[rows] == Outcome.OK]
    return inside


def spans_of(
    begun: array[int], ended: array[int], rows: Integers, now: int
) -> tuple[Integers, Integers]:
    """Return starts and ends of a phase that has started in each of ``rows``."""
    starts, ends = view(begun)[rows], view(ended)[rows]
    return starts, np.where(ends == NOT_YET, np.maximum(starts, now), ends)


def waits_of(timeline: Timeline, rows: Integers, now: int) -> tuple[Integers, Integers]:
    """Return starts and ends of the waits of ``rows``."""
    return spans_of(timeline.enter_started, timeline.enter_ended, rows, now)


def holds_of(timeline: Timeline, rows: Integers, now: int) -> tuple[Integers, Integers]:
    """Return from when to when those of ``rows`` that entered held, cleanup included."""
    return spans_of(timeline.enter_ended, timeline.exit_ended, entered(timeline, rows), now)


def distinct(*times: Integers) -> Integers:
    """Return all ``times``, each once, in order."""
    every = np.concatenate(times)
    every.sort()
    fresh = np.ones(len(every), np.bool_)
    np.not_equal(every[1:], every[:-1], out=fresh[1:])
    return every[fresh]


def runs(keys: Integers) -> Integers:
    """Return the index at which each run of equal ``keys`` starts."""
    fresh = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
    return np.flatnonzero(fresh)


def ranges(firsts: Integers, lasts: Integers) -> Integers:
    """Return the numbers from each of ``firsts`` up to, but not including, that of ``lasts``."""
    sizes = lasts - firsts
    ends = np.cumsum(sizes)
    shifts: Integers = np.repeat(firsts - ends + sizes, sizes)
    return np.arange(len(shifts)) + shifts


def bisect(values: Integers, keys: Integers, first: Integers, last: Integers) -> Integers:
    """Return ``bisect_right`` of each key between its own two bounds."""
    first, last = first.copy(), last.copy()
    while np.any(undecided := first < last):
        middle = (first + last) // 2
        right = undecided & (values[np.minimum(middle, len(values) - 1)] <= keys)
        first = np.where(right, middle + 1, first)
        last = np.where(undecided & ~right, middle, last)
    return first


def exact_sum(values: Integers) -> int:
    """Return the sum of ``values``, even if it does not fit into 64 bits."""
    if not len(values):
        return 0
    if len(values) * max(int(np.max(values)), -int(np.min(values))) < _LARGEST:
        return int(values.sum())
    return sum(values.tolist())
