"""Replay a model: the same steps in virtual time, with waits as the resources then allow."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from asyncctx_trace.analysis.what_if.model import Discipline, Model, Op, Program, Step

__all__ = ["Outcome", "replay"]

_UNLIMITED = 1 << 60


@dataclass(slots=True)
class Outcome:
    """What a replay gave."""

    waits: dict[int, int] = field(default_factory=dict)
    """Row that entered -> how long its enter took, in ns."""
    entered_at: dict[int, int] = field(default_factory=dict)
    """Row that entered -> when, in ns from the start."""
    makespan: int = 0
    """When the last task ended, in ns from the start."""
    stuck: list[int] = field(default_factory=list)
    """Tasks that did not come to the end of their steps."""


def replay(
    model: Model,
    capacities: Mapping[int, int | None] | None = None,
    durations: Mapping[int, list[int]] | None = None,
    seed: int = 0,
) -> Outcome:
    """Replay ``model`` and return what came of it.

    Args:
        model: The program.
        capacities: Resource or queue -> its new capacity, ``None`` for no limit; all others keep
            theirs.
        durations: Class of durations -> the durations (ns) to draw from. By default, each step
            keeps its own.
        seed: Of the draws, and of the parts of split resources.

    A discrete-event simulation in O(n log n) for n steps. An event loop runs one task until it is
    suspended, tasks in the order in which they became ready, as asyncio does.
    """
    return _Replay(model, capacities or {}, durations, random.Random(seed)).run()


class _Units:
    """The units of a resource, or the items of a queue, and who waits for them."""

    __slots__ = ("barging", "free", "lifo", "waiting")

    def __init__(self, free: int, discipline: Discipline = "fifo") -> None:
        self.free = free
        self.lifo = discipline == "lifo"
        self.barging = discipline == "barging"
        self.waiting: deque[tuple[_Task, int]] = deque()
        """Tasks, each with how often it was suspended before."""

    def take(self) -> bool:
        """Take a unit if there is one."""
        if self.free <= 0:
            return False
        self.free -= 1
        return True

    def next_waiter(self) -> tuple[_Task, int] | None:
        """Remove and return who gets the next unit."""
        if not self.waiting:
            return None
        return self.waiting.pop() if self.lifo else self.waiting.popleft()


class _Task:
    __slots__ = ("called_from", "index", "joiners", "loop", "over", "pauses", "program", "steps")

    def __init__(self, program: Program) -> None:
        self.program = program
        self.steps = program.steps
        self.index = 0
        self.called_from: tuple[list[Step], int] | None = None
        """Where to go on when the steps of an item are done."""
        self.loop = program.loop
        self.over = False
        self.pauses = 0
        """How often it was suspended: tells whether a time to give up is still of interest."""
        self.joiners: list[tuple[_Task, int]] = []
        """Tasks that wait for its end, each with its number of pauses."""


class _Loop:
    __slots__ = ("busy", "ready")

    def __init__(self) -> None:
        self.busy = False
        self.ready: deque[_Task] = deque()


class _Replay:
    def __init__(
        self,
        model: Model,
        capacities: Mapping[int, int | None],
        durations: Mapping[int, list[int]] | None,
        rng: random.Random,
    ) -> None:
        self._model = model
        self._durations = durations
        self._random = rng
        self._outcome = Outcome()
        self._heap: list[tuple[int, int, _Task | _Loop, int]] = []
        self._order = 0
        self._tasks = {task: _Task(program) for task, program in model.programs.items()}
        self._loops: dict[int, _Loop] = {}
        self._units: dict[int, list[_Units]] = {}
        for resource, capacity in model.capacities.items():
            size = capacities.get(resource, capacity)
            discipline = model.disciplines.get(resource, "fifo")
            self._units[resource] = [
                _Units(_UNLIMITED if size is None else size, discipline)
                for _ in range(model.split.get(resource, 1))
            ]
        self._part: dict[int, int] = {}
        self._room: dict[int, _Units] = {}
        self._items: dict[int, _Units] = {}
        for queue, size in model.queue_sizes.items():
            new = capacities.get(queue, size)
            items = model.queue_items.get(queue, 0)
            self._room[queue] = _Units((new or _UNLIMITED) - items)
            self._items[queue] = _Units(items)
        self._signals: dict[int, tuple[_Task, int] | None] = {}
        """Signal -> the task that waits for it, with its pauses; ``None`` if it was given."""
        self._asked: dict[int, int] = {}
        self._done = dict.fromkeys(model.work, 0)
        """Queue -> how many of its items were taken."""

    def run(self) -> Outcome:
        """Run until nothing can go on."""
        for task in self._tasks.values():
            if task.program.arrival is not None:
                self._wake(task, task.program.arrival)
        heap = self._heap
        while heap:
            at, _, which, pauses = heapq.heappop(heap)
            if isinstance(which, _Loop):
                which.busy = False
                loop = which
            elif which.pauses != pauses:
                continue  # it had a time to give up, and has gone on before
            else:
                which.pauses += 1
                loop = self._loops.setdefault(which.loop, _Loop())
                loop.ready.append(which)
            if not loop.busy and loop.ready:
                loop.busy = True
                until = self._run_until_suspended(loop.ready.popleft(), at)
                self._push(until, loop, 0)
        self._outcome.stuck = [
            number for number, task in self._tasks.items() if not task.over and task.steps
        ]
        return self._outcome

    def _push(self, at: int, which: _Task | _Loop, pauses: int) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, which, pauses))

    def _wake(self, task: _Task, at: int) -> None:
        self._push(at, task, task.pauses)

    def _length(self, step: Step) -> int:
        durations = self._durations
        if durations is None or step.extra not in durations:
            return step.value
        return self._random.choice(durations[step.extra])

    def _run_until_suspended(self, task: _Task, at: int) -> int:
        """Run steps of ``task`` from ``at`` on, and return when it was suspended or ended."""
        outcome = self._outcome
        while True:
            if task.index >= len(task.steps):
                if task.called_from is None:
                    break
                task.steps, task.index = task.called_from  # the item is done: take the next one
                task.called_from = None
                continue
            step = task.steps[task.index]
            op, value, extra = step
            task.index += 1
            if op is Op.RUN:
                at += self._length(step)
            elif op is Op.ENTERED:
                outcome.waits[value] = at - self._asked[value]
                outcome.entered_at[value] = at
            elif op is Op.RELEASE:
                self._release(self._units_for(value, extra), at)
            elif op is Op.SIGNAL:
                self._signal(value, at)
            elif op is Op.SPAWN:
                self._wake(self._tasks[value], at)
            elif self._suspends(task, step, at):
                return at
        task.over = True
        outcome.makespan = max(outcome.makespan, at)
        for joiner, pauses in task.joiners:
            if joiner.pauses == pauses:
                self._wake(joiner, at)
        return at

    def _suspends(self, task: _Task, step: Step, at: int) -> bool:
        """Do a step that may suspend ``task``, and return whether it does."""
        op, value, extra = step
        match op:
            case Op.PAUSE:
                self._wake(task, at + self._length(step))
                return True
            case Op.ASK:
                return self._ask(value, extra, task, at)
            case Op.TRY:
                return self._try(self._units[value][0], task, at + extra)
            case Op.AWAIT:
                if value in self._signals:
                    return False
                self._signals[value] = task, task.pauses
                return True
            case Op.JOIN:
                return self._joins([value], task)
            case Op.JOIN_ANY:
                return self._joins(self._model.groups[value], task)
            case Op.PUT:
                return self._put(value, task, at)
            case Op.GET:
                return self._get(value, task, at)
            case Op.WORK:
                return self._work(value, task, at)
        raise AssertionError(op)

    # -- resources --------------------------------------------------------------------------

    def _ask(self, resource: int, row: int, task: _Task, at: int) -> bool:
        self._asked.setdefault(row, at)
        units = self._units_for(resource, row)
        if self._take_or_wait(units, task):
            return False
        task.index -= units.barging  # it will try again
        return True

    def _try(self, units: _Units, task: _Task, until: int) -> bool:
        if units.free > 0:
            return False
        units.waiting.append((task, task.pauses))
        self._wake(task, until)
        return True

    def _units_for(self, resource: int, row: int) -> _Units:
        parts = self._units[resource]
        if len(parts) == 1:
            return parts[0]
        if row not in self._part:
            self._part[row] = self._random.randrange(len(parts))
        return parts[self._part[row]]

    def _take_or_wait(self, units: _Units, task: _Task) -> bool:
        if units.take():
            return True
        units.waiting.append((task, task.pauses))
        return False

    def _release(self, units: _Units, at: int) -> None:
        """Pass a unit on to a waiter, or free it."""
        while (waiter := units.next_waiter()) is not None:
            task, pauses = waiter
            if task.pauses != pauses:
                continue  # it has given up
            self._wake(task, at)
            if units.barging:
                break
            if task.steps[task.index - 1].op is not Op.TRY:
                return
        units.free += 1

    # -- signals, tasks, queues -------------------------------------------------------------

    def _signal(self, signal: int, at: int) -> None:
        waiter = self._signals.get(signal)
        self._signals[signal] = None
        if waiter is not None:
            self._wake(waiter[0], at)

    def _joins(self, numbers: list[int] | tuple[int, ...], task: _Task) -> bool:
        tasks = [self._tasks[number] for number in numbers]
        if any(each.over for each in tasks):
            return False
        for each in tasks:
            each.joiners.append((task, task.pauses))
        return True

    def _put(self, queue: int, task: _Task, at: int) -> bool:
        """Put an item if there is room; else wait, and try again then, as asyncio does."""
        if not self._take_or_wait(self._room[queue], task):
            task.index -= 1
            return True
        items = self._items[queue]
        items.free += 1
        self._let_try(items, at)
        return False

    def _get(self, queue: int, task: _Task, at: int) -> bool:
        """Take an item if there is one; else wait, and try again then."""
        if not self._take_or_wait(self._items[queue], task):
            task.index -= 1
            return True
        room = self._room[queue]
        room.free += 1
        self._let_try(room, at)
        return False

    def _let_try(self, units: _Units, at: int) -> None:
        if units.waiting:
            self._wake(units.waiting.popleft()[0], at)

    def _work(self, queue: int, task: _Task, at: int) -> bool:
        """Take an item, and go on with its steps; without any left, go on behind."""
        work = self._model.work[queue]
        if self._done[queue] == len(work):
            return False
        if self._get(queue, task, at):
            return True
        task.called_from = task.steps, task.index - 1
        task.steps, task.index = work[self._done[queue]], 0
        self._done[queue] += 1
        if self._done[queue] == len(work):
            for waiter, _ in self._items[queue].waiting:
                self._wake(waiter, at)
            self._items[queue].waiting.clear()
        return False
