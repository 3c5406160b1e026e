"""What becomes a finding, and how certain it is, where a small program cannot show it."""

from __future__ import annotations

import pytest

from analysis.support.builders import MS, Story
from asyncctx_trace.analysis.findings import KINDS, Finding, Thresholds, find
from asyncctx_trace.model.events import Collected, Dropped, Outcome


def kinds(found: list[Finding]) -> list[tuple[str, str]]:
    """Kind and certainty of each."""
    return [(finding.kind, finding.certainty) for finding in found]


def test_every_kind_has_its_name_and_rank() -> None:
    """The names are what --fail-on takes."""
    assert len(set(KINDS)) == len(KINDS) == 21


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
    assert "its task is done" in found[0].summary


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
    """And not as still waiting, or as held across a wait, besides."""
    story = Story()
    for task, first, second in (("a", "x", "y"), ("b", "y", "x")):
        story.gets_in(1, story.asks(0, task, first, 1))
        story.asks(2, task, second, 2)
    for number in range(3):
        story.asks(3, f"behind {number}", "x", 3)
    story.ends(5000, -9)
    found = find(story.timeline())

    assert [finding.kind for finding in found] == ["deadlock"]
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
    story.pass_through("t0", "db", 0, 0, 100)
    story.gives_up(50, story.asks(0, "t1", "db"), Outcome.TIMED_OUT)

    found = [f for f in find(story.timeline()) if f.kind == "starved-pool"]
    assert kinds(found) == expected


@pytest.mark.parametrize("slow", [10, 2000])
def test_equal_jobs_may_wait_for_a_pool_but_slow_holders_starve_quick_users(slow: int) -> None:
    """However long the jobs of a burst are, they are let through one after the other."""
    burst = Story()
    burst.resource("db", "pool", 1)
    for number in range(10):
        burst.pass_through(f"t{number}", "db", 0, number * slow, number * slow + slow)
    assert kinds(find(burst.timeline())) == []

    export = Story()
    export.resource("db", "pool", 1)
    export.pass_through("export", "db", 0, 0, slow, line=7)
    for number in range(10):
        export.pass_through(f"t{number}", "db", 1, slow + number, slow + number + 1)
    timeline = export.timeline()
    found = find(timeline)

    assert kinds(found) == ([] if slow == 10 else [("starved-pool", "possible")])
    assert all([timeline.sites[site].line for site in f.sites] == [1, 7] for f in found)


@pytest.mark.parametrize(
    ("outcome", "error", "again", "expected"),
    [
        (Outcome.TIMED_OUT, "TimeoutError", False, [("starved-pool", "certain")]),
        (Outcome.ERROR, "PoolTimeout", False, [("starved-pool", "certain")]),
        (Outcome.ERROR, "PoolClosed: the pool is being closed", False, []),
        (Outcome.TIMED_OUT, "TimeoutError", True, []),
        (Outcome.ERROR, "PoolTimeout", True, []),
        (Outcome.CANCELLED, "CancelledError", False, []),
    ],
)
def test_a_pool_was_too_small_for_who_had_to_give_up_and_did_not_get_in_later(
    outcome: Outcome, error: str, again: bool, expected: list[tuple[str, str]]
) -> None:
    """Pools raise a deadline's error, or one of their own, while they are full."""
    story = Story()
    story.resource("db", "pool", 1)
    story.pass_through("export", "db", 0, 0, 500, line=3)
    story.gives_up(100, story.asks(10, "request", "db", 9), outcome, error)
    if again:
        story.pass_through("request", "db", 200, 500, 900, line=9)
    found = [f for f in find(story.timeline()) if f.kind == "starved-pool"]

    assert kinds(found) == expected


@pytest.mark.parametrize(("exit_code", "expected"), [(0, "certain"), (-9, "certain"), (None, None)])
def test_a_pool_was_too_small_for_who_never_got_in(
    exit_code: int | None, expected: str | None
) -> None:
    """As far as nothing moved for long; who only just arrived may have got in next."""
    story = Story()
    story.resource("db", "pool", 1)
    story.gets_in(0, story.asks(0, "export", "db", 3))
    story.asks(10, "request", "db", 9)
    story.ends(300 if exit_code is None else 5000, -9 if exit_code is None else exit_code)
    found = [f.certainty for f in find(story.timeline()) if f.kind == "starved-pool"]

    assert found == ([] if expected is None else [expected])


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


