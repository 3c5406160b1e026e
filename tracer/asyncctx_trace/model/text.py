"""Text from a traced program, made safe and short enough for a screen."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from unicodedata import east_asian_width

__all__ = ["count", "cut", "did_you_mean", "percent", "plain", "shorten"]


def plain(text: str) -> str:
    r"""Return ``text`` with each character that is not printable written as an escape sequence.

    These are control characters, line breaks, direction marks and lone surrogates: ``"\x1b[2J"``
    becomes ``"\\x1b[2J"``. The result is one line that a terminal shows as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def shorten(text: str, width: int) -> str:
    """Return :func:`plain` text, with ``…`` in its middle if it exceeds ``width`` cells.

    Names often differ by a number at their end.
    """
    if width < 1:
        return ""
    if len(text) > 4 * width:  # a name may have a million characters
        text = text[: 2 * width] + "…" + text[-2 * width :]
    text = plain(text)
    if sum(map(_cells, text)) <= width:
        return text
    tail = _prefix(text[::-1], (width - 1) // 2)[::-1]
    return _prefix(text, width - 1 - sum(map(_cells, tail))) + "…" + tail


def cut(text: str, width: int) -> str:
    """Return :func:`plain` text, with ``…`` at its end if it exceeds ``width`` cells.

    For messages, which begin with what matters most.
    """
    if width < 1:
        return ""
    text = plain(text[: 4 * width])
    if sum(map(_cells, text)) <= width:
        return text
    return _prefix(text, width - 1).rstrip() + "…"


def count(number: int, noun: str) -> str:
    """Return a number with a noun: ``1 task``, ``12,345 tasks``, ``2 processes``."""
    plural = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``": did you mean 'leak'?"``, or ``""`` if no known name is similar."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f": did you mean {plain(near[0])!r}?" if near else ""


def percent(share: float) -> str:
    """Format a share of 1 as ``37 %``; a share above 0 is never shown as ``0 %``."""
    if 0 < share < 0.01:
        return "<1 %"
    return f"{share * 100:.0f} %"


def _cells(character: str) -> int:
    # A combining mark counts as one cell: a name may have ten thousand of them on one letter.
    return 2 if east_asian_width(character) in "WF" else 1


def _prefix(text: str, width: int) -> str:
    for index, character in enumerate(text):
        width -= _cells(character)
        if width < 0:
            return text[:index]
    return text
