"""Random programs, simulated at two sizes: the replay of one foretells the other."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.support.simulation import Program, Scene, Simulation
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.changes import Changes
from asyncctx_trace.analysis.what_if.programs import build_model
from asyncctx_trace.analysis.what_if.replay import replay

EXAMPLES = settings(max_examples=60, deadline=None)
TICK = 1_000
"""ns of a time unit of the simulation; its events take 1 ns each."""


@dataclass
class Resized:
    """A program, and other capacities for its resources."""

    scene: Scene
    capacities: tuple[int, ...]


@st.composite
def resized(draw: st.DrawFn) -> Resized:
    """Up to seven tasks that pass through up to three resources, nested or one by one.

    No two sums of sleeps are the same, so that the order of events has one meaning only.
    """
    count = draw(st.integers(1, 3))
    seeds = random.Random(draw(st.integers(0, 1_000)))

    def sleep() -> int:
        return seeds.randrange(1, 1 << 24)

    def program(lowest: int) -> Program:
        doing: list[int | tuple[int, Program]] = [sleep()]
        if lowest <= count and draw(st.booleans()):
            resource = draw(st.integers(lowest, count))
            doing += [(resource, program(resource + 1)), sleep()]
        return tuple(doing)

    def rounds() -> Program:
        return tuple(step for _ in range(draw(st.integers(1, 3))) for step in program(1))

    capacities = st.tuples(*[st.integers(1, 3)] * count)
    programs = tuple(rounds() for _ in range(draw(st.integers(2, 7))))
    return Resized(Scene(draw(capacities), programs), draw(capacities))


def waits_of(timeline: Timeline, waits: dict[int, int]) -> list[list[int]]:
    """The waits of each task, in the order in which it acquires."""
    return [[waits[row] for row in rows] for _, rows in sorted(timeline.rows_of_task.items())]


@given(resized(), st.sampled_from([(), (0,)]))
@EXAMPLES
def test_a_replay_with_other_capacities_is_the_program_with_these(
    case: Resized, wakers: tuple[int, ...]
) -> None:
    """Wait by wait, whether the pauses of the program are recorded or not."""
    recorded = Simulation(case.scene, fine=True, wakers=wakers).timeline()
    really = Simulation(replace(case.scene, capacities=case.capacities), fine=True).timeline()
    changes = Changes(capacities=dict(enumerate(case.capacities, 1)))

    foretold = replay(build_model(recorded), changes.capacities)

    assert not foretold.stuck
    expected = waits_of(really, build_model(really).measured)
    for mine, true in zip(waits_of(recorded, foretold.waits), expected, strict=True):
        for wait, truth in zip(mine, true, strict=True):
            assert abs(wait - truth) < TICK
