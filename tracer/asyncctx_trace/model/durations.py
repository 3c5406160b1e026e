"""Durations as text: one grammar to read them, one format to show them."""

from __future__ import annotations

import re
from itertools import pairwise

from asyncctx_trace.model.text import plain

__all__ = ["SECOND", "format_duration", "parse_duration"]

_MICROSECOND = 1_000
_MILLISECOND = 1_000_000
SECOND = 1_000_000_000
"""Nanoseconds of a second."""
_MINUTE = 60 * SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

_NS_PER_UNIT = {
    "ns": 1,
    "us": _MICROSECOND,
    "µs": _MICROSECOND,  # U+00B5, the micro sign
    "μs": _MICROSECOND,  # U+03BC, the Greek letter
    "ms": _MILLISECOND,
    "s": SECOND,
    "m": _MINUTE,
    "min": _MINUTE,
    "h": _HOUR,
    "d": _DAY,
}
_SHOWN_UNITS = ((SECOND, "s"), (_MILLISECOND, "ms"), (_MICROSECOND, "µs"), (1, "ns"))
_NUMBER = r"\d{1,18}(?:\.\d{1,18})?"
_PART = re.compile(rf"\s*({_NUMBER})\s*([a-zµμ]+)\s*")


def parse_duration(text: str, *, bare_unit: str | None = None) -> int:
    """Parse a duration such as ``5ms``, ``1.5 s``, ``10m``, ``2min``, ``7d`` or ``1h 30min``.

    Args:
        text: Numbers with the units ns, us (or µs), ms, s, min (or m), h and d, in any case;
            several from the largest unit to the smallest.
        bare_unit: The unit of a number without one. Default: a unit is required.

    Returns:
        Nanoseconds.

    Raises:
        ValueError: If ``text`` is not a duration; the message shows how to write one.
    """
    lowered = text.strip().lower()
    if bare_unit is not None and re.fullmatch(_NUMBER, lowered):
        lowered += bare_unit
    total, position = 0.0, 0
    units: list[int] = []
    while part := _PART.match(lowered, position):
        unit = _NS_PER_UNIT.get(part[2])
        if unit is None:
            break
        total += float(part[1]) * unit
        units.append(unit)
        position = part.end()
    if not units or position < len(lowered) or any(a <= b for a, b in pairwise(units)):
        raise ValueError(f"invalid duration {plain(text)!r}; use for example 5ms, 1.5s, 2min")
    return round(total)


def format_duration(ns: int) -> str:
    """Format nanoseconds with three digits and a suitable unit: ``310 ms``, ``1 min 05 s``."""
    size = abs(ns)
    if size >= _MINUTE:
        minutes, seconds = divmod(round(size / SECOND), 60)
        hours, minutes = divmod(minutes, 60)
        shown = f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
    else:
        shown = _format_short(size)
    return f"-{shown}" if ns < 0 else shown


def _format_short(ns: int) -> str:
    for unit, name in _SHOWN_UNITS:
        # In three digits, 999.9 µs is 1.00 ms.
        if ns >= unit * (1 if unit == 1 else 0.9995):
            value = ns / unit
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{0 if unit == 1 else digits}f} {name}"
    return "0 ns"
