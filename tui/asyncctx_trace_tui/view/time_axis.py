"""Ticks of a time axis: round times, far enough apart for their labels."""

from __future__ import annotations

from dataclasses import dataclass

from asyncctx_trace_tui.view.viewport import Viewport

__all__ = ["Tick", "clock", "ticks"]

_SECOND = 1_000_000_000
_STEPS = (
    *(digit * 10**power for power in range(9) for digit in (1, 2, 5)),
    *(seconds * _SECOND for seconds in (1, 2, 5, 10, 15, 30)),
    *(minutes * 60 * _SECOND for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * 3600 * _SECOND for hours in (1, 2, 3, 6, 12, 24, 48, 120, 240)),
)
_GAP = 3
"""Columns between a label and the next tick."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick with its label."""

    column: int
    label: str


def ticks(viewport: Viewport, origin: int) -> list[Tick]:
    """Return the visible ticks; labels count from ``origin``."""
    step = next(
        (step for step in _STEPS if step >= _label_span(viewport, origin, step)),
        max(_STEPS[-1], _label_span(viewport, origin, _STEPS[-1])),
    )
    found = []
    at = -(-(viewport.start - origin) // step) * step
    while origin + at < viewport.end:
        found.append(Tick(viewport.column_of(origin + at), clock(at, step)))
        at += step
    return found


def _label_span(viewport: Viewport, origin: int, step: int) -> int:
    """Return the time that a label of this step and the gap after it cover, in ns."""
    longest = max(
        len(clock(viewport.start - origin, step)), len(clock(viewport.end - origin, step))
    )
    return (longest + _GAP) * viewport.per_column


def clock(ns: int, precision: int = 1_000_000) -> str:
    """Format a time since the start: ``2.5s``, ``1:02:03.004``; ``precision`` is in ns."""
    sign = "-" if ns < 0 else ""
    seconds, rest = divmod(abs(ns), _SECOND)
    digits = max(0, 10 - len(str(precision))) if precision < _SECOND else 0
    fraction = f".{rest:09d}"[: digits + 1] if digits else ""
    if seconds < 60:
        return f"{sign}{seconds}{fraction}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{sign}{minutes}:{seconds:02d}{fraction}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d}{fraction}"
