"""The conditions under which a dump is written, and their spelling."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.durations import parse_duration
from asyncctx_trace.model.text import did_you_mean, plain

__all__ = ["SHORTEST_LAG", "SHORTEST_RELATIVE_WAIT", "Condition", "Kind", "parse_conditions"]

Kind: TypeAlias = Literal[
    "wait", "slow wait", "full", "deadlock", "leak", "enter-error", "error", "lag", "signal"
]

SHORTEST_LAG = 100_000_000
"""ns; the watchdog of event loops does not notice what is shorter."""
SHORTEST_RELATIVE_WAIT = 10_000_000
"""ns; where waits usually take microseconds, ten times as much is still nothing."""

_SYNTAX = re.compile(
    r"(?P<word>[\w-]+)\s*(?:\((?P<names>.*)\))?\s*(?:>\s*(?P<limit>.+))?", re.DOTALL
)
_RELATIVE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*\*\s*p99")
_EXAMPLES = {
    "wait": "wait>2s, wait(db pool)>500ms or wait>10*p99",
    "full": "full>5s or full(db pool)>5s",
    "deadlock": "deadlock",
    "leak": "leak",
    "enter-error": "enter-error or enter-error(db pool)",
    "error": "error(TimeoutError) or error(TimeoutError, OSError)",
    "lag": "lag>200ms",
}
_WITH_LIMIT = frozenset({"wait", "full", "lag"})
_WITH_NAMES = frozenset({"wait", "full", "enter-error", "error"})


@dataclass(frozen=True)
class Condition:
    """What makes a process write a dump."""

    text: str
    """As it was given; identifies it in recordings, metrics and file names."""
    kind: Kind
    names: tuple[str, ...] = ()
    """Patterns of resource names, or types of exceptions; empty for all. ``*`` and ``?`` stand for
    any characters and any one character."""
    limit: int = 0
    """ns."""
    factor: float = 0.0
    """How many times its usual 99th percentile a wait must take."""
    signal: int = 0

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Parse a condition such as ``wait>2s``; raises AsyncctxTraceError with the syntax."""
        text = text.strip()
        if text.startswith("SIG"):
            return cls(text, "signal", signal=_signal(text))
        match = _SYNTAX.fullmatch(text)
        word = match["word"] if match else ""
        if match is None or word not in _EXAMPLES:
            raise AsyncctxTraceError(
                f"unknown trigger {plain(text)!r}{did_you_mean(word, _EXAMPLES)}; use one of: "
                f"{', '.join(_EXAMPLES.values())}, SIGUSR2"
            )
        if (match["limit"] is not None) != (word in _WITH_LIMIT) or (
            match["names"] is not None and word not in _WITH_NAMES
        ):
            raise AsyncctxTraceError(
                f"invalid trigger {plain(text)!r}; use for example {_EXAMPLES[word]}"
            )
        found = cls(text, word, _names(word, match["names"]))  # type: ignore[arg-type]  # checked
        return found if match["limit"] is None else found._limited_by(match["limit"].strip())

    def _limited_by(self, limit: str) -> Condition:
        relative = _RELATIVE.fullmatch(limit)
        if relative is not None and self.kind == "wait":
            return replace(self, kind="slow wait", factor=float(relative[1]))
        try:
            ns = parse_duration(limit)
        except ValueError:
            raise AsyncctxTraceError(
                f"invalid trigger {plain(self.text)!r}; use for example {_EXAMPLES[self.kind]}"
            ) from None
        if self.kind == "lag" and ns < SHORTEST_LAG:
            raise AsyncctxTraceError(
                f"invalid trigger {plain(self.text)!r}: less than 100ms is not noticed; "
                "use for example lag>200ms"
            )
        return replace(self, limit=ns)

    def matches(self, name: str) -> bool:
        """Return whether a resource, or a type of exceptions, is meant."""
        return not self.names or any(pattern.fullmatch(name) for pattern in self._patterns)

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [
            re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
            for name in self.names
        ]


def parse_conditions(texts: Iterable[str]) -> tuple[Condition, ...]:
    """Parse conditions, each once; raises AsyncctxTraceError."""
    return tuple({text.strip(): Condition.parse(text) for text in texts}.values())


def _names(word: str, names: str | None) -> tuple[str, ...]:
    if names is None:
        return ()
    # Names of resources may contain commas: `app["x"], limit=2`.
    given = names.split(",") if word == "error" else [names]
    return tuple(name.strip() for name in given if name.strip())


def _signal(name: str) -> int:
    known = {each.name: each for each in signal.Signals}
    number = known.get(name)
    if number is None or number in (getattr(signal, "SIGKILL", 0), getattr(signal, "SIGSTOP", 0)):
        raise AsyncctxTraceError(
            f"{plain(name)!r} is not a signal that a program can receive here"
            f"{did_you_mean(name, known)}; use for example SIGUSR2"
        )
    return int(number)
