"""Blame, paths, cleanup and mishaps in stories that can be followed by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from analysis.support.builders import MS, Story
from analysis.support.programs import SHORT, lock, recorded, session
from asyncctx_trace import traced
from asyncctx_trace.analysis.cleanup import cleanups, orders
from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.contention.costs import contention
from asyncctx_trace.analysis.contention.critical_path import critical_path
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.budgets import Budget
from asyncctx_trace.analysis.summary.root_causes import root_causes
from asyncctx_trace.model.events import Outcome


def test_who_waits_for_a_waiter_is_charged_to_whom_that_one_waits_for() -> None:
    """A waits for B's connection, B in its body for C's lock: C's site has cost A its time."""
    story = Story()
    story.resource("pool", "pool", 1)
    story.pass_through("C", "lock", 0, 0, 50, line=30)
    b = story.asks(0, "B", "pool", 10)
    story.gets_in(0, b)
    story.pass_through("B", "lock", 10, 50, 60, line=20)
    story.leaves(80, b)
    story.is_out(80, b)
    story.pass_through("A", "pool", 20, 80, 90, line=10)
    snapshot = Snapshot(story.timeline())
    reported = blame(snapshot, 1)
    lines = {
        (
            snapshot.timeline.sites[share.site].line,
            snapshot.task_name(share.task),
            len(share.path),
        ): share.ns
        for share in reported.shares
    }

    assert lines == {(30, "C", 2): 30 * MS, (10, "B", 1): 30 * MS}
    assert (reported.total, reported.unknown) == (60 * MS, 0)


def test_holders_of_one_moment_share_its_blame() -> None:
    """To the last ns."""
    story = Story()
    story.resource("pool", "pool", 3)
    for number in range(3):
        story.pass_through(f"h{number}", "pool", 0, 0, 100)
    story.pass_through("late", "pool", 50, 100.000001, 110)
    reported = blame(Snapshot(story.timeline()), 1)

    assert sorted(share.ns for share in reported.shares) == [16666666, 16666667, 16666667]
    assert (reported.blamed, reported.unknown) == (50 * MS, 1)


def test_time_between_release_and_enter_is_a_hand_over() -> None:
    """Both waiters wait 2 ms until the event loop runs the first one."""
    story = Story()
    story.pass_through("holder", "lock", 0, 0, 50)
    story.pass_through("first", "lock", 10, 52, 60)
    story.pass_through("second", "lock", 20, 61, 70)
    blamed = blame(Snapshot(story.timeline()), 1)

    assert (blamed.unknown, blamed.hand_over) == (5 * MS, 5 * MS)


def test_time_before_the_resource_was_full_is_not_a_hand_over() -> None:
    """Each task opens a connection of its own, which takes 10 ms; the third one has to wait."""
    story = Story()
    story.resource("pool", "pool", 2)
    story.pass_through("one", "pool", 0, 10, 50)
    story.pass_through("two", "pool", 0, 10, 60)
    story.pass_through("three", "pool", 20, 51, 70)
    blamed = blame(Snapshot(story.timeline()), 1)

    assert (blamed.unknown, blamed.hand_over) == (21 * MS, 1 * MS)


def test_a_later_wait_for_a_resource_that_is_not_full_is_not_a_hand_over() -> None:
    """It was full before, but nobody waited when it was released."""
    story = Story()
    story.resource("pool", "pool", 1)
    story.pass_through("one", "pool", 0, 0, 50)
    story.pass_through("two", "pool", 60, 70, 80)
    blamed = blame(Snapshot(story.timeline()), 1)

    assert (blamed.total, blamed.unknown, blamed.hand_over) == (10 * MS, 10 * MS, 0)


def test_numbers_of_a_resource() -> None:
    """Utilisation counts places, fairness who was overtaken."""
    story = Story()
    story.resource("pool", "pool", 2)
    story.pass_through("a", "pool", 0, 0, 40)
    story.pass_through("b", "pool", 0, 0, 80)
    story.pass_through("late", "pool", 10, 60, 100)
    story.pass_through("later", "pool", 20, 40, 60)
    (use,) = contention(story.timeline())

    assert (use.acquisitions, use.contended, use.most_waiters) == (4, 2, 2)
    assert use.most_waiters_at == 1_020 * MS
    assert use.utilisation == pytest.approx((40 + 80 + 40 + 20) / 200)
    assert (use.overtaken, use.fairness) == (1, 0.75)
    assert (use.wait.p50, use.wait.max, use.wait.total) == (0, 50 * MS, 70 * MS)


def path_of(story: Story, task: int | None = None) -> list[tuple[str, float, float, str]]:
    """Task, ms from, ms to, link of each step."""
    snapshot = Snapshot(story.timeline())
    return [
        (
            snapshot.task_name(step.task),
            (step.start - snapshot.start) / MS,
            (step.end - snapshot.start) / MS,
            step.link,
        )
        for step in critical_path(snapshot, task).steps
    ]


