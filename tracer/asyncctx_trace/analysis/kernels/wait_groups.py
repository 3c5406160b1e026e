"""Waits of one kind, for one subject and at one site, added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.model.waits import WaitKind

__all__ = ["MOST_WAKERS", "WaitGroup"]

MOST_WAKERS: Final = 8
"""How many of the tasks that ended the waits of a group are named."""


@dataclass(frozen=True, slots=True)
class WaitGroup:
    """Waits that have kind, name of the subject and site in common."""

    kind: WaitKind
    subject: int
    """The resource of the first of them; 0 if that is not known, or tasks are waited for."""
    site: int
    first: int
    """The row of the first of them in ``timeline.waits``."""
    longest: int
    """The row of the longest one."""
    duration: DurationStats
    """How long they took; one that has not ended took until now."""
    open: int
    """How many have not ended."""
    cancelled: int
    """How many were ended by a cancellation."""
    failed: int
    """How many raised another exception."""
    wakers: tuple[tuple[int, int], ...]
    """The tasks that ended most of them, with how many; 0 stands for a callback, a timer, I/O or a
    thread. Of equal ones, the smallest id comes first."""
    waker_count: int
    """How many different ones there are."""
