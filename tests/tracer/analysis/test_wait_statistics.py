"""What tasks waited for, added up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.support.wait_story import WaitStory
from asyncctx_trace.analysis.kernels.choice import plain_kernels, vectorized_kernels
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.wait_statistics import describe_group, describe_wakers, wait_groups
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind

MS = 1_000_000


def test_waits_for_one_queue_at_one_line_are_one_group() -> None:
    """Of all tasks, with count, total and who ended them."""
    story = WaitStory()
    for number in range(3):
        story.pass_time(f"worker-{number}", WaitKind.QUEUE_GET, 0, 10 + number, "jobs", "producer")
    story.ends(100)
    snapshot = Snapshot(story.timeline())
    (group,) = wait_groups(snapshot)

    assert (group.duration.count, group.duration.total) == (3, 33 * MS)
    assert describe_group(snapshot, group, 32) == "an item of `jobs`"
    assert describe_wakers(snapshot, group) == "producer"


def test_what_has_not_ended_counts_up_to_now() -> None:
    """And is said to be open."""
    story = WaitStory()
    story.waits(0, "main", WaitKind.EVENT, "ready")
    story.ends(100)
    snapshot = Snapshot(story.timeline())
    (group,) = wait_groups(snapshot)

    assert (group.open, group.duration.max) == (1, 100 * MS)
    assert describe_wakers(snapshot, group) == ""


def test_a_task_that_is_waited_for_is_no_resource() -> None:
    """Even if a resource has the same number."""
    story = WaitStory()
    story.resource("first resource")
    story.pass_time("b", WaitKind.EVENT, 0, 5, "first resource")
    story.goes_on(10, story.waits(0, "a", WaitKind.TASK, targets=("b",)))
    story.goes_on(20, story.waits(11, "a", WaitKind.TASK, targets=("c",)))
    story.ends(100)
    snapshot = Snapshot(story.timeline())

    assert [describe_group(snapshot, group, 32) for group in wait_groups(snapshot)] == [
        "the end of a task",
        "event `first resource`",
    ]


WAITS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([WaitKind.EVENT, WaitKind.QUEUE_GET, WaitKind.SLEEP, WaitKind.TASK]),
        st.integers(0, 3),
        st.integers(1, 3),
        st.integers(0, 40),
        st.integers(0, 40),
        st.integers(0, 3),
        st.sampled_from(list(Outcome)),
    ),
    min_size=1,
    max_size=40,
)
"""Task, kind, subject, line, pause, length (0: has not ended), waker, outcome."""


@given(waits=WAITS)
def test_with_numpy_the_groups_are_the_same(waits: list[tuple[int, ...]]) -> None:
    """For any waits, also of resources that share a name."""
    pytest.importorskip("numpy")
    story = WaitStory()
    for number in range(4):
        story.task(f"t{number}")
    at = 0
    for task, kind, subject, line, pause, length, waker, outcome in waits:
        at += pause
        name = "" if kind in (WaitKind.SLEEP, WaitKind.TASK) or not subject else f"r{subject}"
        targets = (f"t{subject}",) if kind == WaitKind.TASK else ()
        wait = story.waits(at, f"t{task}", WaitKind(kind), name, line, targets)
        if length:
            story.goes_on(at + length, wait, f"t{waker}" if waker else "", Outcome(outcome))
    story.ends(at + 50)
    timeline = story.timeline()
    names = {resource: 1 + resource % 2 for resource in timeline.resources}
    rows = range(len(timeline.waits))
    plain, fast = (
        kernels.whole.wait_groups(timeline.waits, rows, names, timeline.end or 0)
        for kernels in (plain_kernels(), vectorized_kernels())
    )

    assert fast == plain
    assert sum(group.duration.count for group in plain) == len(waits)