def test_the_critical_path_goes_through_who_let_go() -> None:
    """Not through the wait: that would be as long as it is because of the other one."""
    story = Story()
    story.pass_through("slow", "lock", 0, 0, 70)
    story.pass_through("fast", "lock", 10, 70, 80)

    assert path_of(story) == [("slow", 0, 70, "start"), ("fast", 70, 80, "released")]


def test_the_critical_path_goes_through_a_job_that_gives_back_what_another_task_took() -> None:
    """The job has acquired nothing: all that is known of it is its release."""
    story = Story()
    story.resource("places", "semaphore", 1)
    first = story.asks(0, "producer", "places", by_call=True)
    story.gets_in(0, first)
    story.task("job", 5, "producer")
    second = story.asks(10, "producer", "places", by_call=True)
    story.leaves(60, first, task="job", line=9)
    story.is_out(60, first)
    story.gets_in(60, second)
    story.leaves(80, second)
    story.is_out(80, second)

    assert path_of(story) == [
        ("producer", 0, 5, "start"),
        ("job", 5, 60, "created"),
        ("producer", 60, 80, "released"),
    ]


def test_the_critical_path_of_a_gather_goes_through_the_last_to_end() -> None:
    """While the parent was silent it waited for its children, so they are the path."""
    story = Story()
    story.task("main")
    story.pass_through("main", "before", 0, 0, 10)
    story.task("quick", 10, "main")
    story.task("slow", 10, "main")
    story.pass_through("quick", "x", 10, 10, 30)
    story.pass_through("slow", "y", 10, 10, 90)
    story.pass_through("main", "after", 90.5, 90.5, 100)

    assert path_of(story) == [
        ("main", 0, 10, "start"),
        ("slow", 10, 90, "created"),
        ("main", 90, 90.5, "joined"),
        ("main", 90.5, 100, "same task"),
    ]


def test_the_critical_path_of_a_task_group_goes_through_its_tasks() -> None:
    """Its exit is where the parent waits for them."""
    story = Story()
    story.resource("group", "task group", None)
    group = story.asks(0, "main", "group")
    story.gets_in(0, group)
    story.task("child", 5, "main")
    inside = story.asks(5, "child", "x")
    story.gets_in(5, inside)
    story.leaves(8, group)
    story.leaves(60, inside)
    story.is_out(60, inside)
    story.is_out(61, group)

    assert [step[:3] for step in path_of(story)] == [
        ("main", 0, 5),
        ("child", 5, 60),
        ("main", 60, 61),
    ]


def test_the_critical_path_of_one_task_ends_where_it_ends(tmp_path: Path) -> None:
    """On a real run of tasks that hand over a lock."""

    async def main() -> None:
        own = lock("own")

        async def worker() -> None:
            async with own:
                await asyncio.sleep(SHORT)

        await asyncio.gather(*(asyncio.create_task(worker(), name=f"w{n}") for n in range(3)))

    snapshot = Snapshot(recorded(main, tmp_path / "run.actx"))
    second = next(t for t, d in snapshot.timeline.tasks.items() if d.name == "w1")
    steps = critical_path(snapshot, second).steps
    bodies = [snapshot.task_name(step.task) for step in steps if step.phase == "body"]

    assert bodies == ["w0", "w1"]
    assert [
        snapshot.task_name(s.task) for s in critical_path(snapshot).steps if s.phase == "body"
    ] == [
        "w0",
        "w1",
        "w2",
    ]


@pytest.mark.parametrize("grouped", [False, True])
def test_the_critical_path_of_a_real_run_leads_through_the_slowest_child(
    grouped: bool, tmp_path: Path
) -> None:
    """Whether the parent gathers its children or leaves their task group."""

    async def child(seconds: float) -> None:
        async with session("work"):
            await asyncio.sleep(seconds)

    async def main() -> None:
        asyncio.current_task().set_name("parent")  # type: ignore[union-attr]  # in a task
        async with session("before"):
            await asyncio.sleep(SHORT)
        waits = (SHORT, 15 * SHORT, 2 * SHORT)
        if grouped:
            async with traced(asyncio.TaskGroup()) as group:
                for number, seconds in enumerate(waits):
                    group.create_task(child(seconds), name=f"child {number}")
        else:
            children = [child(seconds) for seconds in waits]
            tasks = [asyncio.create_task(c, name=f"child {n}") for n, c in enumerate(children)]
            await asyncio.gather(*tasks)
        async with session("after"):
            await asyncio.sleep(SHORT)

    snapshot = Snapshot(recorded(main, tmp_path / "run.actx"))
    steps = critical_path(snapshot).steps
    bodies = [
        (
            snapshot.task_name(step.task),
            snapshot.resource_name(snapshot.timeline.resource[step.row]),
        )
        for step in steps
        if step.row is not None and step.phase == "body"
    ]

    assert [each for each in bodies if each[1] != "TaskGroup"] == [
        ("parent", "before"),
        ("child 1", "work"),
        ("parent", "after"),
    ]


