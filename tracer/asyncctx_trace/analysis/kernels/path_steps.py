"""The steps of a critical path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from asyncctx_trace.analysis.timeline.phases import Phase

__all__ = ["Link", "Segment", "Step"]

Link: TypeAlias = Literal["start", "same task", "released", "created", "joined", "woken"]
Segment: TypeAlias = tuple[int, int, int, Link, int | None]
"""The part of a path in one task: the task, start, end, how the path came there, and
:attr:`Step.by`."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one task did from ``start`` to ``end`` (monotonic ns), as a step of a path."""

    start: int
    end: int
    task: int
    phase: Phase | None
    """Of the innermost acquisition; ``None`` if the task was in none."""
    row: int | None
    """That acquisition."""
    link: Link
    """How the path came here from the step before: ``released``: its exit let this task in;
    ``created``: it created this task; ``joined``: this task went on after it had ended; ``woken``:
    it put, set or notified what this task waited for."""
    by: int | None
    """The acquisition whose exit let this task in, at the first step after it was released."""
    wait: int | None = None
    """The row of the wait for something else than a manager in which the task was, such as a
    ``sleep``. A wait that another task ended is not on the path: what that task did is."""
