"""A service on a manual clock, with a ring and a flight recorder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from asyncctx_trace.dumps.detection import Detection
from asyncctx_trace.dumps.flight_recorder import FlightRecorder
from asyncctx_trace.dumps.hangs import Hangs
from asyncctx_trace.dumps.options import DumpOptions
from asyncctx_trace.model.events import Definition, ResourceDefined, SiteDefined, TaskDefined
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.writing.observed_ring import ObservedRing
from asyncctx_trace.recording.writing.retention import MIN_SIZE, Retention
from asyncctx_trace.recording.writing.ring import LiveSet
from asyncctx_trace.recording.writing.segments import create

__all__ = ["LOCK", "OTHER", "POOL", "SECOND", "Service"]

SECOND = 1_000_000_000
LOCK, OTHER, POOL = 1, 2, 3
"""Resources: two locks, and a pool of two."""
_NAMES = {LOCK: ("db lock", 1), OTHER: ("cache lock", 1), POOL: ("db pool", 2)}


class Service:
    """Tasks acquire and release; the time passes only in :meth:`pass_time`."""

    def __init__(self, path: Path, *on: str, size: int = 4 * MIN_SIZE, **options: object) -> None:
        create(path)
        self.now = 1_000 * SECOND
        self.started = self.now
        self.acquisitions: dict[int, int] = {}
        """In flight, with their resources."""
        self.tasks: dict[int, str] = {}
        self.errors: dict[int, type[BaseException]] = {}
        self.counts: Counter[str] = Counter()
        self._next = 0
        self.recorder = ObservedRing(path, Retention(bytes=size), self._live_set)
        self.recorder.manager_defined(1, "asyncio.locks.Lock")
        self.recorder.site_defined(1, "app.py", 12, "handle", "db_lock")
        for resource, (name, capacity) in _NAMES.items():
            self.recorder.resource_defined(resource, "lock", name, capacity)
        parsed = DumpOptions.parse({"on": on, **options})
        hangs = Hangs(parsed.on, self.definitions, self.clock)
        detection = Detection(parsed.on, _Names(self), hangs)
        self.flight = FlightRecorder(
            self.recorder, parsed, detection, hangs, self, clock=self.clock
        )
        self.recorder.observer = self

    def clock(self) -> int:
        return self.now

    # -- what the program does --------------------------------------------------------------

    def task(self, name: str) -> int:
        self._next += 1
        self.tasks[self._next] = name
        self.recorder.task_defined(self.now, self._next, name, "asyncio", 0, "MainThread")
        return self._next

    def ask(self, task: int, resource: int) -> int:
        """Let a task begin to enter; return the acquisition."""
        self._next += 1
        self.acquisitions[self._next] = resource
        self.recorder.enter_started(self.now, self._next, 0, task, 1, resource, 1)
        return self._next

    def get(self, acquisition: int, error: BaseException | None = None) -> None:
        outcome = Outcome.OK if error is None else Outcome.ERROR
        self.recorder.enter_ended(self.now, acquisition, outcome, error)
        if error is not None:
            del self.acquisitions[acquisition]

    def enter(self, task: int, resource: int) -> int:
        acquisition = self.ask(task, resource)
        self.get(acquisition)
        return acquisition

    def leave(self, acquisition: int, task: int, error: BaseException | None = None) -> None:
        outcome = Outcome.OK if error is None else Outcome.ERROR
        self.recorder.exit_started(self.now, acquisition, task, outcome, error)
        self.recorder.exit_ended(self.now, acquisition, Outcome.OK, False, None)
        del self.acquisitions[acquisition]

    def request(self, name: str) -> None:
        """Serve a request that takes no time."""
        task = self.task(name)
        self.leave(self.enter(task, OTHER), task)
        del self.tasks[task]  # its object is gone

    def end_task(self, task: int) -> None:
        self.recorder.task_ended(self.now, task)

    def pass_time(self, ns: int, *, requests: str = "") -> None:
        """Let time pass in steps of 40 ms; with ``requests``, one of this name in each step."""
        end = self.now + ns
        while self.now < end:
            if requests:
                self.request(f"{requests} {(self.now - self.started) // 1_000_000} ms")
            self.now = min(end, self.now + SECOND // 25)
            self.flight.look()

    # -- what the flight recorder asks ------------------------------------------------------

    def _live_set(self) -> LiveSet:
        return LiveSet(self.acquisitions.keys(), self.tasks.keys(), _NAMES.keys())

    def definitions(self) -> list[Definition]:
        return [
            SiteDefined(1, "app.py", 12, "handle", "db_lock"),
            *(ResourceDefined(r, "lock", *rest) for r, rest in _NAMES.items()),
            *(TaskDefined(0, t, n, "asyncio", None, 0, "") for t, n in self.tasks.items()),
        ]

    def triggered(self, trigger: str) -> None:
        self.counts[trigger] += 1

    def dumped(self, trigger: str, outcome: str) -> None:
        self.counts[outcome] += 1

    # -- what the ring reports --------------------------------------------------------------

    def resource_defined(self, resource: int, name: str, capacity: int | None) -> None:
        pass

    def error_interned(self, error: int, cls: type[BaseException]) -> None:
        self.errors[error] = cls

    def stall_started(self, stall: int, since: int) -> None:
        self.flight.stall_started(stall, since)

    def stall_ended(self, stall: int, at: int) -> None:
        self.flight.stall_ended(stall, at)

    def quiescent(self, at: int, since: int) -> None:
        self.flight.quiescent(at, since)


class _Names:
    """What the service knows of ids."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def resource(self, resource: int) -> tuple[str, int | None]:
        return _NAMES.get(resource, ("", None))

    def task(self, task: int) -> str:
        return self._service.tasks[task]

    def error(self, error: int) -> Sequence[str]:
        return [base.__name__ for base in self._service.errors[error].__mro__]

    def live(self) -> Collection[int]:
        return self._service.acquisitions.keys()
