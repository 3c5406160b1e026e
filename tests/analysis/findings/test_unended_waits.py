"""Waits that nobody seems to be left to end, in a program that something could still wake."""

from __future__ import annotations

import pytest

from analysis.builders import Story
from asyncctx_trace.analysis.findings import Finding, find
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind


def still_waiting(story: Story) -> list[Finding]:
    """The findings of that kind."""
    return [each for each in find(story.timeline()) if each.kind == "still-waiting"]


def a_producer_whose_consumer(*, ends: bool, signal: str = "SIGINT") -> Story:
    """It had room for one item more because of the consumer, and waits for more room.

    The signal ends the program 5 s later, by cancelling it.
    """
    story = Story()
    first = story.awaits(0, "producer", WaitKind.QUEUE_PUT, "jobs", 5)
    story.task("consumer")
    story.wakes(10, first, "consumer")
    second = story.awaits(20, "producer", WaitKind.QUEUE_PUT, "jobs", 5)
    if ends:
        story.task_gone(30, "consumer")
    story.interrupted(5_020, signal)
    story.wakes(5_021, second, outcome=Outcome.CANCELLED)
    return story


def test_a_producer_whose_consumers_have_all_ended_may_wait_for_ever() -> None:
    """The finding says on what, since when, and who could have ended it."""
    (found,) = still_waiting(a_producer_whose_consumer(ends=True))

    assert (found.certainty, found.tasks) == ("possible", (1,))
    assert found.summary == (
        "producer still waits for room in `jobs` at app.py:5, since 5.00 s (items were taken by "
        "consumer, which has ended)."
    )


def test_a_producer_with_a_consumer_is_left_alone() -> None:
    """It may just be slow."""
    assert still_waiting(a_producer_whose_consumer(ends=False)) == []


def test_a_service_that_is_stopped_in_good_order_is_left_alone() -> None:
    """SIGTERM says nothing about its waits."""
    assert still_waiting(a_producer_whose_consumer(ends=True, signal="SIGTERM")) == []


def notified_by(*waker: str) -> Story:
    """Two tasks wait for a condition; the first one had been notified by ``waker`` before."""
    story = Story()
    story.resource("changed", "event", None)
    first = story.awaits(0, "reader", WaitKind.CONDITION, "changed", 5)
    for each in ("writer", *waker):
        story.task(each)
    story.wakes(10, first, waker[0])
    story.awaits(20, "reader", WaitKind.CONDITION, "changed", 5)
    story.awaits(20, "writer", WaitKind.CONDITION, "changed", 7)
    story.interrupted(5_020)
    return story


def test_tasks_that_notify_each_other_may_all_wait() -> None:
    """Nobody else ever notified one of them."""
    found = still_waiting(notified_by("writer"))

    assert [(each.certainty, each.tasks) for each in found] == [("possible", (1,))]
    assert "(so far notified by writer)" in found[0].summary


def test_workers_that_wait_for_work_are_left_alone() -> None:
    """Whoever brings work does not wait for it, or is another request each time."""
    assert still_waiting(notified_by("handler")) == []
    gone = notified_by("handler")
    gone.task_gone(15, "handler")
    assert still_waiting(gone) == []


@pytest.mark.parametrize("kind", [WaitKind.QUEUE_GET, WaitKind.EVENT, WaitKind.RECEIVE])
def test_who_waits_for_the_next_item_or_for_its_end_may_mean_it(kind: WaitKind) -> None:
    """Even if all who brought items so far have ended."""
    story = Story()
    first = story.awaits(0, "worker", kind, "jobs", 5)
    story.task("client")
    story.wakes(10, first, "client")
    story.task_gone(11, "client")
    story.awaits(20, "worker", kind, "jobs", 5)
    story.interrupted(5_020)

    assert still_waiting(story) == []
