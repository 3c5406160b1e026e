"""What is held while its task waits for anything is reported if others wait for it meanwhile."""

from __future__ import annotations

import pytest

from analysis.support.builders import Story
from asyncctx_trace.analysis.findings import Finding, find
from asyncctx_trace.model.waits import WaitKind


def held_across_waits(story: Story) -> list[Finding]:
    """The findings of that kind."""
    return [each for each in find(story.timeline()) if each.kind == "held-across-wait"]


def held_while(
    kind: WaitKind, *, resource: str = "lock", capacity: int = 1, times: int = 2
) -> Story:
    """One task after the other acquires the resource and waits for 50 ms while it holds it."""
    story = Story()
    story.resource(resource, resource, capacity)
    story.task("other")
    at = 0.0
    for number in range(capacity - 1):
        story.gets_in(0, story.asks(0, f"long {number}", resource))
    story.task_gone(900, "other")
    for number in range(times + 1):
        held = story.asks(0, f"task {number}", resource, 5)
        story.gets_in(at, held)
        if number < times:
            targets = ("other",) if kind is WaitKind.TASK else ()
            wait = story.awaits(at, f"task {number}", kind, None, 7, targets)
            story.wakes(at + 50, wait, "other" if kind is WaitKind.EVENT else None)
            at += 50
        story.leaves(at, held)
        story.is_out(at, held)
    return story


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (WaitKind.SLEEP, "a timer"),
        (WaitKind.IO, "input or output"),
        (WaitKind.TASK, "the end of other"),
        (WaitKind.EVENT, "event"),
    ],
)
def test_whatever_is_waited_for_under_a_lock_is_told_of(kind: WaitKind, what: str) -> None:
    """A rate limiter's sleep, too."""
    (found,) = held_across_waits(held_while(kind))

    assert (found.certainty, found.count) == ("certain", 2)
    assert (
        found.summary == f"task 0 held `lock` at app.py:5 while it waited for {what} at app.py:7, "
        "and others waited 150 ms for it meanwhile (2 times)."
    )


def test_a_semaphore_that_bounds_work_is_left_alone() -> None:
    """To sleep, to read and to await tasks is work."""
    for kind in (WaitKind.SLEEP, WaitKind.IO, WaitKind.THREAD, WaitKind.TASK):
        story = held_while(kind, resource="semaphore", capacity=2)

        assert held_across_waits(story) == []


def test_a_semaphore_that_is_held_while_another_task_is_waited_for_is_told_of() -> None:
    """Its permits do not bound work then."""
    (found,) = held_across_waits(held_while(WaitKind.EVENT, resource="semaphore", capacity=2))

    assert "held `semaphore` at app.py:5 while it waited for event at app.py:7" in found.summary


def test_what_is_set_up_once_under_a_lock_is_left_alone() -> None:
    """The first task opens a client, the others find it open."""
    assert held_across_waits(held_while(WaitKind.IO, times=1)) == []


def test_leaving_a_task_group_under_a_lock_is_to_wait_for_its_tasks() -> None:
    """No event but its exit says so."""
    story = Story()
    story.resource("lock")
    story.resource("group", "task group", None)
    held = story.asks(0, "holder", "lock", 5)
    story.gets_in(0, held)
    group = story.asks(0, "holder", "group", 6)
    story.gets_in(0, group)
    story.leaves(10, group)
    waiting = story.asks(10, "waiter", "lock", 9)
    story.is_out(60, group)
    story.leaves(60, held)
    story.is_out(60, held)
    story.gets_in(60, waiting)
    story.wakes(70, story.awaits(60, "waiter", WaitKind.SLEEP))

    (found,) = held_across_waits(story)

    assert "held `lock` at app.py:5 while it waited for the tasks in `group` at app.py:6" in (
        found.summary
    )
