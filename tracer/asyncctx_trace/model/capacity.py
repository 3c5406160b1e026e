"""How many a resource lets in at once, by what is known of it."""

from __future__ import annotations

__all__ = ["LIMITED", "limit_of"]

LIMITED = frozenset({"condition", "limiter", "lock", "pool", "semaphore"})
"""Kinds that let in only so many at once, even where it is not known how many."""


def limit_of(kind: str, capacity: int | None) -> int | None:
    """How many holders keep others out; ``None`` where everybody may come in.

    A timeout or a task group lets everybody in: to be in two of them at once is no contention.
    Where the capacity of a limited kind is not known, one holder counts as in the way.
    """
    if capacity is not None:
        return max(1, capacity)
    return 1 if kind in LIMITED else None
