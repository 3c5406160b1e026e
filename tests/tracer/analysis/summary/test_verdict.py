"""The first sentence names the culprit."""

from __future__ import annotations

import re

import pytest

from analysis.support.builders import Story
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.model.events import Interrupted, Outcome


def first_of(story: Story) -> str:
    """The first sentence of the report on ``story``."""
    return report(Snapshot(story.timeline())).opening[0]


def a_queue(kind: str = "lock", capacity: int = 1) -> Story:
    """One long hold that keeps five tasks waiting."""
    story = Story()
    story.resource("thing", kind, capacity)
    for number in range(capacity):
        story.pass_through(f"slow{number}", "thing", 0, 0, 400, line=7)
    for number in range(5):
        story.pass_through(f"t{number}", "thing", 10, 400 + number, 401 + number, line=3)
    return story


def test_a_hold_that_kept_others_waiting_is_the_culprit() -> None:
    """Function, site, resource, how long it was held, how many waited how long."""
    assert first_of(a_queue()) == (
        "main (app.py:7) held `thing` for 400 ms, while up to 5 tasks waited at once: "
        "1.95 s of waiting in all, 99 % of the total."
    )


def test_the_caller_of_a_helper_is_named_with_it() -> None:
    """A pool's own `acquire` says nothing about who kept the connection."""
    story = Story()
    story.resource("Pool.acquire", "generator", None)
    story.resource("free", "semaphore", 1)
    outer = story.asks(0, "export", "Pool.acquire", 50)
    inner = story.asks(0, "export", "free", 5)
    story.gets_in(1, inner)
    story.gets_in(2, outer)
    story.asks(3, "other", "free", 5)
    story.leaves(900, outer)
    story.leaves(901, inner)
    story.is_out(902, inner)
    story.is_out(903, outer)

    assert "main (app.py:5), entered by main (app.py:50), held the semaphore" in first_of(story)


def test_a_queue_that_is_meant_is_not_called_a_fault() -> None:
    """A semaphore bounds work; without a finding about it that is said, and where it waits."""
    story = a_queue("semaphore", 2)

    assert first_of(story).startswith("No findings. Tasks waited longest because main (app.py:7) ")


def test_who_says_why_it_was_held_comes_first() -> None:
    """A leak at the site of the culprit is the answer, not that it was held."""
    story = Story()
    story.gets_in(0, story.asks(0, "forgets", "thing", 7))
    story.task_gone(1, "forgets")
    for number in range(5):
        story.asks(10, f"t{number}", "thing", 3)
    story.ends(5000)

    assert first_of(story).startswith("Leak: `thing` at app.py:7 was entered by forgets")


def test_a_deadlock_comes_before_everything() -> None:
    """Nothing else matters to tasks that cannot go on."""
    story = a_queue()
    for task, lock in (("a", "one"), ("b", "two")):
        story.gets_in(500, story.asks(500, task, lock, 1))
    for task, lock in (("a", "two"), ("b", "one")):
        story.gives_up(600, story.asks(510, task, lock, 2), Outcome.CANCELLED)

    assert first_of(story).startswith("Deadlock: a waits for `two` at app.py:2 held by b")


@pytest.mark.parametrize(
    ("lasts", "first"), [(True, "Interrupted by Ctrl-C"), (False, "main (app")]
)
def test_what_hung_when_it_was_interrupted_comes_first(lasts: bool, first: str) -> None:
    """A service that is stopped while all goes on has its culprit first."""
    story = a_queue()
    if lasts:
        story.gets_in(500, story.asks(500, "holder", "other", 8))
        story.asks(500, "stuck", "other", 9)
    story.events.append(Interrupted(1_000_000_000 + 5_000_000_000, 1, "SIGINT"))
    reported = report(Snapshot(story.timeline()))

    assert reported.opening[0].startswith(first)
    assert sum("Interrupted" in sentence for sentence in reported.opening) == 1


def test_a_cleanup_that_hung_when_it_was_interrupted_comes_first_as_well() -> None:
    """`pool.close()` that waits for ever hangs a program like a lock does."""
    story = Story()
    closing = story.asks(0, "main", "pool", 9)
    story.gets_in(1, closing)
    story.leaves(2, closing)
    story.events.append(Interrupted(1_000_000_000 + 5_000_000_000, 1, "SIGINT"))
    reported = report(Snapshot(story.timeline()))

    assert len(reported.opening) == 1
    assert "main was in the exit of `pool` at app.py:9 for 5.00 s" in reported.opening[0]


def test_where_nothing_was_wrong_it_says_so() -> None:
    """And what was looked at."""
    story = Story()
    story.pass_through("t", "thing", 0, 0, 10)
    story.ends(10)
    reported = report(Snapshot(story.timeline()))

    assert reported.verdict == (
        "No findings: no task waited for another one. 1 acquisition of 1 resource by 1 task in "
        "10.0 ms."
    )


def test_nothing_at_all_is_said_as_well() -> None:
    """An empty recording mostly means that nothing was traced."""
    assert re.match("Nothing was acquired", first_of(Story()))
