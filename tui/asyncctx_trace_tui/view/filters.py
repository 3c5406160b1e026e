"""Filter expressions such as ``task:worker-* resource:pool wait>5ms``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from typing import TypeAlias

from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase, Timeline
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.durations import parse_duration
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = ["FilterError", "Predicate", "parse", "parse_prompt_duration", "parse_waits"]

Predicate: TypeAlias = Callable[[Timeline, int, int], bool]
"""Timeline, row, now -> whether the acquisition, or the wait, in that row matches."""
_Keys: TypeAlias = dict[str, Callable[[Timeline, int], list[str]]]
"""Key -> the values of a row."""

_PHASES: tuple[Phase, ...] = ("enter", "body", "exit")
_LENGTH = re.compile(r"(wait|hold|cleanup)(>=|<=|>|<|=)(.+)", re.DOTALL)
_WORD = re.compile(r"(\w+):(.*)", re.DOTALL)
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
}


class FilterError(AsyncctxTraceError):
    """An invalid expression; the message says what is valid."""


def parse(expression: str) -> Predicate | None:
    """Parse a filter expression; ``None`` if it is empty.

    An acquisition matches if it matches all terms; ``-`` before a term negates it. A term is
    ``KEY:PATTERN`` (task, resource, kind, manager, site, error, outcome; with the wildcards ``*``
    and ``?``), ``wait>5ms`` (also hold, cleanup; <, =, >=, <=), or a plain word, which is searched
    in the names of task, resource, site and error. Raises FilterError.
    """
    return _parse(expression, _KEYS)


def parse_waits(expression: str) -> Predicate | None:
    """Parse the same for waits for other things than managers, the rows of ``timeline.waits``.

    They have a task, a resource (the awaited tasks, too), a kind (``queue get``), a site, an
    outcome and a duration; that of a timer counts only with a kind: ``kind:sleep wait>1s``.
    """
    return _parse(expression, _WAIT_KEYS)


def _parse(expression: str, keys: _Keys) -> Predicate | None:
    try:
        words = shlex.split(expression)
    except ValueError:
        raise FilterError("missing closing quotation mark") from None
    # Whoever looks for long waits does not mean timers.
    timers = any(word.startswith("kind:") for word in words)
    terms = [_term(word, keys, timers=timers) for word in words]
    if not terms:
        return None
    return lambda timeline, row, now: all(term(timeline, row, now) for term in terms)


def parse_prompt_duration(text: str) -> int:
    """Parse a duration in ns; a number without a unit is in seconds. Raises FilterError."""
    try:
        return parse_duration(text, bare_unit="s")
    except ValueError as error:
        raise FilterError(str(error)) from None


def _term(word: str, keys: _Keys, *, timers: bool) -> Predicate:
    if word.startswith("-") and len(word) > 1:
        term = _term(word[1:], keys, timers=timers)
        return lambda timeline, row, now: not term(timeline, row, now)
    length = _LENGTH.fullmatch(word)
    if length is not None:
        compare, asked = _COMPARE[length[2]], parse_prompt_duration(length[3])
        if keys is _KEYS:
            return _length(length[1], compare, asked)
        return _length_of_wait(compare, asked, timers) if length[1] == "wait" else _never
    keyed = _WORD.fullmatch(word)
    if keyed is None:
        return lambda timeline, row, _now: any(
            word.lower() in value.lower()
            for name in ("task", "resource", "site", "error")
            for value in keys[name](timeline, row)
        )
    values, pattern = keys.get(keyed[1]), keyed[2].lower()
    if values is None:
        raise FilterError(f"unknown filter key {keyed[1]!r}; use one of: {', '.join(_KEYS)}")
    if not any(sign in pattern for sign in "*?"):
        pattern = pattern if keyed[1] in _WHOLE else f"*{pattern}*"
    # Brackets are literal, not character sets.
    pattern = pattern.replace("[", "[[]")

    @cache  # many acquisitions share few names
    def fits(value: str) -> bool:
        return fnmatchcase(value.lower(), pattern)

    return lambda timeline, row, _now: any(map(fits, values(timeline, row)))


def _never(_timeline: Timeline, _row: int, _now: int) -> bool:
    return False


def _length(phase: str, compare: Callable[[int, int], bool], length: int) -> Predicate:
    def long_enough(timeline: Timeline, row: int, now: int) -> bool:
        start, end = _bounds(timeline, row, phase)
        if start == NOT_YET:
            return False
        return compare((max(start, now) if end == NOT_YET else end) - start, length)

    return long_enough


def _length_of_wait(compare: Callable[[int, int], bool], length: int, timers: bool) -> Predicate:
    def long_enough(timeline: Timeline, wait: int, now: int) -> bool:
        waits = timeline.waits
        if waits.kind[wait] == WaitKind.SLEEP and not timers:
            return False
        start, end = waits.started[wait], waits.ended[wait]
        return compare((max(start, now) if end == NOT_YET else end) - start, length)

    return long_enough


def _bounds(timeline: Timeline, row: int, phase: str) -> tuple[int, int]:
    if phase == "wait":
        return timeline.enter_started[row], timeline.enter_ended[row]
    if phase == "cleanup":
        if timeline.is_group(timeline.resource[row]):
            return NOT_YET, NOT_YET  # it waits for tasks
        return timeline.exit_started[row], timeline.exit_ended[row]
    if timeline.enter_outcome[row] != Outcome.OK:
        return NOT_YET, NOT_YET
    return timeline.enter_ended[row], timeline.exit_started[row]


def _task(timeline: Timeline, row: int) -> list[str]:
    return _task_names(timeline, timeline.task[row])


def _task_names(timeline: Timeline, *tasks: int) -> list[str]:
    found = (timeline.tasks.get(task) for task in tasks)
    return [known.name for known in found if known is not None]


def _resource(timeline: Timeline, row: int) -> list[str]:
    known = timeline.resources.get(timeline.resource[row])
    return [known.name] if known else []


def _kind(timeline: Timeline, row: int) -> list[str]:
    known = timeline.resources.get(timeline.resource[row])
    return [known.kind] if known else []


def _site(timeline: Timeline, row: int) -> list[str]:
    return _site_texts(timeline, timeline.site[row])


def _site_texts(timeline: Timeline, site: int) -> list[str]:
    known = timeline.sites.get(site)
    return [f"{known.file}:{known.line}", known.function, known.text] if known else []


def _error(timeline: Timeline, row: int) -> list[str]:
    found = (timeline.errors.get((row, phase)) for phase in _PHASES)
    return [f"{error.type}: {error.message}" for error in found if error is not None]


def _outcome(timeline: Timeline, row: int) -> list[str]:
    columns = (timeline.enter_outcome, timeline.body_outcome, timeline.exit_outcome)
    seen = {Outcome(column[row]).name.lower() for column in columns if column[row]}
    if timeline.suppressed[row]:
        seen.add("suppressed")
    # "ok" only if every phase ended well.
    return sorted(seen - {"ok"}) or sorted(seen)


def _awaited(timeline: Timeline, wait: int) -> list[str]:
    waits = timeline.waits
    tasks = waits.tasks_awaited(wait)
    if tasks:
        return _task_names(timeline, *tasks)
    known = timeline.resources.get(waits.subject[wait])
    return [known.name] if known else []


def _wait_outcome(timeline: Timeline, wait: int) -> list[str]:
    outcome = timeline.waits.outcome[wait]
    return [Outcome(outcome).name.lower()] if outcome else []


_KEYS: _Keys = {
    "task": _task,
    "resource": _resource,
    "kind": _kind,
    "manager": lambda timeline, row: [timeline.manager[row]],
    "site": _site,
    "error": _error,
    "outcome": _outcome,
}
_WAIT_KEYS: _Keys = {
    "task": lambda timeline, wait: _task_names(timeline, timeline.waits.task[wait]),
    "resource": _awaited,
    "kind": lambda timeline, wait: [WaitKind(timeline.waits.kind[wait]).label],
    "manager": lambda _timeline, _wait: [],
    "site": lambda timeline, wait: _site_texts(timeline, timeline.waits.site[wait]),
    "error": lambda _timeline, _wait: [],
    "outcome": _wait_outcome,
}
_WHOLE = {"kind", "outcome"}
"""Keys whose pattern must match the whole value."""
