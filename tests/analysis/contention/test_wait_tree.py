"""The tree of waiting: a task, the holders that it waits for, and so on."""

from __future__ import annotations

from analysis.builders import MS, Story
from asyncctx_trace.analysis.contention.wait_tree import WaitNode, first_holder, wait_tree
from asyncctx_trace.analysis.snapshot import Snapshot

START = 1_000_000_000


def tree(story: Story, task: str, at: int) -> list[WaitNode]:
    """Return the tree of ``task`` at a time in ms."""
    timeline = story.timeline()
    number = next(n for n, known in timeline.tasks.items() if known.name == task)
    return wait_tree(Snapshot(timeline), number, START + at * MS)


def queue() -> Story:
    """``a`` waits for ``b``, which holds ``pool`` and waits for ``c``, which holds ``lock``."""
    story = Story()
    story.resource("pool", "pool", 1)
    story.gets_in(0, story.asks(0, "c", "lock", 30))
    story.gets_in(10, story.asks(10, "b", "pool", 20))
    story.asks(20, "b", "lock", 21)
    story.asks(30, "a", "pool", 10)
    story.ends(100)
    return story


def test_each_holder_is_below_the_task_that_waits_for_it() -> None:
    """With how long each has waited and held."""
    lines = [(node.depth, node.description) for node in tree(queue(), "a", 50)]

    assert lines == [
        (0, "a waits for `pool` for 20.0 ms"),
        (1, "b holds `pool` for 40.0 ms and waits for `lock` for 30.0 ms"),
        (2, "c holds `lock` for 50.0 ms"),
    ]


def test_the_first_holder_is_the_one_that_the_task_waits_for() -> None:
    """None if it does not wait."""
    timeline = queue().timeline()
    holder = first_holder(tree(queue(), "a", 50))

    assert holder is not None
    assert timeline.tasks[holder.task].name == "b"
    assert first_holder(tree(queue(), "c", 50)) is None


def test_a_task_that_does_not_wait_is_alone() -> None:
    """Before it asked, for example."""
    assert [node.description for node in tree(queue(), "a", 25)] == ["a does not wait"]


def test_a_cycle_is_closed_once() -> None:
    """Where a task comes up again, the tree ends and says that it is a deadlock."""
    story = Story()
    story.gets_in(0, story.asks(0, "a", "first", 10))
    story.gets_in(0, story.asks(0, "b", "second", 20))
    story.asks(10, "a", "second", 11)
    story.asks(10, "b", "first", 21)
    story.ends(100)
    nodes = tree(story, "a", 50)

    assert [node.depth for node in nodes] == [0, 1, 2]
    assert [node.cycle for node in nodes] == [False, False, True]
    assert nodes[-1].description.endswith("deadlock, the cycle closes")


def test_a_time_after_the_snapshot_is_the_time_of_the_snapshot() -> None:
    """So that durations do not grow beyond it."""
    assert tree(queue(), "a", 10_000) == tree(queue(), "a", 100)