def crossed(lower: str, upper: str, *, by_call: bool = True, error: str = "") -> Story:
    """One task enters ``lower``, then ``upper``, and leaves ``lower`` first."""
    story = Story()
    for kind in dict.fromkeys((lower, upper)):
        story.resource(kind, kind, None)
    first = story.asks(0, "t", lower, 1, by_call=by_call)
    second = story.asks(2, "t", upper, 2, by_call=by_call)
    story.gets_in(1, first)
    story.gets_in(3, second)
    story.leaves(4, first, line=7 if by_call else None)
    story.is_out(5, first, Outcome.ERROR if error else Outcome.OK, error)
    story.leaves(6, second, line=8 if by_call else None)
    story.is_out(7, second)
    return story


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (crossed("session", "session"), []),
        (crossed("manager", "generator"), []),
        (crossed("task group", "task group"), [("out-of-order-exit", "certain")]),
        (crossed("timeout", "task group"), [("out-of-order-exit", "certain")]),
        (crossed("transaction", "transaction"), [("out-of-order-exit", "certain")]),
        (
            crossed("generator", "generator", error="RuntimeError: not the current cancel scope"),
            [("cleanup-error", "certain"), ("out-of-order-exit", "certain")],
        ),
        (
            crossed("generator", "generator", by_call=False, error="OSError: gone"),
            [("cleanup-error", "certain")],
        ),
    ],
)
def test_the_order_of_exits_is_reported_where_it_matters(
    story: Story, expected: list[tuple[str, str]]
) -> None:
    """Kinds that must nest, and exits by call of which one failed."""
    assert kinds(find(story.timeline())) == expected


def test_an_exit_out_of_order_names_the_call_that_began_it() -> None:
    """That is the line to change."""
    timeline = crossed("task group", "task group").timeline()
    (found,) = find(timeline)

    assert "left `task group` at app.py:1 by app.py:7 while it was still in" in found.summary
    assert [timeline.sites[site].line for site in found.sites] == [1, 2, 7, 8]


@pytest.mark.parametrize(
    ("error", "took", "expected"),
    [
        ("RuntimeError: is bound to a different event loop", 0.01, False),
        ("RuntimeError: no connection", 2000, True),
        ("PoolTimeout: no connection", 50, True),
    ],
)
def test_only_an_acquire_that_waited_was_in_a_deadlock(
    error: str, took: float, expected: bool
) -> None:
    """One that raises at once has kept nobody waiting."""
    story = Story()
    outer = story.asks(0, "t", "lock", 1)
    story.gets_in(1, outer)
    inner = story.asks(2, "t", "lock", 2)
    story.gives_up(2 + took, inner, Outcome.ERROR, error)
    story.leaves(3 + took, outer)
    story.is_out(3 + took, outer)

    assert (("deadlock", "certain") in kinds(find(story.timeline()))) is expected


@pytest.mark.parametrize(
    ("held_in", "block", "expected"),
    [
        ("asks", "", ["deadlock", "starved-pool"]),
        ("calls", "", ["deadlock", "starved-pool"]),
        ("ended", "", ["starved-pool"]),
        ("ended", "other", ["starved-pool"]),
        ("goes on", "goes on", ["deadlock", "starved-pool"]),
    ],
)
def test_a_pool_used_up_by_functions_that_have_ended_is_in_no_deadlock(
    held_in: str, block: str, expected: list[str]
) -> None:
    """What they took is lost; what a function that runs holds excludes what it calls."""
    story = Story()
    story.resource("db", "pool", 1)
    story.resource("block", "session", None)
    places = {name: story.site(line, function=name) for line, name in enumerate(PLACES, 1)}
    if block:
        story.gets_in(0, story.asks(0, "t", "block", site=places[block]))
    story.gets_in(1, story.asks(1, "t", "db", site=places[held_in], by_call=True))
    asks = story.site(9, function="asks", caller=places["calls"])
    story.gives_up(1000, story.asks(10, "t", "db", site=asks, by_call=True), Outcome.TIMED_OUT)

    found = find(story.timeline())
    assert [f.kind for f in found if f.kind in ("deadlock", "starved-pool")] == expected


