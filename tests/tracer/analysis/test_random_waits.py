"""Random programs that wait for anything: the analysis says what the programs themselves know.

A brute-force oracle is told by the programs before and after everything that they await, and by
the event loop whether anything is left that could go on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.support.wait_oracle import assert_same_charges
from analysis.support.waiting_programs import compiled, timeline_of
from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.deadlocks.blocked_tasks import stuck_tasks
from asyncctx_trace.analysis.deadlocks.idle_workers import are_idle_workers
from asyncctx_trace.analysis.findings import OBSERVATIONS, find
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.waits import WaitKind

EXAMPLES = settings(max_examples=100, deadline=None)
FACT = 1_000
"""ns that each event takes on the clock of these programs."""

PROGRAM: dict[str, Any] = {}
SOURCE = """
async def run(world, me, steps):
    for step in steps:
        match step:
            case "sleep", length:
                world.begins(me, "sleep", None)
                await asyncio.sleep(length / 1000)
                world.goes_on(me)
            case "lock" | "semaphore" as kind, which, inside:
                world.begins(me, kind, which)
                async with world.limited[kind, which]:
                    world.goes_on(me)
                    world.held[kind, which].append(me)
                    try:
                        await run(world, me, inside)
                    finally:
                        world.held[kind, which].remove(me)
            case "get", which:
                world.begins(me, "queue get", which)
                await world.queues[which].get()
                world.goes_on(me)
            case "put", which:
                world.begins(me, "queue put", which)
                await world.queues[which].put(None)
                world.goes_on(me)
            case "done", which:
                if world.queues[which]._unfinished_tasks:
                    world.queues[which].task_done()
            case "join", which:
                world.begins(me, "queue join", which)
                await world.queues[which].join()
                world.goes_on(me)
            case "wait", which:
                world.begins(me, "event", which)
                await world.events[which].wait()
                world.goes_on(me)
            case "set", which:
                world.events[which].set()
            case "await notification", which:
                condition = world.conditions[which]
                async with condition:
                    world.begins(me, "condition", which)
                    await condition.wait()
                    world.goes_on(me)
            case "notify", which:
                async with world.conditions[which]:
                    world.conditions[which].notify()
            case "await", which:
                if which != me and which < len(world.tasks):
                    world.begins(me, "tasks", which)
                    await asyncio.wait([world.tasks[which]])
                    world.goes_on(me)
            case "cancel", which:
                if which < len(world.tasks):
                    world.tasks[which].cancel()

async def main(world):
    world.tasks += [
        asyncio.create_task(run(world, n, steps), name=f"task {n}")
        for n, steps in enumerate(world.programs)
    ]
    await asyncio.wait(world.tasks)
"""
Step: TypeAlias = tuple[Any, ...]


class World:
    """What tasks share, and what each of them is about to do."""

    def __init__(self, programs: list[list[Step]]) -> None:
        self.programs = programs
        self.tasks: list[asyncio.Task[None]] = []
        self.doing: dict[int, tuple[str, int | None]] = {}
        self.held: dict[tuple[str, int], list[int]] = {
            (kind, which): [] for kind in ("lock", "semaphore") for which in (0, 1)
        }
        self.pauses: list[tuple[int, dict[int, tuple[str, int | None]], dict[int, list[int]]]] = []
        """Time, what each task waits for, and by whom that is held where it is held."""
        self.finished = False

    def __repr__(self) -> str:
        return f"World({self.programs})"

    async def run(self) -> None:
        """Run the programs; what they share belongs to the loop that runs."""
        self.limited: dict[tuple[str, int], Any] = {}
        for which in (0, 1):
            self.limited["lock", which] = asyncio.Lock()
            self.limited["semaphore", which] = asyncio.Semaphore(2)
        self.queues: list[asyncio.Queue[None]] = [asyncio.Queue(1), asyncio.Queue(1)]
        self.events = [asyncio.Event(), asyncio.Event()]
        self.conditions = [asyncio.Condition(), asyncio.Condition()]
        await PROGRAM["main"](self)
        self.finished = True

    def begins(self, task: int, what: str, which: int | None) -> None:
        """``task`` awaits something next."""
        self.doing[task] = what, which

    def goes_on(self, task: int) -> None:
        """It has got it."""
        del self.doing[task]

    def pause(self, at: int) -> None:
        """All tasks wait until more time has passed."""
        waiting = {task: what for task, what in self.doing.items() if not self.tasks[task].done()}
        holders = {
            task: sorted(self.held[kind, which])
            for task, (kind, which) in waiting.items()
            if which is not None and (kind, which) in self.held
        }
        self.pauses.append((at, waiting, holders))


which = st.integers(0, 1)
simple = st.one_of(
    st.tuples(st.just("sleep"), st.integers(1, 9)),
    st.tuples(
        st.sampled_from(
            ["get", "put", "done", "join", "wait", "set", "await notification", "notify"]
        ),
        which,
    ),
    st.tuples(st.sampled_from(["await", "await", "cancel"]), st.integers(0, 3)),
)
steps = st.recursive(
    st.lists(simple, max_size=3),
    lambda inside: st.lists(
        st.one_of(simple, st.tuples(st.sampled_from(["lock", "semaphore"]), which, inside)),
        max_size=4,
    ),
    max_leaves=12,
)
worlds = st.builds(World, st.lists(steps, min_size=2, max_size=4))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs a world."""
    PROGRAM.update(compiled(SOURCE))  # not earlier: other tests turn all recording off
    path = tmp_path_factory.mktemp("worlds") / "run.actx"
    return lambda world: timeline_of(path, world.run, world.pause)


