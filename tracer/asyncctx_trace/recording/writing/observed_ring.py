"""A ring that reports what is not in its records."""

from __future__ import annotations

from typing import Protocol

from asyncctx_trace.recording.writing.ring import RingRecorder

__all__ = ["ObservedRing", "RingObserver"]


class RingObserver(Protocol):
    """Learns on the program's threads what is not in the records; it must return at once."""

    def resource_defined(self, resource: int, name: str, capacity: int | None) -> None:
        """A resource was defined."""

    def error_interned(self, error: int, cls: type[BaseException]) -> None:
        """An exception of this class got an id."""

    def stall_started(self, stall: int, since: int) -> None:
        """An event loop stands still since ``since``."""

    def stall_ended(self, stall: int, at: int) -> None:
        """It goes on."""

    def quiescent(self, at: int, since: int) -> None:
        """Nothing in the process can wake its event loop."""


class ObservedRing(RingRecorder):
    """Tells ``observer``, if there is one, of definitions and of the event loop."""

    observer: RingObserver | None = None

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        super().resource_defined(resource, kind, name, capacity)
        if self.observer is not None:
            self.observer.resource_defined(resource, str(name), capacity)

    def intern_error(self, error: BaseException) -> int:
        number = super().intern_error(error)
        if self.observer is not None:
            self.observer.error_interned(number, type(error))
        return number

    def stall_started(
        self,
        since: int,
        at: int,
        stall: int,
        task: int,
        site: int,
        stack: list[tuple[str, int, str]],
    ) -> None:
        super().stall_started(since, at, stall, task, site, stack)
        if self.observer is not None:
            self.observer.stall_started(stall, since)

    def stall_ended(self, at: int, stall: int, collections: int, delayed: int) -> None:
        super().stall_ended(at, stall, collections, delayed)
        if self.observer is not None:
            self.observer.stall_ended(stall, at)

    def quiescent(self, at: int, since: int) -> None:
        super().quiescent(at, since)
        if self.observer is not None:
            self.observer.quiescent(at, since)