PLACES = ("asks", "calls", "ended", "goes on", "other")


def test_a_line_that_forgets_to_give_back_is_in_no_deadlock() -> None:
    """A task that waits for what it took there before has a leak."""
    story = Story()
    story.resource("db", "pool", 2)
    for at in range(2):
        story.gets_in(at, story.asks(at, "t", "db", 3, by_call=True))
    story.gives_up(1000, story.asks(10, "t", "db", 3, by_call=True), Outcome.TIMED_OUT)

    found = find(story.timeline())
    assert "starved-pool" in [f.kind for f in found]
    assert "deadlock" not in [f.kind for f in found]


def test_a_deadlock_names_the_block_that_keeps_what_was_taken_inside() -> None:
    """A pipeline gives its connection back at its end; a block of another library does not."""
    story = Story()
    story.resource("db", "pool", 1)
    for name, manager, line in (("app", "other.Block", 1), ("pipe", "acme.Pipeline", 2)):
        story.resource(name, "block", None)
        story.gets_in(line, story.asks(line, "t", name, line, manager=manager))
    story.gets_in(3, story.asks(3, "t", "db", 3, by_call=True, manager="acme.Pool"))
    story.asks(4, "t", "db", 4, by_call=True, manager="acme.Pool")
    timeline = story.timeline()
    [found] = [f for f in find(timeline) if f.kind == "deadlock"]

    assert found.certainty == "certain"
    assert [timeline.sites[site].line for site in found.sites] == [4, 3, 2]


def test_a_starved_pool_names_its_holders_and_who_never_got_in() -> None:
    """With the site at which it was held."""
    story = Story()
    story.resource("db", "pool", 1)
    story.pass_through("export", "db", 0, 0, 500, line=3)
    for number in range(3):
        story.gives_up(100, story.asks(10, f"request {number}", "db", 9), Outcome.TIMED_OUT)
    timeline = story.timeline()
    found = next(f for f in find(timeline) if f.kind == "starved-pool")

    assert found.summary.endswith("mostly for app.py:3, and none of them got in.")
    assert [timeline.sites[site].line for site in found.sites] == [9, 3]


@pytest.mark.parametrize(("ends", "expected"), [(True, []), (False, ["starved-pool"])])
def test_a_queue_that_grows_to_the_end_is_too_long_for_a_semaphore(
    ends: bool, expected: list[str]
) -> None:
    """One that everybody leaves in the end is what the semaphore is for."""
    story = Story()
    story.resource("limit", "semaphore", 1)
    count = 40 if ends else 20
    for number in range(40):
        asks, gets_in = number * 10, number * 20
        one = story.asks(asks, f"t{number}", "limit", 1)
        if number < count:
            story.gets_in(gets_in, one)
            story.leaves(gets_in + 20, one)
            story.is_out(gets_in + 20, one)
    story.ends(800 if ends else 400, -9)

    found = find(story.timeline())
    assert [f.kind for f in found if f.kind == "starved-pool"] == expected
    assert all(f.certainty == "possible" for f in found if f.kind == "starved-pool")


@pytest.mark.parametrize(
    ("by_call", "exit_code", "expected"),
    [
        (False, -9, [("leak", "certain")]),
        (True, -9, [("leak", "possible")]),
        (True, 0, [("leak", "certain")]),
    ],
)
def test_what_was_acquired_by_call_may_be_given_back_by_others_as_long_as_they_run(
    by_call: bool, exit_code: int, expected: list[tuple[str, str]]
) -> None:
    """A connection on the stack of a service outlives the task that opened it."""
    story = Story()
    story.gets_in(1, story.asks(0, "startup", "client", by_call=by_call))
    story.task_gone(5, "startup")
    story.ends(10, exit_code)

    assert kinds(find(story.timeline())) == expected


