"""A sink that logs events in a form that tests compare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from asyncctx_trace.instrument import sinks
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import OF_TASKS, WaitKind


@dataclass
class EventLog:
    """The events received, in order: ``("enter", 1, "ok")``; acquisitions count from 1."""

    events: list[tuple[object, ...]] = field(default_factory=list)
    resources: dict[int, tuple[str, str, int | None]] = field(default_factory=dict)
    sites: dict[int, tuple[str, int, str, str]] = field(default_factory=dict)
    managers: dict[int, str] = field(default_factory=dict)
    coroutines: dict[int, str] = field(default_factory=dict)
    """Task -> the qualified name of its coroutine."""
    started: list[tuple[str, str, str, int]] = field(default_factory=list)
    """manager, name of resource, text of site, parent"""
    waits: list[tuple[object, ...]] = field(default_factory=list)
    """Waits for other things than managers: ``("started", 1, "queue get", "jobs", "jobs.get()")``,
    ``("target", 1)``, ``("ended", 1, "ok", True)``, with whether a task ended it."""
    _numbers: dict[int, int] = field(default_factory=dict)
    _wait_numbers: dict[int, int] = field(default_factory=dict)

    def manager_defined(self, manager: int, name: str) -> None:
        self.managers[manager] = name

    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None:
        self.sites[site] = (file, line, function, text)

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        self.resources[resource] = (kind, name, capacity)

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
        self.coroutines[task] = coroutine

    def task_ended(self, at: int, task: int) -> None:
        pass

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
        number = self._numbers[acquisition] = len(self._numbers) + 1
        self.started.append(
            (
                self.managers[manager],
                self.resources[resource][1],
                self.sites[site][3] if site else "",
                self._numbers.get(parent, 0),
            )
        )
        self.events.append(("wait", number))

    def enter_ended(
        self, at: int, acquisition: int, outcome: int, error: BaseException | None
    ) -> None:
        self._log("enter", acquisition, outcome)

    def exit_started(
        self,
        at: int,
        acquisition: int,
        task: int,
        outcome: int,
        error: BaseException | None,
        site: int = 0,
    ) -> None:
        self._log("body", acquisition, outcome)

    def exit_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        suppressed: bool,
        error: BaseException | None,
        flags: int = 0,
    ) -> None:
        self._log("exit", acquisition, outcome, *(["suppressed"] if suppressed else []))

    def release_unmatched(self, at: int, task: int, resource: int, site: int) -> None:
        self.events.append(("unmatched", self.resources[resource][1]))

    def collected(self, at: int, acquisition: int) -> None:
        if acquisition in self._numbers:
            self.events.append(("collected", self._numbers[acquisition]))

    def wait_started(
        self, at: int, wait: int, task: int, subject: int, site: int, wait_kind: int
    ) -> None:
        number = self._wait_numbers[wait] = len(self._wait_numbers) + 1
        is_resource = subject and wait_kind not in OF_TASKS
        name = self.resources[subject][1] if is_resource else ""
        self.waits.append(("started", number, WaitKind(wait_kind).label, name, self.sites[site][3]))

    def wait_target(self, at: int, wait: int, task: int) -> None:
        self.waits.append(("target", self._wait_numbers[wait]))

    def wait_ended(self, at: int, wait: int, outcome: int, woken_by: int) -> None:
        if wait in self._wait_numbers:
            word = Outcome(outcome).name.lower()
            self.waits.append(("ended", self._wait_numbers[wait], word, bool(woken_by)))

    def _log(self, event: str, acquisition: int, outcome: int, *more: str) -> None:
        # One that began before this sink came has no number.
        if acquisition in self._numbers:
            name = Outcome(outcome).name.lower()
            self.events.append((event, self._numbers[acquisition], name, *more))

    @property
    def names(self) -> list[str]:
        """Return the name of the resource of each acquisition."""
        return [name for _, name, _, _ in self.started]

    def is_complete(self) -> bool:
        """Return whether every acquisition has ended."""
        ended = {f[1] for f in self.events if f[0] == "exit" or (f[0] == "enter" and f[2] != "ok")}
        return ended == set(self._numbers.values())


@contextmanager
def log_events() -> Iterator[EventLog]:
    """Log the events that are published inside the block."""
    received = EventLog()
    sinks.attach(received)
    try:
        yield received
    finally:
        sinks.detach(received)


SUCCEEDED = [("enter", "ok"), ("body", "ok"), ("exit", "ok")]


def events_of(*numbers: int) -> list[tuple[object, ...]]:
    """Return the events of acquisitions that succeed, one after the other."""
    events: list[tuple[object, ...]] = []
    for number in numbers:
        events += [("wait", number), *((event, number, ok) for event, ok in SUCCEEDED)]
    return events
