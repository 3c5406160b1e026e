"""Determine which holders of a resource blocked its waiters, event by event."""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

__all__ = ["BlockerTracker"]

T = TypeVar("T")

_LIMIT = 128
"""Blockers that are returned: as many as a span has links by default."""


class BlockerTracker(Generic[T]):
    """The waiters and holders of one resource that at most ``limit`` can hold at once.

    The resource is full while at least ``limit`` hold it; a holder blocks a waiter only then. An
    event costs constant time on average, apart from the blockers that it returns.
    """

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self._waiters: dict[T, tuple[int, tuple[T, ...]]] = {}
        """Waiter -> number of holders that had entered when it began to wait, and the holders
        at that time if the resource was full. In the order in which they began to wait."""
        self._holders: dict[T, None] = {}
        self._entered: list[tuple[T, bool]] = []
        """Holders that entered while others waited, in order, and whether it was full then."""
        self._forgotten = 0
        """How many entries were removed from the front of ``_entered``."""

    @property
    def idle(self) -> bool:
        """Whether there are neither waiters nor holders."""
        return not self._waiters and not self._holders

    def enter_started(self, waiter: T) -> int:
        """Add ``waiter``; return how many were waiting before it."""
        ahead = len(self._waiters)
        full = len(self._holders) >= self._limit
        holders = tuple(self._holders) if full else ()
        self._waiters[waiter] = (self._forgotten + len(self._entered), holders)
        return ahead

    def enter_succeeded(self, waiter: T) -> tuple[int, tuple[T, ...]]:
        """Make ``waiter`` a holder; return the same as :meth:`enter_failed`."""
        blockers = self.enter_failed(waiter)
        self._holders[waiter] = None
        if self._waiters:
            self._entered.append((waiter, len(self._holders) >= self._limit))
        return blockers

    def enter_failed(self, waiter: T) -> tuple[int, tuple[T, ...]]:
        """Remove ``waiter``; return how many holders blocked it, and the last 128 of them."""
        entry = self._waiters.pop(waiter, None)
        if entry is None:
            return 0, ()
        since, holders = entry
        later = [holder for holder, full in self._entered[since - self._forgotten :] if full]
        self._forget()
        count = len(holders) + len(later)
        return count, (*holders[-_LIMIT:], *later)[-_LIMIT:]

    def waiting_behind(self, holder: T, most: int) -> list[T]:
        """Return those of the first ``most`` waiters that ``holder`` blocks."""
        found = []
        for waiter in islice(self._waiters, most):
            since, holders = self._waiters[waiter]
            if holder in holders or (holder, True) in self._entered[since - self._forgotten :]:
                found.append(waiter)
        return found

    def exit_ended(self, holder: T) -> None:
        """Remove ``holder``."""
        self._holders.pop(holder, None)

    def _forget(self) -> None:
        """Remove entries that no present waiter needs; only when many, because it moves a list."""
        end = self._forgotten + len(self._entered)
        first = next(iter(self._waiters.values()), (end, ()))[0]
        old = first - self._forgotten
        if old == len(self._entered) or old > _LIMIT:
            del self._entered[:old]
            self._forgotten = first