@pytest.mark.parametrize(("by_others", "expected"), [(True, []), (False, ["leak"])])
def test_a_semaphore_that_others_fill_up_again_has_no_leaks(
    by_others: bool, expected: list[str]
) -> None:
    """Its permits are tokens; one whose holders give back their own has leaks."""
    story = Story()
    story.resource("tokens", "semaphore", 5)
    one = story.asks(0, "request", "tokens", by_call=True)
    story.gets_in(0, one)
    story.task("clock")
    story.leaves(5, one, task="clock" if by_others else None, line=9)
    story.is_out(5, one)
    story.gets_in(6, story.asks(6, "request", "tokens", by_call=True))
    story.ends(10)

    assert [kind for kind, _ in kinds(find(story.timeline()))] == expected


def test_a_pool_s_exit_names_the_connection_that_it_waits_for() -> None:
    """And is certain where nobody but its own task could give it back."""
    story = Story()
    story.resource("asyncpg.Pool", "open pool", None)
    story.resource("pool", "pool", 3)
    pool = story.asks(0, "main", "asyncpg.Pool", 18)
    story.gets_in(1, pool)
    story.gets_in(3, story.asks(2, "main", "pool", 9, by_call=True))
    story.leaves(10, pool)
    story.ends(5000, -9)
    timeline = story.timeline()
    (found,) = find(timeline)

    assert (found.kind, found.certainty) == ("still-waiting", "certain")
    assert "it waits for what main took from `pool` at app.py:9" in found.summary
    assert [timeline.sites[site].line for site in found.sites] == [18, 9]


def test_a_pool_s_slow_exit_says_who_kept_it() -> None:
    """With the line at which the connection came back."""
    story = Story()
    story.resource("asyncpg.Pool", "open pool", None)
    story.resource("pool", "pool", 3)
    pool = story.asks(0, "main", "asyncpg.Pool", 18)
    story.gets_in(1, pool)
    taken = story.asks(2, "worker", "pool", 9, by_call=True)
    story.gets_in(3, taken)
    story.leaves(10, pool)
    story.leaves(903, taken, line=12)
    story.is_out(903, taken)
    story.is_out(904, pool)
    (found,) = find(story.timeline())

    assert found.kind == "slow-cleanup"
    assert found.summary.endswith(
        "worker gave back what it had taken from `pool` at app.py:9 only at app.py:12 900 ms later."
    )


def test_an_exit_that_waits_inside_for_what_is_recorded_is_reported_once() -> None:
    """For the innermost that waits, but for task groups."""
    story = Story()
    outer = story.asks(0, "main", "service", 1)
    story.gets_in(1, outer)
    story.leaves(2, outer)
    inner = story.asks(3, "main", "client", 2)
    story.gets_in(4, inner)
    story.leaves(5, inner)
    story.ends(5000, -9)

    assert [found.summary.split(" has been")[0] for found in find(story.timeline())] == [
        "the exit of `client` at app.py:2"
    ]


def test_what_was_collected_while_it_was_held_is_a_leak_that_says_so() -> None:
    """Nobody can give it back any more."""
    story = Story()
    one = story.asks(0, "main", "pool", 3, by_call=True)
    story.gets_in(1, one)
    story.events.append(Collected(1_400_000_000, one))
    story.ends(1000, -9)
    (found,) = find(story.timeline())

    assert (found.kind, found.certainty) == ("leak", "certain")
    assert "what it holds was collected while it was held, after 399 ms" in found.summary


def test_a_leak_inside_a_helper_names_its_caller() -> None:
    """Where the helper is a generator that another acquisition entered."""
    story = Story()
    helper = story.asks(0, "main", "dependency", 30)
    inner = story.asks(1, "main", "connection", 7)
    story.gets_in(2, inner)
    story.gets_in(3, helper)
    story.leaves(4, helper)
    story.is_out(5, helper)
    story.ends(10)
    timeline = story.timeline()
    found = next(f for f in find(timeline) if f.kind == "leak")

    assert "`connection` at app.py:7 (called from app.py:30) was entered by main" in found.summary
    assert [timeline.sites[site].line for site in found.sites] == [7, 30]


