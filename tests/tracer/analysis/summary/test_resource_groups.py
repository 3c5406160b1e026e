"""Objects that are alike are one row."""

from __future__ import annotations

import pytest

from analysis.support.builders import Story
from asyncctx_trace.analysis.contention.costs import contention_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.summary.resource_groups import group_resources


def rows(story: Story) -> list[tuple[int, str]]:
    """How many objects each row stands for, and its name."""
    snapshot = Snapshot(story.timeline())
    groups = group_resources(snapshot, [use.resource for use in contention_in(snapshot)])
    return [(len(group), group.name) for group in groups]


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (['app["tenant"][a]', 'app["tenant"][b]', 'app["tenant"][c]'], 'app["tenant"][…]'),
        (["Session(limit=1)", "Session(limit=2)", "Session(limit=3)"], "Session(…)"),
        (["shard 1", "shard 22", "shard 3"], "shard …"),
    ],
)
def test_names_that_differ_in_a_key_or_a_number_are_alike(names: list[str], name: str) -> None:
    """The name says what they have in common."""
    story = Story()
    for number, each in enumerate(names, 1):
        story.pass_through("t", each, number, number, number)

    assert rows(story) == [(len(names), name)]


def test_two_of_a_name_are_two() -> None:
    """Two pools of one class are worth a row each."""
    story = Story()
    for number in (1, 2):
        story.pass_through("t", f"pool {number}", number, number, number)

    assert rows(story) == [(1, "pool 1"), (1, "pool 2")]


def test_what_is_used_elsewhere_or_is_of_another_size_is_something_else() -> None:
    """The same class name may stand for two things."""
    story = Story()
    for number in range(6):
        story.resource(f"lock {number}", "lock")
        story.pass_through("t", f"lock {number}", number, number, number, line=1 + number // 3)
    for number in range(3):
        story.resource(f"pool {number}", "pool", number)
        story.pass_through("t", f"pool {number}", 10 + number, 10 + number, 10 + number)

    assert sorted(rows(story)) == [
        (1, "pool 0"),
        (1, "pool 1"),
        (1, "pool 2"),
        (3, "lock …"),
        (3, "lock …"),
    ]


def test_a_row_of_many_counts_all_of_them() -> None:
    """Durations of all together, the queue of the worst."""
    story = Story()
    for number in range(3):
        story.pass_through("slow", f"lock {number}", 100 * number, 100 * number, 100 * number + 50)
        for waiter in range(number + 1):
            story.pass_through(
                f"w{waiter}",
                f"lock {number}",
                100 * number + 10,
                100 * number + 50 + waiter,
                100 * number + 51 + waiter,
            )
    ((group, use),) = report(Snapshot(story.timeline())).grouped_uses

    assert len(group) == 3
    assert (use.acquisitions, use.contended, use.most_waiters) == (9, 6, 3)
    assert use.hold.max == 50_000_000
    assert use.wait.count == 9
