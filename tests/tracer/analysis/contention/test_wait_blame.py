"""Whoever lets a task wait for an item, an event or a task is charged for it, to the ns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from analysis.support.builders import MS, Story
from analysis.support.simulation import Scene, Simulation, scenes
from analysis.support.wait_oracle import assert_same_charges
from analysis.test_against_the_oracle import WAKERS
from asyncctx_trace.analysis.contention import wait_blame as limits
from asyncctx_trace.analysis.contention.wait_blame import wait_blame
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.wait_statistics import wait_groups
from asyncctx_trace.model.waits import WaitKind


def shares(story: Story, kind: WaitKind) -> list[tuple[str, str, str, float]]:
    """Task, line, what it did, ms: for the only group of waits of ``kind``."""
    snapshot = Snapshot(story.timeline())
    blamed = wait_blame(snapshot)
    for group in wait_groups(snapshot):
        assert sum(share.ns for share in blamed.of(group)) == group.duration.total
    (group,) = [each for each in wait_groups(snapshot) if each.kind is kind]
    return [
        (
            "" if share.task is None else snapshot.task_name(share.task),
            snapshot.site_label(share.site) if share.site else "",
            share.reason,
            share.ns / MS,
        )
        for share in blamed.of(group)
    ]


def test_a_consumer_is_kept_waiting_by_what_the_producer_does() -> None:
    """It sleeps in one line, and then works on after it; the item is put at the end of that."""
    story = Story()
    story.task("producer")
    item = story.awaits(0, "consumer", WaitKind.QUEUE_GET, "jobs", 7)
    story.wakes(60, story.awaits(10, "producer", WaitKind.SLEEP, None, 12))
    story.wakes(100, item, "producer")

    assert shares(story, WaitKind.QUEUE_GET) == [
        ("producer", "app.py:12", "waited", 50),
        ("producer", "app.py:12", "ran", 40),
        ("producer", "", "ran", 10),
    ]


def test_the_holder_of_the_lock_that_the_producer_enters_is_charged() -> None:
    """And if that one waits itself, whoever ends it."""
    story = Story()
    story.resource("lock")
    story.task("setter")
    story.pass_through("holder", "lock", 0, 0, 80, line=3)
    inner = story.awaits(30, "holder", WaitKind.EVENT, "ready", 4)
    item = story.awaits(10, "consumer", WaitKind.QUEUE_GET, "jobs", 7)
    story.pass_through("producer", "lock", 20, 80, 90, line=12)
    story.wakes(50, inner, "setter")
    story.wakes(100, item, "producer")

    assert shares(story, WaitKind.QUEUE_GET) == [
        ("holder", "app.py:3", "held", 40),
        ("setter", "", "ran", 20),
        ("producer", "app.py:12", "ran", 20),
        ("producer", "", "ran", 10),
    ]


def test_several_holders_of_a_semaphore_share_it() -> None:
    """Equally, and the odd ns is not lost."""
    story = Story()
    story.resource("pool", "semaphore", 3)
    for number in range(3):
        story.pass_through(f"holder-{number}", "pool", 0, 0, 50, line=3)
    item = story.awaits(10, "consumer", WaitKind.QUEUE_GET, "jobs", 7)
    story.pass_through("producer", "pool", 10, 50, 50, line=12)
    story.wakes(50, item, "producer")

    charged = shares(story, WaitKind.QUEUE_GET)
    assert sorted(each[:3] for each in charged) == [
        (f"holder-{number}", "app.py:3", "held") for number in range(3)
    ]
    assert {round(each[3] * MS) for each in charged} == {13_333_333, 13_333_334}


def test_nobody_is_charged_for_what_no_task_ends() -> None:
    """A worker waits for work that never comes, at its own line; nor is a task that waits back."""
    story = Story()
    story.awaits(10, "worker", WaitKind.QUEUE_GET, "jobs", 7)
    story.task("other")
    story.ends(100)
    assert shares(story, WaitKind.QUEUE_GET) == [("worker", "app.py:7", "waited", 90)]

    story = Story()
    story.awaits(20, "one", WaitKind.TASK, None, 7, ("other",))
    story.awaits(20, "other", WaitKind.TASK, None, 7, ("one",))
    story.ends(100)
    assert {each[:3] for each in shares(story, WaitKind.TASK)} == {
        ("one", "app.py:7", "waited"),
        ("other", "app.py:7", "waited"),
    }


def test_while_a_task_does_not_exist_its_creator_is_waited_for() -> None:
    """The producer is started late, and puts the item at once."""
    story = Story()
    story.task("main")
    story.task("producer", at=70, parent="main")
    item = story.awaits(0, "consumer", WaitKind.QUEUE_GET, "jobs", 7)
    story.wakes(70, story.awaits(0, "main", WaitKind.SLEEP, None, 20))
    story.wakes(80, item, "producer")

    assert shares(story, WaitKind.QUEUE_GET) == [
        ("main", "app.py:20", "waited", 70),
        ("producer", "", "ran", 10),
    ]


def test_a_loop_that_stands_still_is_charged_to_the_line_that_blocks_it() -> None:
    """Whatever the producer does meanwhile."""
    story = Story()
    story.task("producer")
    story.task("blocker")
    item = story.awaits(0, "consumer", WaitKind.QUEUE_GET, "jobs", 7)
    nap = story.awaits(0, "producer", WaitKind.SLEEP, None, 12)
    story.stands_still(100, 400, "blocker", 9)
    story.wakes(400, nap)
    story.wakes(400, item, "producer")

    assert shares(story, WaitKind.QUEUE_GET) == [
        ("blocker", "app.py:9", "stalled", 300),
        ("producer", "app.py:12", "waited", 100),
    ]


@given(scenes(), WAKERS.filter(bool))
@settings(max_examples=80, deadline=None)
def test_it_is_what_every_moment_says_and_adds_up(scene: Scene, wakers: list[int]) -> None:
    """Random tasks over locks and semaphores that also wait for each other."""
    assert_same_charges(Simulation(scene, wakers=wakers).timeline())


def test_beyond_the_limit_of_waits_the_shorter_ones_are_charged_to_their_waker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a long recording is not followed for ever; nothing is lost."""
    monkeypatch.setattr(limits, "_MOST_FOLLOWED", 1)
    story = Story()
    story.task("producer")
    long, short = (story.awaits(0, who, WaitKind.QUEUE_GET, "jobs", 7) for who in ("a", "b"))
    nap = story.awaits(0, "producer", WaitKind.SLEEP, None, 12)
    story.wakes(10, short, "producer")
    story.wakes(50, nap)
    story.wakes(50, long, "producer")
    kinds: dict[Any, float] = {}
    for _, _, reason, ms in shares(story, WaitKind.QUEUE_GET):
        kinds[reason] = kinds.get(reason, 0) + ms

    assert kinds == {"waited": 50, "ran": 10}
