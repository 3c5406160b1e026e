"""What is said of a program, in words that harm no screen."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from unicodedata import east_asian_width

__all__ = ["count", "cut", "did_you_mean", "percent", "plain", "shorten"]


def plain(text: str) -> str:
    """``text`` with every character that a terminal could obey written as an escape.

    Those are control characters, line breaks, direction marks and lone surrogates; ``"\\x1b[2J"``
    becomes ``"\\\\x1b[2J"``. What is left is one line.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def shorten(text: str, width: int) -> str:
    """``text``, made :func:`plain` and cut in the middle if it takes more than ``width`` cells.

    Beginning and end stay, for names that differ by a number at their end.
    """
    if width < 1:
        return ""
    if len(text) > 4 * width:  # so that a name of a million characters costs as much as any
        text = text[: 2 * width] + "…" + text[-2 * width :]
    text = plain(text)
    if sum(map(_cells, text)) <= width:
        return text
    tail = _fitting(text[::-1], (width - 1) // 2)[::-1]
    return _fitting(text, width - 1 - sum(map(_cells, tail))) + "…" + tail


def cut(text: str, width: int) -> str:
    """``text``, made :func:`plain` and cut at its end if it takes more than ``width`` cells.

    For messages, which say what matters first.
    """
    if width < 1:
        return ""
    text = plain(text[: 4 * width])
    if sum(map(_cells, text)) <= width:
        return text
    return _fitting(text, width - 1).rstrip() + "…"


def count(number: int, noun: str) -> str:
    """``1 task``, ``12,345 tasks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``": did you mean 'leak'?"``, or ``""`` where nothing is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f": did you mean {plain(near[0])!r}?" if near else ""


def percent(share: float) -> str:
    """A share of 1: ``37 %``; what is more than nothing is never shown as nothing."""
    if 0 < share < 0.01:
        return "<1 %"
    return f"{share * 100:.0f} %"


def _cells(character: str) -> int:
    # A combining mark takes none, but ten thousand of them on one letter are no name.
    return 2 if east_asian_width(character) in "WF" else 1


def _fitting(text: str, width: int) -> str:
    for index, character in enumerate(text):
        width -= _cells(character)
        if width < 0:
            return text[:index]
    return text
