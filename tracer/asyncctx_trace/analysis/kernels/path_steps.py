"""The steps of a critical path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from asyncctx_trace.analysis.timeline.phases import Phase

__all__ = ["Link", "Segment", "Step"]

Link: TypeAlias = Literal["start", "same task", "released", "created", "joined"]
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
    ``created``: it created this task; ``joined``: this task went on after it had ended."""
    by: int | None
    """The acquisition whose exit let this task in, at the first step after it was released."""