def test_unwinding_is_told_by_task_and_by_exit_stack(tmp_path: Path) -> None:
    """Last in, first out, or not."""
    from contextlib import AsyncExitStack

    async def main() -> None:
        async with session("outer"), traced(AsyncExitStack()) as stack:
            for name in ("a", "b"):
                await stack.enter_async_context(session(name))
        first, second = session("first"), session("second")
        await first.__aenter__()
        await second.__aenter__()
        await first.__aexit__(None, None, None)
        await second.__aexit__(None, None, None)

    snapshot = Snapshot(recorded(main, tmp_path / "run.actx"))
    reported = {
        tuple(snapshot.resource_name(resource) for resource, _ in order.left): (
            order.in_order,
            order.by_stack,
        )
        for order in orders(snapshot)
    }

    assert reported == {
        ("b", "a"): (True, True),
        ("AsyncExitStack", "outer"): (True, False),
        ("first", "second"): (False, False),
    }


def test_cleanups_are_counted_by_what_they_went_through() -> None:
    """Overlapping ones, too: two exits of one task at once."""
    story = Story()
    first, second = story.asks(0, "t", "a"), story.asks(0, "t", "a")
    for one in (first, second):
        story.gets_in(1, one)
    story.leaves(2, first, Outcome.ERROR, "ValueError: bad")
    story.leaves(3, second, Outcome.CANCELLED)
    story.is_out(9, second, Outcome.CANCELLED)
    story.is_out(10, first, suppressed=True)
    (reported,) = cleanups(Snapshot(story.timeline()))

    assert (reported.exits, reported.under_error, reported.under_cancellation) == (2, 1, 1)
    assert (reported.failed, reported.cut_off, reported.suppressed, reported.overlapping) == (
        0,
        1,
        1,
        1,
    )
    assert reported.slowest == 8 * MS


def test_what_a_task_group_does_at_its_end_is_no_cleanup() -> None:
    """It waits for its tasks."""
    story = Story()
    story.resource("group", "task group", None)
    group, lock = story.asks(0, "t", "group"), story.asks(1, "t", "a")
    for one in (group, lock):
        story.gets_in(1, one)
    story.leaves(2, lock)
    story.is_out(3, lock)
    story.leaves(3, group)
    story.is_out(90, group)
    snapshot = Snapshot(story.timeline())

    assert [snapshot.resource_name(each.resource) for each in cleanups(snapshot)] == ["a"]


def test_the_first_that_went_wrong_explains_what_followed() -> None:
    """One worker fails, its siblings are cancelled; what failed long after is another story."""
    story = Story()
    story.task("main")
    workers = []
    for number in range(3):
        story.task(f"w{number}", 0, "main")
        workers.append(story.asks(0, f"w{number}", "r", number + 1))
        story.gets_in(1, workers[-1])
    story.leaves(10, workers[1], Outcome.ERROR, "ValueError: bad")
    story.is_out(10, workers[1])
    for number in (0, 2):
        story.leaves(11, workers[number], Outcome.CANCELLED, "CancelledError")
        story.is_out(11, workers[number])
    later = story.asks(50, "main", "other")
    story.gets_in(50, later)
    story.leaves(60, later, Outcome.ERROR, "KeyError: x")
    story.is_out(60, later)
    found = root_causes(Snapshot(story.timeline()))

    assert [(m.first.row, [end.row for end in m.followed]) for m in found] == [(1, [0, 2]), (3, [])]


def test_a_broken_budget_says_by_how_much_and_who_is_to_blame() -> None:
    """And one that is kept says nothing."""
    story = Story()
    story.pass_through("slow", "db lock", 0, 0, 70, line=12)
    story.pass_through("fast", "db lock", 10, 70, 80, line=13)
    snapshot = Snapshot(story.timeline())
    uses = contention(snapshot.timeline)

    def breaches(text: str) -> list[str]:
        return [breach.summary for breach in Budget.parse(text).check(snapshot, uses)]

    by_how_much = "budget db lock:wait.p99<5ms: it is 60.0 ms, 55.0 ms over 5.00 ms"
    who = "100 % of all waiting is for app.py:12"
    assert breaches("db lock:wait.p99<5ms") == [f"{by_how_much}; {who}"]
    assert breaches("db *:contended<=10%")[0].startswith("budget db *:contended<=10%: it is 50 %")
    assert breaches("db lock:waiters<1")[0].startswith(
        "budget db lock:waiters<1: it is 1, 0 over 1"
    )
    assert breaches("db lock:wait.p99<=60ms") == []
    assert breaches("db pool:wait.p99<5ms") == [
        "budget db pool:wait.p99<5ms: no resource is named 'db pool'; the names are 'db lock'"
    ]


@pytest.mark.parametrize(
    "text",
    ["", "db", "db:wait<5ms", "db:wait.p99<5", "db:wait.p98<5ms", "db:contended<5ms", ":x<1"],
)
def test_what_is_no_budget_is_refused_with_an_example(text: str) -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"write it like 'db pool:wait\.p99<5ms'"):
        Budget.parse(text)