def names(timeline: Timeline) -> dict[int, str]:
    """Task -> its name."""
    return {task: known.name for task, known in timeline.tasks.items()}


@given(world=worlds)
@EXAMPLES
def test_who_waits_for_what_and_who_holds_it_is_known_at_every_instant(
    recorded: Any, world: World
) -> None:
    """Whenever all tasks wait, and to the ns from and to which they do."""
    timeline = recorded(world)
    snapshot, waits, name = Snapshot(timeline), timeline.waits, names(timeline)

    for at, expected, holders in world.pauses:
        waiting: dict[str, str] = {}
        for task in name:
            row, wait = snapshot.waiting_at(task, at), waits.at(task, at)
            if row is not None:
                resource = timeline.resource[row]
                kind = timeline.resources[resource].kind
                waiting[name[task]] = kind
                if kind != "condition":
                    number = int(name[task].split()[1])
                    held_by = [
                        name[snapshot.holder(hold, at)] for hold in snapshot.holders(resource, at)
                    ]
                    assert sorted(held_by) == [f"task {each}" for each in holders[number]]
            elif wait is not None and name[task].startswith("task"):
                waiting[name[task]] = WaitKind(waits.kind[wait]).label
        assert {n: w for n, w in waiting.items() if n.startswith("task")} == {
            f"task {task}": what for task, (what, _) in expected.items()
        }


@given(world=worlds)
@EXAMPLES
def test_a_program_hangs_if_and_only_if_that_is_found_for_certain(
    recorded: Any, world: World
) -> None:
    """All tasks that are left are the ones that can never go on; a program that ends has none."""
    timeline = recorded(world)
    snapshot, name = Snapshot(timeline), names(timeline)
    faults = [
        each
        for each in find(timeline)
        if each.certainty == "certain"
        and each.kind not in OBSERVATIONS
        # A cancellation may end a deadlock; that it was one is true all the same.
        and "broken up from outside" not in each.summary
    ]

    if world.finished:
        assert faults == []
        assert stuck_tasks(snapshot) == {}
    else:
        main = {task for task in name if not name[task].startswith("task")}
        left = {f"task {task}" for task in world.pauses[-1][1]}
        assert {name[task] for task in stuck_tasks(snapshot) if task not in main} == left
        # Whoever awaits workers that wait for more work may mean it.
        assert faults or are_idle_workers(snapshot, stuck_tasks(snapshot).values())
        assert {name[task] for each in faults for task in each.tasks if task not in main} <= left
        assert {each.kind for each in faults} <= {"deadlock", "still-waiting"}


@given(world=worlds)
@EXAMPLES
def test_blame_adds_up_to_the_time_that_tasks_waited(recorded: Any, world: World) -> None:
    """That time is what the programs themselves know of it, but for the time of the events."""
    timeline = recorded(world)
    snapshot = Snapshot(timeline)
    waited: Counter[str] = Counter()
    ends = [*(at for at, _, _ in world.pauses[1:]), timeline.end or 0]
    for (at, waiting, _), until in zip(world.pauses, ends, strict=False):
        for what, _ in waiting.values():
            waited[what] += until - at
    total: Counter[str] = Counter()

    for resource in snapshot.limited:
        blamed = blame(snapshot, resource)
        assert sum(share.ns for share in blamed.shares) == blamed.blamed
        assert blamed.blamed + blamed.unknown == blamed.total
        assert blamed.total == snapshot.occupancy(resource).total_wait
        total[timeline.resources[resource].kind] += blamed.total
    slack = len(timeline.facts) * FACT * max(1, len(world.programs))
    for kind in ("lock", "semaphore"):
        assert abs(total[kind] - waited[kind]) <= slack


@given(world=worlds)
@settings(EXAMPLES, max_examples=40)
def test_every_waited_ns_is_charged_once_to_whoever_made_it_last(
    recorded: Any, world: World
) -> None:
    """Through queues, events, conditions, locks and joins, as every moment by itself says."""
    assert_same_charges(recorded(world))
