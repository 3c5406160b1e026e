"""The part of a recording between two moments."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    Collected,
    Definition,
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    ResourceDefined,
    SiteDefined,
)
from asyncctx_trace.recording.batch import Batch

__all__ = ["Piece", "between", "known_at"]

Piece: TypeAlias = Batch | list[Event]
"""What one look at something that can be read as a timeline has brought."""


def between(
    pieces: Iterable[Piece],
    since: int | None,
    until: int | None,
    *,
    since_at: int | None = None,
    until_at: int | None = None,
) -> tuple[Timeline, bool]:
    """What was going on at some time from ``since`` to ``until``, and whether more came later.

    Both are ns from the first fact; ``since_at`` and ``until_at`` are monotonic times instead.
    Acquisitions that had ended before are left out; what was in
    flight at ``until`` stays so.
    """
    left = deque(pieces)
    kept: Callable[[Any, int | None, Any], Piece] = _kept
    moments: Callable[[Any], list[int]] = _moments
    over: Callable[[Any, int, int | None], Any] = _over
    if kernels.there() and all(isinstance(piece, Batch) for piece in left):
        from asyncctx_trace.analysis.kernels import selection

        kept, moments, over = selection.kept, selection.moments, selection.over
    bounds = [each for piece in left for each in moments(piece)]
    start, end = min(bounds, default=0), max(bounds, default=0)
    last = until_at if until is None else start + until
    first = since_at if since is None else start + since
    gone = set() if first is None else over(left, first, last)
    timeline = Timeline()
    while left:  # each is let go of as soon as the timeline has it
        timeline.extend(kept(left.popleft(), last, gone))
    return timeline, last is not None and last < end


def _moments(piece: Iterable[Event]) -> list[int]:
    """When something happened."""
    return [event.at for event in piece if not isinstance(event, Definition)]


def _over(pieces: Iterable[Iterable[Event]], since: int, until: int | None) -> set[int]:
    """The acquisitions that had ended before ``since``, as far as is known at ``until``."""
    return {
        event.acquisition
        for piece in pieces
        for event in piece
        if (
            isinstance(event, ExitEnded)
            or (isinstance(event, EnterEnded) and event.outcome is not Outcome.OK)
        )
        and event.at < since
        and (until is None or event.at <= until)
    }


def _kept(piece: Iterable[Event], until: int | None, over: set[int]) -> list[Event]:
    """What is known at ``until``, but for acquisitions that are ``over``."""
    facts = (EnterStarted, EnterEnded, ExitStarted, ExitEnded, Collected)
    return [
        event
        for event in piece
        if known_at(event, until) and not (isinstance(event, facts) and event.acquisition in over)
    ]


def known_at(event: Event, until: int | None) -> bool:
    """Whether ``event`` has happened by then; places and resources bear no time."""
    return until is None or isinstance(event, ResourceDefined | SiteDefined) or event.at <= until
