"""Blame runs through tasks that wait for other tasks, and to the line that blocks a loop."""

from __future__ import annotations

import pytest

from analysis.support.builders import MS, Story
from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.kernels.choice import Kernels, plain_kernels, vectorized_kernels
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.waits import WaitKind


@pytest.fixture(params=["plain", "vectorized"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Each implementation."""
    if request.param == "plain":
        return plain_kernels()
    pytest.importorskip("numpy")
    return vectorized_kernels(few_rows=1)


def shares(
    story: Story, kernels: Kernels
) -> list[tuple[str, tuple[str, ...], float, str, str | None]]:
    """Holder, path, ms, and the line and the task that kept the holder from going on."""
    snapshot = Snapshot(story.timeline(), kernels=kernels)
    blamed = blame(snapshot, 1)
    assert blamed.unknown + sum(share.ns for share in blamed.shares) == blamed.total
    return [
        (
            snapshot.task_name(share.task),
            tuple(map(snapshot.resource_name, share.path)),
            share.ns / MS,
            "" if share.cause is None else snapshot.site_label(share.cause.site),
            None
            if share.cause is None or share.cause.task is None
            else snapshot.task_name(share.cause.task),
        )
        for share in blamed.shares
    ]


def lock_held_while(story: Story, until: float = 100) -> None:
    """From 0 on, while another task waits for it from 10 on."""
    story.resource("lock")
    held = story.asks(0, "holder", "lock")
    story.gets_in(0, held)
    waiting = story.asks(10, "waiter", "lock")
    story.leaves(until, held)
    story.is_out(until, held)
    story.gets_in(until, waiting)
    story.leaves(until, waiting)
    story.is_out(until, waiting)


def test_a_holder_that_waits_for_a_queue_waits_for_its_producer(kernels: Kernels) -> None:
    """Which task put the item, and at which line the holder waited for it."""
    story = Story()
    lock_held_while(story)
    story.task("producer")
    story.wakes(70, story.awaits(40, "holder", WaitKind.QUEUE_GET, "jobs", 7), "producer")

    assert shares(story, kernels) == [
        ("holder", ("lock",), 60, "", None),
        ("holder", ("lock",), 30, "app.py:7", "producer"),
    ]


def test_a_sleep_under_a_lock_is_the_line_that_sleeps(kernels: Kernels) -> None:
    """No task ends it."""
    story = Story()
    lock_held_while(story)
    story.wakes(100, story.awaits(0, "holder", WaitKind.SLEEP, None, 7))

    assert shares(story, kernels) == [("holder", ("lock",), 90, "app.py:7", None)]


def test_who_waits_for_a_task_that_waits_for_a_lock_waits_for_its_holder(
    kernels: Kernels,
) -> None:
    """While that one holds it; the path names both locks."""
    story = Story()
    lock_held_while(story)
    story.pass_through("owner", "other", 0, 0, 60, line=5)
    child = story.asks(20, "child", "other", 6)
    story.gets_in(60, child)
    story.leaves(80, child)
    story.is_out(80, child)
    story.wakes(80, story.awaits(20, "holder", WaitKind.TASK, None, 7, ("child",)), "child")

    assert shares(story, kernels) == [
        ("owner", ("lock", "other"), 40, "", None),
        ("holder", ("lock",), 30, "", None),
        ("holder", ("lock",), 20, "app.py:7", "child"),
    ]


def test_a_chain_of_wakers_ends_at_the_one_that_worked(kernels: Kernels) -> None:
    """The holder waits for an event, whose setter waits for a queue."""
    story = Story()
    lock_held_while(story)
    story.task("setter")
    story.task("producer")
    inner = story.awaits(15, "setter", WaitKind.QUEUE_GET, "jobs", 8)
    story.wakes(90, story.awaits(10, "holder", WaitKind.EVENT, "ready", 7), "setter")
    story.wakes(60, inner, "producer")

    assert shares(story, kernels) == [
        ("holder", ("lock",), 45, "app.py:8", "producer"),
        ("holder", ("lock",), 35, "app.py:7", "setter"),
        ("holder", ("lock",), 10, "", None),
    ]


def test_gather_under_a_lock_waits_for_the_last_to_end(kernels: Kernels) -> None:
    """Its own callback wakes the holder, in no task."""
    story = Story()
    lock_held_while(story)
    waits = story.awaits(10, "holder", WaitKind.TASKS, None, 7, ("quick", "slow"))
    story.task_gone(30, "quick")
    story.task_gone(99, "slow")
    story.wakes(100, waits)

    assert shares(story, kernels) == [("holder", ("lock",), 90, "app.py:7", "slow")]


def test_tasks_that_wait_for_each_other_end_the_chain(kernels: Kernels) -> None:
    """What they hang on has no other name than the wait itself."""
    story = Story()
    lock_held_while(story)
    story.awaits(20, "holder", WaitKind.TASK, None, 7, ("other",))
    story.awaits(20, "other", WaitKind.TASK, None, 8, ("holder",))

    assert shares(story, kernels) == [
        ("holder", ("lock",), 80, "app.py:8", "holder"),
        ("holder", ("lock",), 10, "", None),
    ]


def test_a_loop_that_stands_still_is_charged_to_the_line_that_blocks_it(
    kernels: Kernels,
) -> None:
    """Whatever is held, waited for, or free but given to nobody meanwhile."""
    story = Story()
    story.resource("lock")
    story.task("blocker")
    held = story.asks(0, "holder", "lock")
    story.gets_in(0, held)
    story.awaits(0, "holder", WaitKind.SLEEP, None, 7)
    waiting = story.asks(10, "waiter", "lock")
    story.stands_still(100, 400, "blocker", 9)
    story.leaves(300, held)
    story.is_out(300, held)
    story.gets_in(400, waiting)
    story.leaves(400, waiting)
    story.is_out(400, waiting)

    assert shares(story, kernels) == [
        ("holder", ("lock",), 200, "app.py:9", "blocker"),
        ("blocker", ("lock",), 100, "app.py:9", "blocker"),
        ("holder", ("lock",), 90, "app.py:7", None),
    ]
    by_site = blame(Snapshot(story.timeline(), kernels=kernels), 1).by_site()
    assert (by_site[0][0], by_site[0][2]) == (story.site(9), 300 * MS)
