"""Single operations, where both implementations must give a value known by hand."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import pytest

from analysis.support.builders import Story
from asyncctx_trace.analysis.kernels import plain
from asyncctx_trace.analysis.kernels.protocol import Operations
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import EnterEnded, EnterStarted
from asyncctx_trace.model.outcomes import Outcome


@pytest.fixture(params=["plain", "vectorized"])
def operations(request: pytest.FixtureRequest) -> Operations:
    """Each implementation."""
    if request.param == "plain":
        return plain
    pytest.importorskip("numpy")
    name = "asyncctx_trace.analysis.kernels.vectorized"
    return cast("Operations", import_module(name))  # a module is an implementation


def test_the_last_acquisition_of_an_id_is_the_parent(operations: Operations) -> None:
    """An id comes up twice if a recording repeats an acquisition that had ended meanwhile."""
    timeline = Timeline(
        [
            EnterStarted(1, 7, None, 1, "m", 1, 1),
            EnterEnded(2, 7, Outcome.CANCELLED, None),
            EnterStarted(3, 7, None, 1, "m", 1, 1),
            EnterStarted(4, 8, 7, 1, "m", 1, 1),
        ]
    )

    assert list(operations.parents(timeline)) == [-1, -1, 1]


def test_a_task_with_an_open_acquisition_below_another_one_overlaps(
    operations: Operations,
) -> None:
    """Even if that one never exits; a task with one after the other need not be in the result."""
    story = Story()
    story.gets_in(0, story.asks(0, "open", "outer"))
    story.pass_through("open", "inner", 10, 10, 20)
    timeline = story.timeline()

    assert 1 in list(operations.tasks_with_overlaps(timeline, timeline.rows_of_task))


def test_to_enter_at_the_same_time_is_not_to_be_overtaken(operations: Operations) -> None:
    """Of three that enter at once, none is; the one that enters after them is."""
    story = Story()
    story.resource("pool", "pool", 4)
    for name, asked, entered in (("a", 0, 90), ("b", 10, 50), ("c", 20, 50), ("d", 30, 50)):
        story.pass_through(name, "pool", asked, entered, 100)
    timeline = story.timeline()

    assert operations.overtaken(timeline, timeline.rows_of_resource[1]) == 1


def test_an_exit_in_another_task_splits_the_hold(operations: Operations) -> None:
    """Each task has its part, in order of time."""
    story = Story()
    one = story.asks(0, "one", "lock")
    story.gets_in(10, one)
    story.task("two")
    story.leaves(20, one, task="two")
    story.is_out(30, one)
    timeline = story.timeline()
    start = timeline.start or 0
    holds = operations.holds(timeline, timeline.rows_of_resource[1], timeline.end or 0)

    assert list(holds.tasks) == [1, 2]
    assert [(at - start) // 1_000_000 for at in holds.starts] == [10, 20]
    assert [(at - start) // 1_000_000 for at in holds.ends] == [20, 30]


def test_walking_down_a_tree_of_locks_is_left_out_only_on_request(operations: Operations) -> None:
    """One task takes `node`, then `index`, then another `node`: by name, x, y, x."""
    story = Story()
    for name in ("root", "index", "leaf"):
        story.resource(name)
    for at, name in enumerate(("root", "index", "leaf")):
        story.gets_in(at, story.asks(at, "task", name, 30 if name == "index" else 10))
    timeline = story.timeline()
    nestings = operations.nestings(timeline, [1, 2, 3], operations.parents(timeline))

    assert len(operations.nesting_steps(timeline, nestings, "site", trees=True)) == 2
    assert len(operations.nesting_steps(timeline, nestings, "site", trees=False)) == 0
