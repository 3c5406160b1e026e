"""A tiny event loop with semaphores that writes facts, and knows itself what happened."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import strategies as st

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
    WaitEnded,
    WaitStarted,
)
from asyncctx_trace.model.waits import WaitKind

AcquisitionEvent: TypeAlias = EnterStarted | EnterEnded | ExitStarted | ExitEnded
Sleep: TypeAlias = int
Use: TypeAlias = tuple[int, "Program"]
"""A resource, and what is done while it is held."""
Program: TypeAlias = tuple["Sleep | Use", ...]


class Cancelled(Exception):
    """Thrown into a task that is to stop."""


@dataclass
class Scene:
    """Tasks by number from 1, resources by number from 1."""

    capacities: tuple[int, ...]
    programs: tuple[Program, ...]
    cancelled_at: dict[int, int] = field(default_factory=dict)
    """Task -> time."""


@dataclass
class _Resource:
    free: int
    queue: deque[int] = field(default_factory=deque)
    freed_by: deque[int] = field(default_factory=deque)
    """Rows that have freed the free places, in order, once anybody has held them."""


class Simulation:
    """Runs a scene to its end, or to the point where nobody can go on.

    With a ``fine`` clock no two facts have the same time; otherwise many do. With ``wakers`` each
    sleep is a wait that one of these tasks ends, one after the other and again; 0 for none.
    """

    def __init__(self, scene: Scene, *, fine: bool = False, wakers: Sequence[int] = ()) -> None:
        self.scene = scene
        self._fine = fine
        self._wakers = wakers
        self._slept = 0
        self.now = 0
        self.events: list[AcquisitionEvent | WaitStarted | WaitEnded] = []
        self.let_in_by: dict[int, int] = {}
        """Row that waited for a full resource -> row that gave its place to it."""
        self.rows = 0
        self._due: list[tuple[int, int, int, str]] = []
        self._order = 0
        self._resources = {n: _Resource(c) for n, c in enumerate(scene.capacities, 1)}
        self._open: dict[int, list[int]] = {}
        self._waiting: dict[int, tuple[int, int]] = {}
        self._done: set[int] = set()
        self._tasks = {
            task: self._body(task, program) for task, program in enumerate(scene.programs, 1)
        }
        self._run()

    @property
    def acquisitions(self) -> list[AcquisitionEvent]:
        """The events of those."""
        return [each for each in self.events if not isinstance(each, WaitStarted | WaitEnded)]

    def timeline(self) -> Timeline:
        """What the recording of this run would say; sites number the depths of the programs."""
        definitions: list[Event] = [
            ResourceDefined(n, "lock" if c == 1 else "semaphore", f"r{n}", c)
            for n, c in enumerate(self.scene.capacities, 1)
        ]
        definitions += [
            TaskDefined(0, task, f"t{task}", "asyncio", None, 0, "MainThread")
            for task in self._tasks
        ]
        definitions += [SiteDefined(n, "app.py", n, "", "") for n in range(1, 40)]
        return Timeline([*definitions, *self.events])

    # -- the loop ---------------------------------------------------------------------------

    def _run(self) -> None:
        for task in self._tasks:
            self._later(task, 0, "go")
        for task, at in self.scene.cancelled_at.items():
            self._later(task, at, "cancel")
        while self._due:
            self.now, _, task, what = heapq.heappop(self._due)
            if task in self._done:
                continue
            if what == "cancel":
                self._cancel(task)
            elif task not in self._waiting:
                self._step(task)

    def _stamp(self) -> int:
        return self.now * 1000 + len(self.events) if self._fine else self.now

    def _later(self, task: int, delay: int, what: str) -> None:
        self._order += 1
        heapq.heappush(self._due, (self.now + delay, self._order, task, what))

    def _step(self, task: int, error: Exception | None = None) -> None:
        body = self._tasks[task]
        try:
            delay = next(body) if error is None else body.throw(error)
        except (StopIteration, Cancelled):
            self._done.add(task)
            return
        if delay is not None:
            self._later(task, delay, "go")

    def _cancel(self, task: int) -> None:
        waiting = self._waiting.pop(task, None)
        if waiting is not None:
            self._resources[waiting[0]].queue.remove(task)
        # What it slept for would wake it again: let the sleep find it done.
        self._due = [due for due in self._due if due[2] != task]
        heapq.heapify(self._due)
        self._step(task, Cancelled())

    # -- a task -----------------------------------------------------------------------------

    def _body(self, task: int, program: Program) -> Generator[int | None, None, None]:
        for doing in program:
            if isinstance(doing, int):
                yield from self._sleep(task, doing)
            else:
                yield from self._use(task, *doing)

    def _sleep(self, task: int, length: int) -> Generator[int | None, None, None]:
        if not self._wakers:
            yield length
            return
        waker = self._wakers[self._slept % len(self._wakers)]
        self._slept += 1
        wait = 1_000_000 + self._slept
        kind = WaitKind.EVENT if waker else WaitKind.SLEEP
        site = len(self._open.get(task, ())) + 30
        self.events.append(WaitStarted(self._stamp(), wait, task, None, site, kind))
        outcome = Outcome.OK
        try:
            yield length
        except Cancelled:
            outcome, waker = Outcome.CANCELLED, 0
            raise
        finally:
            self.events.append(WaitEnded(self._stamp(), wait, outcome, waker or None))

    def _use(self, task: int, resource: int, inside: Program) -> Generator[int | None, None, None]:
        row, id = self.rows, self.rows + 1
        self.rows += 1
        open_ = self._open.setdefault(task, [])
        site = len(open_) + 1 + 6 * resource
        parent = open_[-1] if open_ else None
        self.events.append(EnterStarted(self._stamp(), id, parent, task, "m", resource, site))
        open_.append(id)
        try:
            yield from self._acquire(task, resource, row)
        except Cancelled:
            open_.remove(id)
            self.events.append(EnterEnded(self._stamp(), id, Outcome.CANCELLED, None))
            giver = self.let_in_by.pop(row, None)
            if giver is not None:  # it had been given the place: the next one has it from there
                self._release(resource, giver)
            raise
        self.events.append(EnterEnded(self._stamp(), id, Outcome.OK, None))
        outcome = Outcome.OK
        try:
            yield from self._body(task, inside)
        except Cancelled:
            outcome = Outcome.CANCELLED
            raise
        finally:
            self.events.append(ExitStarted(self._stamp(), id, task, outcome, None))
            self._release(resource, row)
            open_.remove(id)
            self.events.append(ExitEnded(self._stamp(), id, Outcome.OK, False, None))

    def _acquire(self, task: int, resource: int, row: int) -> Generator[int | None, None, None]:
        wanted = self._resources[resource]
        if wanted.free:
            wanted.free -= 1
            if wanted.freed_by:
                wanted.freed_by.popleft()
            return
        wanted.queue.append(task)
        self._waiting[task] = resource, row
        yield None

    def _release(self, resource: int, row: int) -> None:
        freed = self._resources[resource]
        if freed.queue:
            next_ = freed.queue.popleft()
            _, waiting = self._waiting.pop(next_)
            self.let_in_by[waiting] = row
            self._later(next_, 0, "go")
        else:
            freed.free += 1
            freed.freed_by.append(row)


def scenes(*, cancellation: bool = True) -> st.SearchStrategy[Scene]:
    """Up to five tasks on up to four resources, nested up to three deep."""

    @st.composite
    def draw_scene(draw: st.DrawFn) -> Scene:
        capacities = tuple(draw(st.lists(st.integers(1, 2), min_size=1, max_size=4)))
        sleeps = st.integers(0, 6)
        resources = st.integers(1, len(capacities))
        programs = st.recursive(
            st.lists(sleeps, max_size=2).map(tuple),
            lambda inner: st.lists(st.one_of(sleeps, st.tuples(resources, inner)), max_size=3).map(
                tuple
            ),
            max_leaves=6,
        )
        tasks = tuple(draw(st.lists(programs, min_size=1, max_size=5)))
        cancelled: dict[int, int] = {}
        if cancellation:
            cancelled = draw(
                st.dictionaries(st.integers(1, len(tasks)), st.integers(1, 20), max_size=2)
            )
        return Scene(capacities, tasks, cancelled)

    return draw_scene()


def scenes_in_order(*, cancellation: bool = True) -> st.SearchStrategy[Scene]:
    """Correct ones: each task takes resources in the order of their numbers, and none twice."""

    @st.composite
    def draw_scene(draw: st.DrawFn) -> Scene:
        capacities = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
        sleeps = st.integers(0, 6)

        def program(lowest: int) -> Program:
            doing: list[Sleep | Use] = []
            for _ in range(draw(st.integers(0, 2))):
                doing.append(draw(sleeps))
                if lowest <= len(capacities) and draw(st.booleans()):
                    resource = draw(st.integers(lowest, len(capacities)))
                    doing.append((resource, program(resource + 1)))
            return tuple(doing)

        tasks = tuple(program(1) for _ in range(draw(st.integers(1, 5))))
        cancelled: dict[int, int] = {}
        if cancellation:
            cancelled = draw(
                st.dictionaries(st.integers(1, len(tasks)), st.integers(1, 20), max_size=2)
            )
        return Scene(capacities, tasks, cancelled)

    return draw_scene()
