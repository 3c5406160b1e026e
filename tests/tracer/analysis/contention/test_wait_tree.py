"""The tree of waiting: a task, the holders that it waits for, and so on."""

from __future__ import annotations

from analysis.support.builders import MS, Story
from analysis.support.wait_story import WaitStory
from asyncctx_trace.analysis.contention.wait_tree import (
    WaitNode,
    first_holder,
    wait_forest,
    wait_tree,
)
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.waits import WaitKind

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


def test_a_wait_for_something_else_says_what_where_since_when_and_who_ends_it() -> None:
    """The end is in the future of the play head."""
    story = WaitStory()
    story.task("producer")
    story.goes_on(50, story.waits(10, "worker", WaitKind.QUEUE_GET, "jobs", 22), "producer")
    story.goes_on(90, story.waits(60, "worker", WaitKind.SLEEP, line=23))
    story.waits(95, "worker", WaitKind.EVENT, "ready", 24)
    story.ends(100)

    assert [tree(story, "worker", at)[0].description for at in (30, 70, 98)] == [
        (
            "worker waits for an item of `jobs` at app.py:22 for 20.0 ms of 40.0 ms, "
            "then woken by producer"
        ),
        "worker waits for a timer at app.py:23 for 10.0 ms of 30.0 ms",
        "worker waits for event `ready` at app.py:24 for 3.00 ms",
    ]


def through_everything() -> WaitStory:
    """``main`` awaits ``a`` and ``b``; ``a`` waits for a lock; its holder waits for an item."""
    story = WaitStory()
    story.waits(0, "main", WaitKind.TASKS, line=5, targets=("a", "b"))
    story.gets_in(1, story.asks(1, "holder", "lock", 10))
    story.asks(2, "a", "lock", 11)
    story.waits(3, "holder", WaitKind.QUEUE_GET, "jobs", 12)
    for number in range(3):
        story.waits(4 + number, f"idle-{number}", WaitKind.EVENT, "stop", 13)
    story.ends(100)
    return story


def test_a_tree_leads_through_tasks_locks_and_queues() -> None:
    """From a task that awaits others to the queue that the holder of a lock waits for."""
    lines = [(node.depth, node.description) for node in tree(through_everything(), "main", 50)]

    assert lines == [
        (0, "main waits for the end of a and 1 more at app.py:5 for 50.0 ms"),
        (1, "a waits for `lock` for 48.0 ms"),
        (
            2,
            (
                "holder holds `lock` for 49.0 ms and waits for an item of `jobs` at app.py:12 "
                "for 47.0 ms"
            ),
        ),
        (1, "b does not wait"),
    ]


def test_the_forest_repeats_nothing_that_is_shown_above() -> None:
    """Tasks that wait for the same thing are one line."""
    timeline = through_everything().timeline()
    snapshot = Snapshot(timeline)
    number = next(n for n, known in timeline.tasks.items() if known.name == "main")
    above = wait_tree(snapshot, number, START + 50 * MS)
    below = wait_forest(snapshot, timeline.tasks, START + 50 * MS, above)
    whole = wait_forest(snapshot, timeline.tasks, START + 50 * MS)

    assert [(node.description, len(node.others)) for node in below] == [
        ("idle-0, idle-1, idle-2 wait for event `stop` at app.py:13 for 46.0 ms", 2)
    ]
    assert whole == [*above, *below]


def test_the_exit_of_a_task_group_waits_for_its_children() -> None:
    """For those that have not ended."""
    story = WaitStory()
    story.resource("TaskGroup", "task group", None)
    group = story.asks(0, "parent", "TaskGroup", 7)
    story.gets_in(0, group)
    story.task("done", 1, parent="parent")
    story.task("busy", 2, parent="parent")
    story.leaves(10, group)
    story.waits(11, "busy", WaitKind.IO, line=8)
    story.task_gone(20, "done")
    story.ends(100)

    assert [node.description for node in tree(story, "parent", 50)] == [
        "parent waits for 1 child of `TaskGroup` at app.py:7 for 40.0 ms",
        "busy waits for input or output at app.py:8 for 39.0 ms",
    ]
    assert [node.description for node in tree(story, "parent", 5)] == ["parent does not wait"]


def test_tasks_that_await_each_other_are_a_cycle() -> None:
    """As for locks."""
    story = WaitStory()
    story.task("b")
    story.waits(0, "a", WaitKind.TASK, targets=("b",))
    story.waits(0, "b", WaitKind.TASK, targets=("a",))
    story.ends(100)
    nodes = tree(story, "a", 50)

    assert nodes[-1].cycle
    assert nodes[-1].description == "a: deadlock, the cycle closes"


def test_a_tree_that_many_tasks_lead_to_is_shown_once() -> None:
    """Else it would grow exponentially with its depth."""
    story = WaitStory()
    for level in range(20):
        names = tuple(f"t{level + 1}-{side}" for side in "ab")
        for side in "ab":
            story.waits(level, f"t{level}-{side}", WaitKind.TASKS, targets=names)
    story.ends(100)

    assert len(tree(story, "t0-a", 50)) < 100
