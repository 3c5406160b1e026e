"""What is kept around a trigger, how often, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from asyncctx_trace.dumps.conditions import Condition, parse_conditions
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.durations import SECOND, parse_duration
from asyncctx_trace.model.text import did_you_mean, plain
from asyncctx_trace.recording.writing.retention import Retention
from asyncctx_trace.recording.writing.sampled_excerpt import MAX_ONE_IN

__all__ = ["DEFAULT_KEEP", "DumpOptions"]

DEFAULT_KEEP = "50MB"
"""How much of the recent past is kept if there are triggers, and nothing else is said."""
_DUMPS_KEPT = 10
"""How many times the size of the ring all dumps may take, by default."""
_SIZE_OF_TIME = 50_000_000
"""The size in bytes that is assumed for a ring that is limited by time."""


@dataclass(frozen=True, slots=True)
class DumpOptions:
    """The settings of dumps; see :meth:`parse` for their spelling."""

    on: tuple[Condition, ...] = ()
    before: int = 10 * SECOND
    """ns before the trigger."""
    after: int = 5 * SECOND
    """ns after the trigger."""
    dumps: Path | None = None
    """The folder; ``None``: beside the recording, in one named after it."""
    dump_every: int = 60 * SECOND
    """ns between two dumps of one trigger."""
    dumps_per_hour: int = 30
    """Dumps of all triggers together."""
    dump_limit: int | None = None
    """Bytes of all dumps of a recording; ``None``: ten times the size of the ring."""
    sample: int | None = None
    """Of how many short acquisitions that ended well one is kept; ``None``: no samples."""
    sample_longer: int = 10_000_000
    """ns from which on an acquisition is always in a sample."""
    sample_every: int = 60 * SECOND
    """ns of one sample."""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> DumpOptions:
        """Parse options as a program, a command line or ``pyproject.toml`` gives them.

        ``None`` stands for the default. Raises AsyncctxTraceError.
        """
        parsed: dict[str, Any] = {}
        for name, value in given.items():
            parse = _PARSERS.get(name)
            if parse is None:
                names = [field.name for field in fields(cls)]
                raise AsyncctxTraceError(
                    f"unknown option {plain(name)!r}{did_you_mean(name, names)}; "
                    f"use one of: {', '.join(names)}"
                )
            if value is not None:
                parsed[name] = parse(name, value)
        return cls(**parsed)

    def limit_for(self, keep: Retention) -> int:
        """Return how many bytes all dumps of a recording may take."""
        return self.dump_limit or _DUMPS_KEPT * (keep.bytes or _SIZE_OF_TIME)


def _conditions(name: str, value: Any) -> tuple[Condition, ...]:
    texts = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(text, str) for text in texts):
        raise AsyncctxTraceError(f'{name}: use a list of conditions such as ["wait>2s"]')
    return parse_conditions(texts)


def _duration(name: str, value: Any) -> int:
    try:
        return parse_duration(str(value))
    except ValueError as error:
        raise AsyncctxTraceError(f"{name}: {error}") from None


def _size(name: str, value: Any) -> int:
    size = Retention.parse(str(value)).bytes
    if size is None:
        raise AsyncctxTraceError(f"{name}: {plain(str(value))!r} is not a size such as 500MB")
    return size


def _count(name: str, value: Any) -> int:
    text = str(value)
    if not text.isdecimal() or not 0 < int(text) <= 3600:
        raise AsyncctxTraceError(f"{name}: use a number from 1 to 3600, not {plain(text)!r}")
    return int(text)


def _one_in(name: str, value: Any) -> int:
    text = str(value).removeprefix("1/")
    if not text.isdecimal() or not 1 <= int(text) <= MAX_ONE_IN:
        raise AsyncctxTraceError(
            f"{name}: use a share from 1/1 to 1/{MAX_ONE_IN}, not {plain(str(value))!r}"
        )
    return int(text)


_PARSERS: Mapping[str, Callable[[str, Any], Any]] = {
    "on": _conditions,
    "before": _duration,
    "after": _duration,
    "dumps": lambda _, value: Path(value),
    "dump_every": _duration,
    "dumps_per_hour": _count,
    "dump_limit": _size,
    "sample": _one_in,
    "sample_longer": _duration,
    "sample_every": _duration,
}
