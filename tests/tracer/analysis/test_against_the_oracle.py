"""Random programs: what the analysis says is what looking at every tick says."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.support.oracle import Oracle
from analysis.support.simulation import Scene, Simulation, scenes
from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.contention.costs import contention
from asyncctx_trace.analysis.contention.critical_path import critical_path
from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.deadlocks.cycles import MIN_AGE, cycles_of, deadlocks_at
from asyncctx_trace.analysis.deadlocks.lock_order import inversions
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.snapshot import Snapshot

EXAMPLES = settings(max_examples=120, deadline=None)


WAKERS = st.lists(st.integers(0, 5), max_size=6)
"""Which task ends a wait; 0 for none. Without any, nothing else is waited for."""


@given(scenes(), WAKERS)
@EXAMPLES
def test_blame_is_what_every_tick_says_and_adds_up(scene: Scene, wakers: list[int]) -> None:
    """Each share is right to the ns that rounding costs; together they lose nothing."""
    timeline = Simulation(scene, wakers=wakers).timeline()
    snapshot, oracle = Snapshot(timeline), Oracle(timeline)

    for resource in snapshot.limited:
        blamed = blame(snapshot, resource)
        expected = oracle.blame(resource)
        shares = {
            (s.site, s.task, s.path, (s.cause.site, s.cause.task) if s.cause else None): s.ns
            for s in blamed.shares
        }

        assert blamed.total == oracle.total_wait(resource)
        assert sum(shares.values()) == blamed.blamed == sum(expected.values())
        for key in shares.keys() | expected.keys():
            assert abs(shares.get(key, 0) - expected[key]) < 1


@given(scenes())
@EXAMPLES
def test_whoever_waited_for_a_full_resource_counts_as_contended(scene: Scene) -> None:
    """Counted per acquisition, not per tick."""
    timeline = Simulation(scene).timeline()
    oracle = Oracle(timeline)

    for use in contention(timeline):
        assert use.contended == oracle.contended(use.resource)
        assert use.wait.total == oracle.total_wait(use.resource)


@given(scenes())
@EXAMPLES
def test_every_ring_is_found_and_none_is_made_up(scene: Scene) -> None:
    """Those that hang at the end, and those that a cancellation broke."""
    timeline = Simulation(scene).timeline()

    assert {frozenset(cycle.waits) for cycle in cycles_of(Snapshot(timeline))} == Oracle(
        timeline
    ).cycles()


@given(scenes(cancellation=False))
@EXAMPLES
def test_who_hangs_is_in_a_ring_or_behind_one(scene: Scene) -> None:
    """Where nobody is cancelled, a wait that never ends is a deadlock's, live as afterwards."""
    timeline = Simulation(scene).timeline()
    hanging = set(timeline.in_flight) & {
        row for row in range(len(timeline)) if not timeline.entered(row)
    }
    cycles = deadlocks_at(timeline, (timeline.end or 0) + MIN_AGE)

    assert {row for cycle in cycles for row in (*cycle.waits, *cycle.behind)} == hanging
    assert not hanging or any(
        f.kind == "deadlock" and f.certainty == "certain" for f in find(timeline)
    )


@given(scenes())
@EXAMPLES
def test_contrary_orders_of_two_locks_are_found(scene: Scene) -> None:
    """In different tasks, and not under one and the same lock."""
    timeline = Simulation(scene).timeline()
    found = {
        frozenset(timeline.resource[row] for n in inversion.nestings for row in (n.outer, n.inner))
        for inversion in inversions(Snapshot(timeline))
        if inversion.level == "resource" and len(inversion.nestings) == 2
    }

    assert found == Oracle(timeline).inversions()


@given(scenes())
@EXAMPLES
def test_the_exit_that_let_somebody_in_is_the_one_that_did(scene: Scene) -> None:
    """The simulated semaphores know to whom they gave each place."""
    simulation = Simulation(scene, fine=True)
    timeline = simulation.timeline()
    expected = {row: by for row, by in simulation.let_in_by.items() if timeline.entered(row)}

    assert wakeups(Snapshot(timeline)) == expected


# The second task's exit lets the third one in while the place of the first is promised to somebody
# who is not in yet: the third waits for a holder, though it never meets a full resource.
PROMISED = Scene(capacities=(2,), programs=((0, 1, (1, ())), (1, (1, (2,))), ((1, (3,)), (1, ()))))


@given(scenes())
@example(PROMISED)
@EXAMPLES
def test_the_critical_path_has_no_gap_and_no_needless_wait(scene: Scene) -> None:
    """It leads from the first event of a task to the last event of all.

    It never waits for a holder whose exit is known: it goes through that holder instead.
    """
    simulation = Simulation(scene, fine=True)
    timeline = simulation.timeline()
    path = critical_path(Snapshot(timeline))

    if not path.steps:
        assert not len(timeline)
        return
    assert path.steps[-1].end == timeline.end
    for before, after in zip(path.steps, path.steps[1:], strict=False):
        assert before.end == after.start
        if after.link == "released":
            assert after.by is not None
            assert after.by in simulation.let_in_by.values()
            assert timeline.exit_task[after.by] == before.task
    for step in path.steps:
        let_in_by = simulation.let_in_by.get(-1 if step.row is None else step.row)
        if step.phase == "enter" and let_in_by is not None and timeline.entered(step.row or 0):
            # What is left of the wait is the time from the exit to the enter's end.
            assert step.start >= timeline.exit_ended[let_in_by]


def test_who_waits_for_a_promised_place_waits_for_the_holder_that_gives_one() -> None:
    """The path leads through that holder, which decides when the end comes."""
    timeline = Simulation(PROMISED, fine=True).timeline()
    steps = critical_path(Snapshot(timeline)).steps

    assert [(step.task, step.phase) for step in steps] == [
        (2, None),
        (2, "enter"),
        (2, "body"),
        (2, "exit"),
        (3, "enter"),
        (3, "body"),
        (3, "exit"),
    ]
    assert (steps[4].link, steps[4].by) == ("released", 1)


@given(scenes())
@EXAMPLES
def test_the_occupancy_knows_its_holders_at_every_tick(scene: Scene) -> None:
    """Found by a look at the nearest checkpoint and the few moves after it."""
    timeline = Simulation(scene).timeline()
    snapshot, oracle = Snapshot(timeline), Oracle(timeline)

    for resource in snapshot.limited:
        for at in range(oracle.now + 1):
            assert set(snapshot.holders(resource, at)) == set(oracle.holders(resource, at))
