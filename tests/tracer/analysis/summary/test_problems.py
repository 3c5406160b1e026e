"""The times at which something went wrong or took long."""

from __future__ import annotations

from analysis.support.builders import MS, Story
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.problems import problems
from asyncctx_trace.model.outcomes import Outcome

START = 1_000_000_000


def found(story: Story) -> list[tuple[float, str]]:
    """Return time in ms and description of each problem."""
    return [
        ((problem.at - START) / MS, problem.description)
        for problem in problems(Snapshot(story.timeline()))
    ]


def test_failures_are_in_order_of_time() -> None:
    """In whatever phase, and whatever order they were recorded in."""
    story = Story()
    story.resource("file", "file", None)
    body = story.asks(0, "a", "file")
    story.gets_in(1, body)
    exit_ = story.asks(0, "b", "file")
    story.gets_in(1, exit_)
    story.leaves(2, exit_)
    story.gives_up(3, story.asks(0, "c", "file"), Outcome.ERROR, "KeyError: x")
    story.leaves(4, body, Outcome.CANCELLED)
    story.is_out(5, body)
    story.is_out(6, exit_, Outcome.TIMED_OUT)

    assert [line for line in found(story) if ": " in line[1] and " at `" in line[1]] == [
        (3.0, "error: c at `file`, KeyError: x"),
        (4.0, "cancelled: a at `file`"),
        (6.0, "timed out: b at `file`"),
    ]


def test_only_waits_for_a_holder_are_long() -> None:
    """A wait for something that is free may be the time that a connection takes."""
    story = Story()
    story.pass_through("holder", "lock", 0, 10, 60)
    story.pass_through("waiter", "lock", 20, 60, 70)

    assert found(story) == [(20.0, "long wait: waiter for `lock`, 40.0 ms")]


def test_findings_of_one_cause_are_one_problem() -> None:
    """At the worst of them, however often it happened."""
    story = Story()
    for number in range(3):
        story.pass_through(f"t{number}", f"r{number}", 0, 0, 10, 1_000 + number)
    story.ends(2_000)
    slow = [line for line in found(story) if line[1].startswith("slow-cleanup")]

    assert [at for at, _ in slow] == [10.0]
    assert "992 ms" in slow[0][1]
