"""How many tasks may hold a resource at once, by its kind and its capacity."""

from __future__ import annotations

__all__ = ["LIMITED", "limit_of"]

LIMITED = frozenset({"condition", "limiter", "lock", "pool", "semaphore"})
"""Kinds that have a limit, even if its value is unknown."""


def limit_of(kind: str, capacity: int | None) -> int | None:
    """Return how many tasks may hold a resource at once, or ``None`` if there is no limit.

    Timeouts and task groups have no limit: two tasks in one are not contention. If the capacity of
    a limited kind is unknown, it counts as 1.
    """
    if capacity is not None:
        return max(1, capacity)
    return 1 if kind in LIMITED else None
