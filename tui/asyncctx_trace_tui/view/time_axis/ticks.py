"""Ticks of a time axis: round times, far enough apart for their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from typing import TypeAlias

from asyncctx_trace_tui.view.time_axis.viewport import Viewport

__all__ = [
    "DAY",
    "Tick",
    "clock",
    "midnight_before",
    "parse_clock",
    "parse_time_of_day",
    "ticks",
    "time_of_day",
]

Label: TypeAlias = Callable[[int, int], str]
"""Formats a time with a precision, both in ns."""

_SECOND = 1_000_000_000
DAY = 24 * 3600 * _SECOND
"""A day in ns."""
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


def ticks(viewport: Viewport, origin: int, label: Label | None = None) -> list[Tick]:
    """Return the visible ticks, at round times since ``origin``.

    ``label`` formats a time since ``origin`` with a precision, both in ns; default: :func:`clock`.
    """
    label = label or clock
    step = next(
        (step for step in _STEPS if step >= _label_span(viewport, origin, step, label)),
        max(_STEPS[-1], _label_span(viewport, origin, _STEPS[-1], label)),
    )
    found = []
    at = -(-(viewport.start - origin) // step) * step
    while origin + at < viewport.end:
        found.append(Tick(viewport.column_of(origin + at), label(at, step)))
        at += step
    return found


def _label_span(viewport: Viewport, origin: int, step: int, label: Label) -> int:
    """Return the time that a label of this step and the gap after it cover, in ns."""
    longest = max(
        len(label(viewport.start - origin, step)), len(label(viewport.end - origin, step))
    )
    return (longest + _GAP) * viewport.per_column


def clock(ns: int, precision: int = 1_000_000) -> str:
    """Format a time since the start: ``2.5s``, ``1:02:03.004``; ``precision`` is in ns."""
    sign = "-" if ns < 0 else ""
    seconds, rest = divmod(abs(ns), _SECOND)
    fraction = _fraction(rest, precision)
    if seconds < 60:
        return f"{sign}{seconds}{fraction}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{sign}{minutes}:{seconds:02d}{fraction}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d}{fraction}"


def parse_clock(text: str) -> int | None:
    """Return the ns of a time such as ``1:20`` or ``1:02:03.5``, ``None`` if it is invalid."""
    *larger, seconds = text.split(":")
    if len(larger) not in (1, 2) or not all(part.isdigit() for part in larger):
        return None
    try:
        total = round(float(seconds) * _SECOND)
    except ValueError:
        return None
    for power, part in enumerate(reversed(larger), 1):
        total += int(part) * 60**power * _SECOND
    return total


def parse_time_of_day(text: str) -> int | None:
    """Return the ns since midnight of ``15:04`` or ``15:04:05.25``, ``None`` if it is invalid."""
    hours, colon, rest = text.partition(":")
    if not hours or not rest:
        return None
    try:
        parsed = time.fromisoformat(f"{hours:0>2}{colon}{rest}")
    except ValueError:
        return None
    seconds = (parsed.hour * 60 + parsed.minute) * 60 + parsed.second
    return seconds * _SECOND + parsed.microsecond * 1000


def time_of_day(ns: int, precision: int = 1_000_000) -> str:
    """Format a time since midnight: ``15:04:05.250``; ``precision`` is in ns."""
    seconds, rest = divmod(ns % DAY, _SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{_fraction(rest, precision)}"


def midnight_before(wall_ns: int) -> int:
    """Return the local midnight before a time; both in ns since 1970."""
    local = datetime.fromtimestamp(wall_ns // _SECOND).astimezone()
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(midnight.timestamp()) * _SECOND


def _fraction(ns: int, precision: int) -> str:
    digits = max(0, 10 - len(str(precision))) if precision < _SECOND else 0
    return f".{ns:09d}"[: digits + 1] if digits else ""
