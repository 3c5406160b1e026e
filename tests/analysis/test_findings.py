"""What becomes a finding, and how certain it is, where a small program cannot show it."""

from __future__ import annotations

import pytest

from analysis.builders import MS, Story
from asyncctx_trace.analysis.findings import KINDS, Finding, Thresholds, find
from asyncctx_trace.events import Dropped, Outcome


def kinds(found: list[Finding]) -> list[tuple[str, str]]:
    """Kind and certainty of each."""
    return [(finding.kind, finding.certainty) for finding in found]


def test_every_kind_has_its_name_and_rank() -> None:
    """The names are what --fail-on takes."""
    assert len(set(KINDS)) == len(KINDS) == 14


@pytest.mark.parametrize(
    ("exit_code", "gone", "expected"),
    [
        (0, False, [("leak", "certain")]),
        (1, False, [("leak", "certain")]),
        (None, False, [("leak", "possible")]),
        (None, True, [("leak", "certain")]),
        (-9, False, []),
        (-9, True, [("leak", "certain")]),
    ],
)
def test_what_is_open_at_the_end_is_a_leak_unless_the_program_was_killed(
    exit_code: int | None, gone: bool, expected: list[tuple[str, str]]
) -> None:
    """Where a program only stopped recording itself, it may have gone on and left."""
    story = Story()
    story.gets_in(1, story.asks(0, "worker", "session"))
    if gone:
        story.task_gone(5, "worker")
    story.ends(10, exit_code)

    assert kinds(find(story.timeline())) == expected


def test_while_the_program_runs_nothing_open_is_a_leak_for_certain() -> None:
    """Another task may exit what the one that is gone has entered."""
    story = Story()
    story.gets_in(1, story.asks(0, "worker", "session"))
    story.gets_in(1, story.asks(0, "gone", "other"))
    story.task_gone(5, "gone")

    found = find(story.timeline(), running=True)

    assert kinds(found) == [("leak", "possible")]
    assert "its task is gone" in found[0].summary


def test_where_facts_are_missing_no_deadlock_is_certain() -> None:
    """An exit may be among them."""
    story = Story()
    for task, first, second in (("a", "x", "y"), ("b", "y", "x")):
        story.gets_in(1, story.asks(0, task, first))
        story.asks(2, task, second)
    timeline = story.timeline()
    certain = find(timeline)
    timeline.extend([Dropped(1_005_000_000, 3, "no room on the disk")])

    assert kinds(certain) == [("deadlock", "certain")]
    assert kinds(find(timeline)) == [("deadlock", "possible")]


def test_who_waits_behind_a_deadlock_is_part_of_it_and_told_once() -> None:
    """And not as still waiting besides."""
    story = Story()
    for task, first, second in (("a", "x", "y"), ("b", "y", "x")):
        story.gets_in(1, story.asks(0, task, first, 1))
        story.asks(2, task, second, 2)
    for number in range(3):
        story.asks(3, f"behind {number}", "x", 3)
    story.ends(5000, -9)
    found = find(story.timeline())

    assert [finding.kind for finding in found] == ["deadlock"] + 2 * ["held-across-wait"]
    assert "and 3 more behind them: nobody can go on" in found[0].summary
    assert len(found[0].tasks) == 5


def test_a_wait_that_goes_on_is_told_with_its_holder() -> None:
    """Once it is long enough, and with the word that the holder is gone if it is."""
    story = Story()
    story.gets_in(1, story.asks(0, "holder", "lock", 7))
    story.asks(2, "late", "lock", 8)
    story.task_gone(3, "holder")
    story.ends(900, -9)
    short = find(story.timeline())
    long = find(story.timeline(), now=1_000_000_000 + 1200 * MS)

    assert kinds(short) == [("leak", "certain")]
    assert kinds(long) == [("leak", "certain"), ("still-waiting", "possible")]
    assert "holder, which is gone holds it since app.py:7" in long[1].summary


@pytest.mark.parametrize(
    ("kind", "capacity", "expected"),
    [("pool", 1, [("starved-pool", "certain")]), ("pool", None, []), ("lock", 1, [])],
)
def test_only_a_pool_of_known_size_can_be_too_small(
    kind: str, capacity: int | None, expected: list[tuple[str, str]]
) -> None:
    """A lock is not there to be larger."""
    story = Story()
    story.resource("db", kind, capacity)
    for number in range(4):
        story.pass_through(f"t{number}", "db", 0, number * 30, number * 30 + 20)

    assert kinds(find(story.timeline())) == expected


def test_thresholds_decide_what_is_slow() -> None:
    """All of them are exceeded or not by what is told to count."""
    story = Story()
    story.pass_through("t", "session", 0, 1, 2, 52)

    assert kinds(find(story.timeline())) == []
    assert kinds(find(story.timeline(), thresholds=Thresholds(slow_cleanup=50 * MS))) == [
        ("slow-cleanup", "certain")
    ]


def test_an_exit_that_waits_for_another_inside_it_is_not_to_blame() -> None:
    """Nor for that one's error."""
    story = Story()
    outer = story.asks(0, "t", "outer", 1)
    story.gets_in(1, outer)
    story.leaves(2, outer)
    inner = story.asks(3, "t", "inner", 2)
    story.gets_in(4, inner)
    story.leaves(5, inner)
    story.is_out(505, inner, Outcome.ERROR, "OSError: gone")
    story.is_out(506, outer, Outcome.ERROR, "OSError: gone")
    found = find(story.timeline())

    assert kinds(found) == [("cleanup-error", "certain"), ("slow-cleanup", "certain")]
    assert all("`inner`" in finding.summary for finding in found)


def test_the_same_bug_many_times_is_one_finding_with_a_count() -> None:
    """Its evidence is the first few."""
    story = Story()
    for number in range(50):
        one = story.asks(number, f"t{number}", f"session {number % 2}", 3)
        story.gets_in(number, one)
        story.leaves(number + 0.5, one)
        story.is_out(number + 0.6, one, Outcome.ERROR, "OSError: gone")
    found = find(story.timeline())

    assert [(f.kind, f.count, len(f.rows)) for f in found] == [("cleanup-error", 25, 20)] * 2
    assert found[0].summary.endswith("(25 times).")


def test_the_gravest_comes_first() -> None:
    """Errors before warnings, the certain before the possible."""
    story = Story()
    slow = story.asks(0, "t", "slow")
    story.gets_in(1, slow)
    story.leaves(2, slow)
    story.is_out(900, slow)
    story.gets_in(901, story.asks(900, "t", "open"))
    story.ends(1000)

    assert kinds(find(story.timeline())) == [("leak", "certain"), ("slow-cleanup", "certain")]
