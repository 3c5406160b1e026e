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
    ) -> None:
        """Task ``task`` begins to enter ``acquisition``, inside ``parent``, at ``site``."""

    def enter_ended(
        self, at: int, acquisition: int, outcome: int, error: BaseException | None
    ) -> None:
        """The enter returned or raised; only with the outcome OK does the body begin."""

    def exit_started(
        self,
        at: int,
        acquisition: int,
        task: int,
        outcome: int,
        error: BaseException | None,
        site: int = 0,
    ) -> None:
        """The body ended, with ``error`` if it raised; ``task`` begins to exit."""

    def exit_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        suppressed: bool,
        error: BaseException | None,
        flags: int = 0,
    ) -> None:
        """The exit returned, and ``suppressed`` the error of the body, or raised ``error``."""

    def task_ended(self, at: int, task: int) -> None:
        """The task returned, raised or was cancelled."""

    def release_unmatched(self, at: int, task: int, resource: int, site: int) -> None:
        """The task released a resource that no known acquisition holds."""

    def collected(self, at: int, acquisition: int) -> None:
        """The manager was garbage-collected while the acquisition was open."""

    def wait_started(
        self, at: int, wait: int, task: int, subject: int, site: int, wait_kind: int
    ) -> None:
        """The task suspends; ``subject`` is what it waits for, 0 if there is none."""

    def wait_target(self, at: int, wait: int, task: int) -> None:
        """The wait, for several tasks, is for this one, too."""

    def wait_ended(self, at: int, wait: int, outcome: int, woken_by: int) -> None:
        """The waiting task can go on; ``woken_by`` is the task that saw to it, 0 for none."""


class Sink(EventSink, Protocol):
    """Receives events, and the definitions of what they refer to, which come first.

    Optional methods: ``missed()`` counts an event that could not be delivered,
    ``stop_recording(error)`` lets a sink that raised stay attached to count what it loses, and
    ``interrupted(at, pid, reason)`` notes that the program is being ended. ``stall_started``,
    ``stall_ended`` and ``quiescent`` note what a watchdog saw of an event loop.
    """

    def manager_defined(self, manager: int, name: str) -> None:
        """``manager`` is the class of managers with the qualified name ``name``."""

    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None:
        """``site`` is the expression ``text`` in a file, called from the site ``caller``."""

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        """``resource`` has this name; ``capacity`` is ``None`` if unknown."""

    def task_defined(
        self,
        at: int,
        task: int,
        name: str,
        runtime: str,
        parent: int,
        thread: str,
        coroutine: str = "",
    ) -> None:
        """``task`` was first seen at ``at``; ``parent`` made it; it runs on ``thread``.

        ``coroutine`` is the qualified name of its coroutine, empty if unknown.
        """