def test_a_deadlock_whose_members_are_cancelled_one_by_one_is_told_once() -> None:
    """With all that it had at first."""
    story = Story()
    story.resource("group", "task group", None)
    table = story.asks(0, "parent", "table", 1)
    story.gets_in(0, table)
    group = story.asks(1, "parent", "group", 2)
    story.gets_in(1, group)
    for number in range(3):
        story.task(f"child {number}", at=2, parent="parent")
    waits = [story.asks(3, f"child {number}", "table", 3) for number in range(3)]
    story.leaves(4, group)
    for number, wait in enumerate(waits):
        story.gives_up(500 + number, wait)
    story.is_out(510, group)
    story.leaves(511, table)
    story.is_out(512, table)
    found = [finding for finding in find(story.timeline()) if finding.kind == "deadlock"]

    assert [len(finding.tasks) for finding in found] == [4]


@pytest.mark.parametrize(
    ("manager", "parent", "expected"),
    [
        ("lib.pool.Pool", "main", ["cleanup-error"]),
        ("lib.pool.Pool", None, ["leak", "cleanup-error"]),  # taken by a task of somebody else
        ("other.Pool", "main", ["leak", "cleanup-error"]),
    ],
)
def test_what_a_failed_cleanup_would_have_given_back_is_told_with_it(
    manager: str, parent: str | None, expected: list[str]
) -> None:
    """A session that fails to close keeps the connection that its library took in a query."""
    story = Story()
    story.resource("session", "session", None)
    story.resource("db", "pool", 5)
    story.task("main")
    story.task("query", 2, parent)
    session = story.asks(0, "main", "session", 18, manager="lib.Session")
    story.gets_in(1, session)
    story.gets_in(4, story.asks(3, "query", "db", 13, by_call=True, manager=manager))
    story.leaves(10, session)
    story.is_out(11, session, Outcome.ERROR, "InterfaceError: another operation is in progress")
    story.ends(20)
    timeline = story.timeline()
    found = find(timeline)

    assert [each.kind for each in found] == expected
    [failed] = [each for each in found if each.kind == "cleanup-error"]
    reported = "; what query took from `db` at app.py:13 was never given back." in failed.summary
    assert reported == (expected == ["cleanup-error"])


@pytest.mark.parametrize(("hold", "expected"), [(10, [("still-waiting", "possible")]), (1000, [])])
def test_a_queue_is_stuck_once_it_stands_much_longer_than_it_ever_did(
    hold: int, expected: list[tuple[str, str]]
) -> None:
    """Even if it had moved since the task began to wait; long jobs only take their time."""
    story = Story()
    story.pass_through("one", "lock", 0, 0, hold)
    story.gets_in(hold, story.asks(1, "two", "lock", 4))
    story.asks(2, "three", "lock", 4)
    story.ends(hold + 3000, -9)

    assert [each for each in kinds(find(story.timeline())) if each[0] != "leak"] == expected


@pytest.mark.parametrize("handed_over", [True, False])
def test_a_lock_kept_by_a_task_that_is_done_says_who_waits_for_it(handed_over: bool) -> None:
    """Unless others have given it back before: then they may do so again."""
    story = Story()
    first = story.asks(0, "first", "lock", 4, by_call=True)
    story.gets_in(0, first)
    story.task("other")
    story.leaves(10, first, task="other" if handed_over else None)
    story.is_out(10, first)
    story.gets_in(20, story.asks(20, "second", "lock", 4, by_call=True))
    story.asks(21, "third", "lock", 4, by_call=True)
    story.task_gone(3000, "second")
    story.ends(3000, -9)
    found = [each for each in find(story.timeline()) if each.kind == "leak"]

    assert [each.certainty for each in found] == ([] if handed_over else ["possible"])
    assert all(
        each.summary.endswith("exited: its task is done; third still waits for it.")
        for each in found
    )
