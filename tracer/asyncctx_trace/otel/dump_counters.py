"""Counts triggers and dumps of this process; metrics read the counts when they are collected."""

from __future__ import annotations

from collections import Counter

__all__ = ["DumpCounters", "dumps", "forget_after_fork", "triggers"]

triggers: Counter[str] = Counter()
"""Trigger -> how often it was fulfilled."""
dumps: Counter[tuple[str, str]] = Counter()
"""Trigger and outcome (``written``, ``suppressed``, ``failed``) -> how many dumps."""


class DumpCounters:
    """Counts what a flight recorder reports."""

    def triggered(self, trigger: str) -> None:
        """Count a condition that was fulfilled."""
        triggers[trigger] += 1

    def dumped(self, trigger: str, outcome: str) -> None:
        """Count a dump: ``written``, ``suppressed`` or ``failed``."""
        dumps[trigger, outcome] += 1


def forget_after_fork() -> None:
    """Count from 0 in a child: the parent counts its own."""
    triggers.clear()
    dumps.clear()
