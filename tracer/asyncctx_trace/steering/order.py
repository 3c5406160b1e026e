"""Order files: at which suspensions a program is steered, and how.

An order file is text, one rule a line; ``#`` begins a comment, and words with spaces are quoted::

    asyncctx-trace order 1
    hold app.py:12 holding 'a' until app.py:20 holding 'b' at most 500ms
    cancel app.py:31 exit on 2

- ``hold PLACE [until PLACE [and PLACE]…] [at most TIME]``: the task that suspends at the first
  place does not go on until other tasks are suspended at the other places, at most for that time
  (500 ms by default). Without ``until`` it is held for that time.
- ``cancel PLACE [on N] [when done] [twice]``: the N-th time that a task suspends there, it is
  cancelled; with ``when done`` at the moment in which it would have been resumed, with ``twice`` a
  second time, while it cleans up.
- ``fail PLACE [on N]``: likewise, but what it awaits raises an OSError.

A place is ``FILE:LINE`` or ``FILE:FIRST-LAST``, ``exit`` for the exit of an ``async with``, and
``holding NAME`` for a task that has acquired, or acquires there, the resource of that name. ``3
tasks at PLACE``, after ``until`` or ``and``, asks for several. A relative file is the end of a
path.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeAlias

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.durations import format_duration, parse_duration

__all__ = [
    "AT_MOST",
    "Hold",
    "Injection",
    "InvalidOrder",
    "Others",
    "Place",
    "Rule",
    "place_text",
    "read",
    "text",
]

AT_MOST = 500_000_000
"""For how many ns a task is held if the rule does not say it."""

_HEADER = "asyncctx-trace order 1"


class InvalidOrder(AsyncctxTraceError):
    """A file is not an order file, or one of its lines is not a rule."""


@dataclass(frozen=True, slots=True)
class Place:
    """Suspensions in one statement of the program."""

    file: str
    line: int
    in_exit: bool = False
    """Whether it is the exit of an ``async with`` on that line, not the enter or another await."""
    holding: str = ""
    """The name of a resource that the task has acquired, or acquires there; empty for any task."""
    last: int = 0
    """The last line, if the place is a range of lines; otherwise 0."""

    def has_line(self, lines: Iterable[int]) -> bool:
        """Return whether one of ``lines`` is at the place."""
        return any(self.line <= line <= (self.last or self.line) for line in lines)

    def is_in(self, file: str) -> bool:
        """Return whether the place is in ``file``, an absolute or relative path."""
        own, parts = PurePath(self.file).parts, PurePath(file).parts
        if PurePath(self.file).is_absolute():
            return os.path.realpath(self.file) == os.path.realpath(file)
        return parts[-len(own) :] == own


@dataclass(frozen=True, slots=True)
class Others:
    """Tasks that a held task waits for."""

    place: Place
    count: int = 1


@dataclass(frozen=True, slots=True)
class Hold:
    """Prolong a suspension until other tasks are suspended elsewhere, or for some time."""

    place: Place
    until: tuple[Others, ...]
    at_most: int = AT_MOST
    """ns"""


@dataclass(frozen=True, slots=True)
class Injection:
    """Cancel a task at a suspension, or let what it awaits fail."""

    place: Place
    on: int = 1
    """The suspension at the place, counted from 1."""
    fails: bool = False
    """Whether what is awaited raises an error, instead of a cancellation."""
    when_done: bool = False
    """Whether it is cancelled when what it awaits is done, and before it is resumed."""
    twice: bool = False


Rule: TypeAlias = Hold | Injection


def read(path: Path) -> tuple[Rule, ...]:
    """Return the rules of the order file ``path``; raises InvalidOrder or OSError."""
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        lines = []
    if not lines or lines[0].strip() != _HEADER:
        raise InvalidOrder(f"{path} is not an order file: its first line must be {_HEADER!r}")
    rules = []
    for number, line in enumerate(lines[1:], 2):
        try:
            words = shlex.split(line, comments=True)
            if words:
                rules.append(_rule(_Words(words)))
        except (ValueError, AsyncctxTraceError) as error:
            raise InvalidOrder(f"{path}, line {number}: {error}") from None
    if not rules:
        raise InvalidOrder(f"{path} has no rule: add a line such as `hold app.py:3 until app.py:9`")
    return tuple(rules)


def text(rules: Iterable[Rule], *comments: str) -> str:
    """Return the content of an order file; ``comments`` are lines without a ``#``."""
    notes = [f"# {' '.join(comment.split())}" for comment in comments]
    return "\n".join([_HEADER, *notes, *map(_line, rules), ""])


