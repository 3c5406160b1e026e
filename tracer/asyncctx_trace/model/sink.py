"""What receives events in the traced program."""

from __future__ import annotations

from typing import Protocol

__all__ = ["EventSink", "Sink"]


class EventSink(Protocol):
    """Receives the events of acquisitions, on the task they happen in.

    Its methods must return at once: they may store what they get, but never wait. Their
    parameters are those of the table in :mod:`asyncctx_trace.model.event_schema`. Times are in
    monotonic ns. Ids are positive; 0 stands for "none". ``error`` is the live exception, which a
    sink may read but not keep.
    """

    def enter_started(
        self,
        at: int,
        acquisition: int,
        parent: int,
        task: int,
        manager: int,
        resource: int,
        site: int,
        flags: int = 0,
    ) -> None: ...
    def enter_ended(
        self, at: int, acquisition: int, outcome: int, error: BaseException | None
    ) -> None: ...
    def exit_started(
        self,
        at: int,
        acquisition: int,
        task: int,
        outcome: int,
        error: BaseException | None,
        site: int = 0,
    ) -> None: ...
    def exit_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        suppressed: bool,
        error: BaseException | None,
        flags: int = 0,
    ) -> None: ...
    def task_ended(self, at: int, task: int) -> None: ...
    def release_unmatched(self, at: int, task: int, resource: int, site: int) -> None: ...
    def collected(self, at: int, acquisition: int) -> None: ...
    def wait_started(
        self, at: int, wait: int, task: int, subject: int, site: int, wait_kind: int
    ) -> None: ...
    def wait_target(self, at: int, wait: int, task: int) -> None: ...
    def wait_ended(self, at: int, wait: int, outcome: int, woken_by: int) -> None: ...


class Sink(EventSink, Protocol):
    """Receives events, and the definitions of what they refer to, which come first.

    Optional methods: ``missed()`` counts an event that could not be delivered,
    ``stop_recording(error)`` lets a sink that raised stay attached to count what it loses, and
    ``interrupted(at, pid, reason)`` notes that the program is being ended. ``stall_started``,
    ``stall_ended`` and ``quiescent`` note what a watchdog saw of an event loop.
    """

    def manager_defined(self, manager: int, name: str) -> None: ...
    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None: ...
    def resource_defined(
        self, resource: int, kind: str, name: str, capacity: int | None
    ) -> None: ...
    def task_defined(
        self, at: int, task: int, name: str, runtime: str, parent: int, thread: str
    ) -> None: ...
