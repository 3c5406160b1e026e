"""Waits that nobody seems to be left to end, in a program that something could still wake."""

from __future__ import annotations

import pytest

from analysis.support.builders import Story
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


def in_block(story: Story, at: float, task: str, line: int) -> int:
    """``task`` enters the condition in that line, of a function of its own."""
    for each in (line, line + 1):
        story.site(each, function=f"function at {line}")
    entered = story.asks(at, task, "changed", line)
    story.gets_in(at, entered)
    return entered


def waits_in(story: Story, at: float, task: str, line: int) -> int:
    """``task`` enters the condition in that line, and waits for a notification in the next."""
    entered = in_block(story, at, task, line)
    story.leaves(at, entered, line=line + 1)
    story.is_out(at, entered)
    return story.awaits(at, task, WaitKind.CONDITION, "changed", line + 1)


def notified_in(line: int) -> Story:
    """A reader was notified by a block of another task; then it and a writer wait."""
    story = Story()
    story.resource("changed", "condition", 1)
    first = waits_in(story, 0, "reader", 5)
    story.task("other")
    story.wakes(10, first, "other")
    block = in_block(story, 9, "other", line)
    story.leaves(11, block)
    story.is_out(11, block)
    waits_in(story, 20, "reader", 5)
    waits_in(story, 30, "writer", 7)
    story.interrupted(5_020)
    return story


def test_tasks_that_notify_each_other_may_all_wait() -> None:
    """It was only ever notified in a function in which a task waits now."""
    found = still_waiting(notified_in(7))

    assert [each.certainty for each in found] == ["possible", "possible"]
    assert found[0].summary == (
        "reader still waits for a notification of `changed` at app.py:6, since 5.00 s (so far "
        "notified by other)."
    )


def test_workers_that_wait_for_work_are_left_alone() -> None:
    """Whoever brings work does so elsewhere."""
    assert still_waiting(notified_in(9)) == []


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
