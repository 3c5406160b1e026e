"""Who held a resource while others waited for it."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Contention"]

T = TypeVar("T")

_LIMIT = 128
"""Blockers that are told by name: as many as a span has links by default."""


class Contention(Generic[T]):
    """Waiters and holders of one resource that lets in ``limit`` at once, as facts go by.

    It is *full* while at least ``limit`` hold it; only then does a holder block a waiter.
    """

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self._waiting: dict[T, tuple[int, tuple[T, ...]]] = {}
        """Waiter -> how many had got in when it asked, and who held then."""
        self._holding: dict[T, None] = {}
        self._came: list[tuple[T, bool]] = []
        """Who got in while somebody waited, in order, and whether it was full then."""
        self._before = 0
        """How many got in before the first of ``_came``."""

    def asked(self, waiter: T) -> int:
        """``waiter`` asks; returns how many were waiting before."""
        ahead = len(self._waiting)
        full = len(self._holding) >= self._limit
        held = tuple(self._holding) if full else ()
        self._waiting[waiter] = (self._before + len(self._came), held)
        return ahead

    def got_in(self, waiter: T) -> tuple[int, tuple[T, ...]]:
        """``waiter`` holds it now; returns what :meth:`gave_up` does."""
        blockers = self.gave_up(waiter)
        self._holding[waiter] = None
        if self._waiting:
            self._came.append((waiter, len(self._holding) >= self._limit))
        return blockers

    def gave_up(self, waiter: T) -> tuple[int, tuple[T, ...]]:
        """``waiter`` waits no longer; returns how many were in its way, and the last of them."""
        asked = self._waiting.pop(waiter, None)
        if asked is None:
            return 0, ()
        since, held = asked
        came = [holder for holder, full in self._came[since - self._before :] if full]
        self._forget()
        count = len(held) + len(came)
        return count, (*held[-_LIMIT:], *came)[-_LIMIT:]

    def let_go(self, holder: T) -> None:
        """``holder`` has left."""
        self._holding.pop(holder, None)

    def _forget(self) -> None:
        """Drop arrivals that nobody who still waits has seen; now and then, as it moves a list."""
        # Waiters lie in the order in which they asked.
        first = next(iter(self._waiting.values()), (self._before + len(self._came), ()))[0]
        old = first - self._before
        if old == len(self._came) or old > _LIMIT:
            del self._came[:old]
            self._before = first

    @property
    def idle(self) -> bool:
        """Whether nobody waits or holds."""
        return not self._waiting and not self._holding