class _Words:
    """The words of a line, taken one after the other."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def take(self, *expected: str) -> bool:
        """Take ``expected`` if they come next."""
        if tuple(self._words[: len(expected)]) != expected:
            return False
        del self._words[: len(expected)]
        return True

    def need(self, what: str) -> str:
        """Take one word; raises ValueError if there is none."""
        if not self._words:
            raise ValueError(f"{what} is missing at the end")
        return self._words.pop(0)

    def end(self) -> None:
        """Raise ValueError if there are more."""
        if self._words:
            raise ValueError(f"unexpected {self._words[0]!r}")


def _rule(words: _Words) -> Rule:
    verb = words.need("`hold`, `cancel` or `fail`")
    result: Rule
    if verb == "hold":
        place = _place(words)
        until = [_others(words)] if words.take("until") else []
        while until and words.take("and"):
            until.append(_others(words))
        limit = AT_MOST
        if words.take("at", "most"):
            limit = parse_duration(words.need("the time after `at most`"))
        result = Hold(place, tuple(until), limit)
    elif verb in ("cancel", "fail"):
        place = _place(words)
        on = _count(words.need("the number after `on`")) if words.take("on") else 1
        done = verb == "cancel" and words.take("when", "done")
        twice = verb == "cancel" and words.take("twice")
        result = Injection(place, on, fails=verb == "fail", when_done=done, twice=twice)
    else:
        raise ValueError(f"unknown verb {verb!r}; use one of: hold, cancel, fail")
    words.end()
    return result


def _others(words: _Words) -> Others:
    word = words.need("a place such as app.py:12")
    if word.isdigit():
        if not (words.take("tasks", "at") or words.take("task", "at")):
            raise ValueError(f"`tasks at FILE:LINE` is missing after {word}")
        return Others(_place(words), _count(word))
    return Others(_place(words, word))


def _place(words: _Words, word: str | None = None) -> Place:
    word = words.need("a place such as app.py:12") if word is None else word
    file, _, lines = word.rpartition(":")
    line, dash, last = lines.partition("-")
    if not file or not line.isdigit() or (dash and not (last.isdigit() and int(last) > int(line))):
        raise ValueError(f"{word!r} is not a place; use for example app.py:12")
    in_exit = words.take("exit")
    holding = words.need("the name after `holding`") if words.take("holding") else ""
    return Place(file, int(line), in_exit, holding, int(last or 0))


def _count(word: str) -> int:
    if not word.isdigit() or not int(word):
        raise ValueError(f"{word!r} is not a number from 1 on")
    return int(word)


def _line(rule: Rule) -> str:
    place = place_text(rule.place)
    if isinstance(rule, Hold):
        until = " and ".join(
            place_text(each.place)
            if each.count == 1
            else f"{each.count} tasks at {place_text(each.place)}"
            for each in rule.until
        )
        limit = shlex.quote(format_duration(rule.at_most).replace(" ", ""))
        return f"hold {place}{until and f' until {until}'} at most {limit}"
    verb = "fail" if rule.fails else "cancel"
    when = (" when done" if rule.when_done else "") + (" twice" if rule.twice else "")
    return f"{verb} {place} on {rule.on}{when}"


def place_text(place: Place) -> str:
    """Return ``place`` as an order file has it."""
    lines = f"{place.line}-{place.last}" if place.last else f"{place.line}"
    where = shlex.quote(f"{place.file}:{lines}") + (" exit" if place.in_exit else "")
    name = " ".join(place.holding.split())
    return f"{where} holding {shlex.quote(name)}" if name else where
