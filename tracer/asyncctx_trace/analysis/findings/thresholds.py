"""How long is too long: the few numbers that decide what becomes a finding."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Thresholds"]

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All in ns; what is shorter is not told."""

    slow_cleanup: int = 100 * _MS
    """An exit: pyleak and logfire call a loop blocked from there on."""
    held_across_wait: int = 20 * _MS
    """Waiting for one resource while others waited for another, held meanwhile, summed up by
    site: JFR tells lock waits from there on."""
    starved_pool: int = 20 * _MS
    """Waiting before a full pool, summed up."""
    still_waiting: int = 1000 * _MS
    """An enter that has not ended in a program that was killed, or still runs."""
