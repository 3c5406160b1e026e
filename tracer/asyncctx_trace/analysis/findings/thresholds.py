"""How long is too long: the few numbers that decide what becomes a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from asyncctx_trace.model.durations import parse_duration
from asyncctx_trace.model.text import did_you_mean

__all__ = ["Thresholds"]

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All in ns; what is shorter is not told."""

    slow_cleanup: int = 500 * _MS
    """An exit: what takes less is often only slow because the machine is busy."""
    held_across_wait: int = 20 * _MS
    """Waiting for one resource while others waited for another, held meanwhile, summed up by
    site: JFR tells lock waits from there on."""
    starved_pool: int = 20 * _MS
    """Waiting before a full pool, summed up."""
    still_waiting: int = 1000 * _MS
    """An enter that has not ended in a program that was killed, or still runs."""

    @classmethod
    def parse(cls, texts: Iterable[str], base: Thresholds | None = None) -> Thresholds:
        """``base`` with the thresholds in ``texts``, each written as ``slow-cleanup=50ms``.

        Raises ValueError with how to write one.
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
