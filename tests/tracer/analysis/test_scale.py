"""What could grow without end, and does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.support.builders import MS, Story
from asyncctx_trace.analysis import snapshot as snapshot_module
from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.contention.critical_path import critical_path
from asyncctx_trace.analysis.deadlocks.lock_order import inversions
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.kernels.charges import MAX_PATH_LENGTH, MAX_PATHS
from asyncctx_trace.analysis.kernels.choice import Kernels, plain_kernels, vectorized_kernels
from asyncctx_trace.analysis.kernels.columns import MAX_AROUND
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.timeline.phases import Phase
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    TaskDefined,
)
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.reading.reader import read
from recording.builders import recorder


def test_where_ways_part_again_and_again_those_that_matter_are_followed() -> None:
    """More than a thousand paths lead from the first resource, and no ns is lost on them.

    Each of two holders waits for another resource, whose holders do so as well.
    """
    story = Story()
    levels = 18
    for level in range(levels + 2):
        story.resource(f"r{level}", "semaphore", 2)
        for name in ("a", "b"):
            story.gets_in(0, story.asks(0, f"{name}{level}", f"r{level}", level))
    for level in range(levels):
        story.asks(10, f"a{level}", f"r{level + 1}", level)
        story.asks(10, f"b{level}", f"r{level + 2}", level)
    story.asks(20, "waiter", "r0")
    story.ends(100)
    blamed = blame(Snapshot(story.timeline()), 1)
    paths = {share.path for share in blamed.shares}

    assert (blamed.total, blamed.unknown) == (80 * MS, 0)
    assert sum(share.ns for share in blamed.shares) == blamed.blamed
    assert len(paths) <= MAX_PATHS
    assert max(map(len, paths)) > 4


def test_a_deadlock_of_many_is_one_finding_and_no_way_leads_all_around() -> None:
    """Each holds the lock of its number and waits for the next."""
    story = Story()
    many = 300
    for number in range(many):
        story.gets_in(0, story.asks(0, f"t{number}", f"lock {number}"))
    for number in range(many):
        story.asks(10, f"t{number}", f"lock {(number + 1) % many}")
    story.ends(500, exit_code=None)
    timeline = story.timeline()
    cycles = [finding for finding in find(timeline) if finding.kind == "deadlock"]
    blamed = blame(Snapshot(timeline), 1)

    assert len(cycles) == 1
    assert f"and {many - 4} more" in cycles[0].summary
    assert max(len(share.path) for share in blamed.shares) == MAX_PATH_LENGTH
    assert (blamed.total, blamed.unknown) == (490 * MS, 0)


def test_a_ring_of_locks_under_one_gate_is_cleared_though_many_tasks_walk_it() -> None:
    """No choice of one task a step could hang; there are a thousand million choices."""
    story = Story()
    at = 0
    for step in range(10):
        for number in range(8):
            task = f"t{step}.{number}"
            gate = story.asks(at, task, "gate")
            story.gets_in(at, gate)
            outer = story.asks(at + 1, task, f"lock {step}")
            story.gets_in(at + 1, outer)
            story.pass_through(task, f"lock {(step + 1) % 10}", at + 2, at + 2, at + 3)
            for each in (outer, gate):
                story.leaves(at + 4, each)
                story.is_out(at + 4, each)
            at += 10

    found = [i for i in inversions(Snapshot(story.timeline())) if i.level == "resource"]
    assert found == []


def one_stack(acquisitions: int, *, first_in_first_out: bool = False) -> list[Event]:
    """Return the events of a task that enters all of them, one in the other, and exits them."""
    numbers = range(1, acquisitions + 1)
    events: list[Event] = [TaskDefined(0, 1, "task", "asyncio", None, 1, "MainThread")]
    for number in numbers:
        parent = number - 1 or None
        events.append(EnterStarted(10 * number, number, parent, 1, "app.R", number, 1))
        events.append(EnterEnded(10 * number + 1, number, Outcome.OK, None))
    at = 10 * acquisitions + 10
    for number in numbers if first_in_first_out else reversed(numbers):
        events.append(ExitStarted(at, number, 1, Outcome.OK, None))
        events.append(ExitEnded(at + 1, number, Outcome.OK, False, None))
        at += 10
    return events


@pytest.mark.parametrize("kernels", [plain_kernels, vectorized_kernels])
def test_a_stack_of_many_is_reported_whatever_the_order_of_its_exits(
    kernels: Callable[[], Kernels],
) -> None:
    """Of 20,000, in time that grows with n log n; quadratic time would be minutes."""
    for first_in_first_out in (False, True):
        timeline = Timeline(one_stack(20_000, first_in_first_out=first_in_first_out))
        answer = report(Snapshot(timeline, kernels=kernels()))

        assert answer.path.length == 400_001
        assert answer.findings == []


def test_to_look_for_the_innermost_does_not_visit_all_that_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stack of 1,000 has 4,000 events, after each of which one is looked for."""
    visits = 0
    phase_at = Timeline.phase_at

    def counted(timeline: Timeline, row: int, at: int) -> Phase | None:
        nonlocal visits
        visits += 1
        return phase_at(timeline, row, at)

    timeline = Timeline(one_stack(1_000))
    snapshot = Snapshot(timeline, kernels=plain_kernels())
    monkeypatch.setattr(Timeline, "phase_at", counted)
    critical_path(snapshot)

    assert visits < 4 * 4_000


def test_more_than_65535_acquisitions_are_open_in_one_task(tmp_path: Path) -> None:
    """Whether they are added one by one or with numpy."""
    events = one_stack(70_000)
    opened = events[: 1 + 2 * 70_000]
    writer = recorder(tmp_path / "run.actx")
    writer.manager_defined(1, "app.R")
    writer.task_defined(0, 1, "task", "asyncio", 0, "MainThread")
    for event in opened:
        if isinstance(event, EnterStarted):
            writer.enter_started(
                event.at, event.acquisition, event.parent or 0, 1, 1, event.acquisition, 1
            )
        elif isinstance(event, EnterEnded):
            writer.enter_ended(event.at, event.acquisition, event.outcome, None)

    for timeline in (Timeline(opened), Timeline(read(tmp_path / "run.actx"))):
        assert list(timeline.depth) == list(range(70_000))
        assert len(timeline.in_flight) == 70_000


def test_a_request_is_compared_with_the_innermost_of_many_locks() -> None:
    """All pairs of 500 locks would be 124,750."""
    story = Story()
    for number in range(500):
        story.gets_in(number, story.asks(number, "task", f"lock {number}"))
    for kernels in (plain_kernels(), vectorized_kernels()):
        nestings = Snapshot(story.timeline(), kernels=kernels).nestings

        assert len(nestings.held) == sum(min(n, MAX_AROUND) for n in range(500))
        assert list(nestings.held[-MAX_AROUND:]) == list(range(499 - MAX_AROUND, 499))


def test_a_deadlock_of_very_many_follows_fewer_ways_from_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The number of all ways is limited, and no ns is lost."""
    monkeypatch.setattr(snapshot_module, "MAX_PATHS_IN_ALL", 600)
    story = Story()
    for number in range(200):
        story.gets_in(0, story.asks(0, f"t{number}", f"lock {number}"))
    for number in range(200):
        story.asks(10, f"t{number}", f"lock {(number + 1) % 200}")
    story.ends(500, exit_code=None)
    blamed = blame(Snapshot(story.timeline()), 1)

    assert max(len(share.path) for share in blamed.shares) == 3
    assert sum(share.ns for share in blamed.shares) == blamed.blamed == 490 * MS
