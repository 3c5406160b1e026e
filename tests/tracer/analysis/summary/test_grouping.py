"""One cause, one finding: what is alike is told once, with what follows from it."""

from __future__ import annotations

from itertools import chain

from analysis.support.builders import Story
from asyncctx_trace.analysis.findings import Finding, Thresholds, find_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.grouping import FindingGroup, group_findings
from asyncctx_trace.model.events import Outcome


def groups_of(story: Story, **thresholds: int) -> list[FindingGroup]:
    """The groups of all findings in ``story``, each finding of it in exactly one place."""
    snapshot = Snapshot(story.timeline())
    findings = find_in(snapshot, Thresholds(**thresholds))
    groups = group_findings(snapshot, findings)
    placed = [f for g in groups for f in chain(g.findings, *(c.findings for c in g.consequences))]
    assert sorted(map(id, placed)) == sorted(map(id, findings))
    return groups


def shape(groups: list[FindingGroup]) -> dict[str, list[str]]:
    """Kind of each group -> the kinds of its consequences."""
    return {group.kind: [each.kind for each in group.consequences] for group in groups}


def test_the_same_at_the_same_sites_is_one_group() -> None:
    """However many objects it concerns: with the first, the last, and the worst of them."""
    story = Story()
    for number in range(20):
        session = story.asks(10 * number, f"t{number}", f"ClientSession(limit={number})", line=41)
        story.gets_in(10 * number + 1, session)
    story.gets_in(300, story.asks(300, "other", "file", line=50))
    story.ends(400)
    sessions, file = groups_of(story)

    assert (sessions.count, len(sessions.findings), file.count) == (20, 20, 1)
    assert [(len(g), g.name, g.kind) for g in sessions.resources] == [
        (20, "ClientSession(…)", "lock")
    ]
    assert (sessions.first, sessions.last) == (1_001_000_000, 1_191_000_000)
    assert sessions.examples == sessions.findings[:3]
    assert sessions.sentence == sessions.findings[0].summary


def test_certain_groups_come_first() -> None:
    """Then severity, kind and cost decide, as they do among findings."""
    story = Story()
    story.resource("db pool", "pool", 1)
    for number in range(6):
        story.pass_through(f"t{number}", "db pool", 0, 40 * number, 40 * number + 40)
    story.gives_up(200, story.asks(1, "late", "db pool"), Outcome.TIMED_OUT)
    story.gets_in(1, story.asks(0, "killed", "file", 9))
    story.ends(300, exit_code=None)  # closed its recording, nobody has seen it end
    groups = groups_of(story)

    assert [(group.kind, group.certainty) for group in groups] == [
        ("starved-pool", "certain"),
        ("leak", "possible"),
    ]


def test_whoever_waits_behind_a_deadlock_belongs_to_it() -> None:
    """Also a wait that was given up, and one for a task of the deadlock that holds more."""
    story = Story()
    for task, first, line in (("a", "one", 1), ("b", "two", 2)):
        story.gets_in(0, story.asks(0, task, first, line))
    story.gets_in(1, story.asks(1, "a", "three", 3))
    story.asks(5, "a", "two", 4)
    story.asks(6, "b", "one", 5)
    late = story.asks(10, "c", "one", 6)
    story.gives_up(3000, late, Outcome.TIMED_OUT, "TimeoutError")
    story.asks(20, "d", "three", 7)
    groups = groups_of(story)

    assert [group.kind for group in groups] == ["deadlock"]
    assert "timeout" in shape(groups)["deadlock"]
    assert groups[0].count == 1


def test_a_deadline_that_ended_a_deadlock_belongs_to_it() -> None:
    """Where it lay around the tasks that hung."""
    story = Story()
    story.resource("deadline", "timeout", None)
    story.task("main")
    story.task("a", parent="main")
    story.task("b", parent="main")
    deadline = story.asks(0, "main", "deadline", 1)
    story.gets_in(0, deadline)
    held = []
    for task, lock in (("a", "one"), ("b", "two")):
        held.append(story.asks(1, task, lock, 2))
        story.gets_in(1, held[-1])
    for task, lock in (("a", "two"), ("b", "one")):
        story.gives_up(1000, story.asks(2, task, lock, 3))
    for acquisition in held:
        story.leaves(1001, acquisition, Outcome.CANCELLED)
        story.is_out(1001, acquisition)
    story.leaves(1002, deadline, Outcome.CANCELLED)
    story.is_out(1003, deadline, Outcome.TIMED_OUT, "TimeoutError")
    story.ends(1004)
    groups = groups_of(story)

    assert [group.kind for group in groups] == ["deadlock"]
    assert "timeout" in shape(groups)["deadlock"]


def test_a_managers_enter_that_waited_inside_belongs_to_what_it_waited_for() -> None:
    """A library's own pool is taken inside the manager that the program enters."""
    story = Story()
    story.resource("pool", "pool", 1)
    story.resource("connection", "manager", None)
    story.gets_in(0, story.asks(0, "a", "pool", 1))
    outer = story.asks(1, "a", "connection", 2)
    inner = story.asks(2, "a", "pool", 2)
    story.gives_up(2000, inner, Outcome.TIMED_OUT, "TimeoutError")
    story.gives_up(2001, outer, Outcome.ERROR, "TimeoutError: QueuePool limit")
    story.ends(2002)
    groups = groups_of(story)

    assert groups[0].kind == "deadlock"
    assert "enter-error" in shape(groups)["deadlock"]


