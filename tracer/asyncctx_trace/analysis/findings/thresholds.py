"""The durations from which something is a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from asyncctx_trace.model.durations import parse_duration
from asyncctx_trace.model.text import did_you_mean

__all__ = ["Thresholds"]

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds in ns; what is shorter is not reported."""

    slow_cleanup: int = 500 * _MS
    """The duration of an exit. A shorter one is often only slow because the machine is busy."""
    held_across_wait: int = 20 * _MS
    """The time that tasks waited for a resource whose holder waited for another one, summed up by
    site. JFR reports lock waits from the same duration on."""
    starved_pool: int = 20 * _MS
    """The time that tasks waited for a full pool, summed up."""
    blocked_loop: int = 250 * _MS
    """The time of one callback, during which the event loop can do nothing else. A shorter one is
    often only slow because the machine is busy."""
    still_waiting: int = 1000 * _MS
    """The duration of an enter that has not ended, in a program that was killed or still runs."""

    @classmethod
    def parse(cls, texts: Iterable[str], base: Thresholds | None = None) -> Thresholds:
        """Return ``base`` with the thresholds in ``texts``, such as ``slow-cleanup=50ms``.

        Raises ValueError with a description of the syntax.
        """
        names = {field.name.replace("_", "-"): field.name for field in fields(cls)}
        given = {}
        for text in texts:
            name, _, time = text.partition("=")
            name = name.strip()
            if name not in names:
                raise ValueError(
                    f"unknown threshold {name!r}{did_you_mean(name, names)}; "
                    f"use {', '.join(names)}, such as slow-cleanup=50ms"
                )
            given[names[name]] = parse_duration(time)
        return replace(base or cls(), **given)