def test_a_leak_explains_the_pool_that_ran_dry() -> None:
    """Who was turned away is told under it."""
    story = Story()
    story.resource("db pool", "pool", 1)
    story.gets_in(1, story.asks(1, "main", "db pool", 2))
    story.task_gone(4, "main")
    waits = story.asks(5, "worker", "db pool", 3)
    story.gives_up(2000, waits, Outcome.TIMED_OUT, "TimeoutError")
    story.ends(2001)
    groups = groups_of(story)

    assert [group.kind for group in groups] == ["leak"]
    assert "timeout" in shape(groups)["leak"]


def test_a_leak_explains_the_exit_out_of_order() -> None:
    """What was never left was still open when the one around it was left."""
    story = Story()
    story.resource("group", "task group", None)
    story.resource("deadline", "timeout", None)
    outer = story.asks(0, "main", "deadline", 1)
    story.gets_in(0, outer)
    story.gets_in(1, story.asks(1, "main", "group", 2))
    story.leaves(2, outer)
    story.is_out(3, outer)
    story.task_gone(4, "main")
    story.ends(5)

    assert shape(groups_of(story)) == {"leak": ["out-of-order-exit"]}


def test_an_enter_that_a_deadline_cut_off_is_one_finding() -> None:
    """The deadline; and not another one of the enter."""
    story = Story()
    story.resource("timeout", "timeout", None)
    story.resource("db pool", "pool", 1)
    held = story.asks(0, "holder", "db pool", 1)
    story.gets_in(0, held)
    deadline = story.asks(1, "worker", "timeout", 2)
    story.gets_in(1, deadline)
    waits = story.asks(2, "worker", "db pool", 3)
    story.gives_up(11, waits)
    story.leaves(12, deadline, Outcome.CANCELLED, "CancelledError")
    story.is_out(13, deadline, Outcome.TIMED_OUT, "TimeoutError")
    story.leaves(14, held)
    story.is_out(14, held)
    story.ends(20)

    assert shape(groups_of(story)) == {"timeout": ["cancelled-in-enter"]}


def test_findings_that_have_nothing_to_do_with_each_other_stay_apart() -> None:
    """A leak of one pool does not explain waits for another one, nor those before it."""
    story = Story()
    story.resource("db pool", "pool", 1)
    story.resource("cache pool", "pool", 1)
    held = story.asks(0, "holder", "cache pool", 1)
    story.gets_in(0, held)
    waits = story.asks(1, "worker", "cache pool", 3)
    story.gives_up(50, waits, Outcome.TIMED_OUT, "TimeoutError")
    story.leaves(60, held)
    story.is_out(60, held)
    early = story.asks(0, "holder", "db pool", 1)
    story.gets_in(0, early)
    late = story.asks(1, "worker", "db pool", 4)
    story.gives_up(50, late, Outcome.TIMED_OUT, "TimeoutError")
    story.leaves(60, early)
    story.is_out(60, early)
    story.gets_in(101, story.asks(100, "forgets", "db pool", 9))
    story.ends(200)
    found = shape(groups_of(story, starved_pool=10_000_000_000))

    assert found["leak"] == []
    assert found["timeout"] == ["cancelled-in-enter"]


def test_a_leak_at_the_end_does_not_explain_a_queue_before_it() -> None:
    """Not even where the one who leaks has queued with the others."""
    story = Story()
    story.resource("db pool", "pool", 1)
    story.pass_through("slow", "db pool", 0, 0, 232, line=3)
    for number in range(8):
        story.pass_through(f"t{number}", "db pool", 0, 232 + number, 233 + number, line=2)
    last = story.asks(0, "forgets", "db pool", 2)
    story.gets_in(240, last)
    story.task_gone(250, "forgets")
    story.ends(300)

    assert shape(groups_of(story)) == {"leak": [], "starved-pool": []}


def test_consequences_of_consequences_are_told_under_the_first_cause() -> None:
    """There is no third level."""
    groups = groups_of(_a_leak_that_starves_a_pool())

    assert [group.kind for group in groups] == ["leak"]
    assert all(not each.consequences for each in groups[0].consequences)
    assert {"starved-pool", "timeout"} <= {each.kind for each in groups[0].consequences}


def _a_leak_that_starves_a_pool() -> Story:
    story = Story()
    story.resource("db pool", "pool", 1)
    story.gets_in(0, story.asks(0, "forgets", "db pool", 1))
    story.task_gone(1, "forgets")
    for number in range(8):
        waits = story.asks(2, f"t{number}", "db pool", 2)
        story.gives_up(500 + number, waits, Outcome.TIMED_OUT, "TimeoutError")
    story.ends(600)
    return story


def test_no_findings_no_groups() -> None:
    """Nothing comes of nothing."""
    none: list[Finding] = []

    assert group_findings(Snapshot(Story().timeline()), none) == []
