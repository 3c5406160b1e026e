"""A program that was interrupted is judged as it stood before that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.support.builders import MS, Story
from analysis.support.simulation import Simulation, scenes
from asyncctx_trace.analysis.endings.interruption import cut_at_interruption, interruptions_of
from asyncctx_trace.analysis.endings.truncation import truncated
from asyncctx_trace.analysis.findings import Finding, find
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Interrupted,
    Outcome,
    ProcessDefined,
    ProcessEnded,
    TaskDefined,
)

PID = 41
CANCELLED = ErrorText("asyncio.exceptions.CancelledError", "")


def definitions(simulation: Simulation, processes: int = 1) -> list[Event]:
    """What the simulation's own timeline knows, with tasks spread over ``processes``."""
    timeline = simulation.timeline()
    found: list[Event] = [ProcessDefined(0, n, PID + n, 1, "app") for n in range(processes)]
    found += timeline.resources.values()
    found += timeline.sites.values()
    for task in timeline.tasks.values():
        found.append(
            TaskDefined(
                0, task.task, task.name, "asyncio", None, task.task % processes, "MainThread"
            )
        )
    return found


def shut_down(events: Sequence[Event], at: int, order: list[int]) -> list[Event]:
    """What follows when all tasks are cancelled at ``at``, in an ``order`` of their numbers."""
    stacks: dict[int, list[int]] = {}
    stage: dict[int, str] = {}
    task_of: dict[int, int] = {}
    for event in events:
        match event:
            case EnterStarted():
                stacks.setdefault(event.task, []).append(event.acquisition)
                stage[event.acquisition] = "enter"
                task_of[event.acquisition] = event.task
            case EnterEnded(_, acquisition, outcome):
                stage[acquisition] = "body"
                if outcome is not Outcome.OK:
                    stacks[task_of[acquisition]].remove(acquisition)
            case ExitStarted(_, acquisition):
                stage[acquisition] = "exit"
            case ExitEnded(_, acquisition):
                stacks[task_of[acquisition]].remove(acquisition)
    after: list[Event] = []

    def now() -> int:
        return at + 1 + len(after)

    for task in order:
        for acquisition in reversed(stacks.get(task, [])):
            if stage[acquisition] == "enter":
                after.append(EnterEnded(now(), acquisition, Outcome.CANCELLED, CANCELLED))
                continue
            if stage[acquisition] == "body":
                after.append(ExitStarted(now(), acquisition, task, Outcome.CANCELLED, CANCELLED))
            after.append(ExitEnded(now(), acquisition, Outcome.OK, False, None))
    return [*after, ProcessEnded(now(), PID, None), ProcessEnded(now(), PID, -2)]


def said(findings: list[Finding]) -> list[tuple[Any, ...]]:
    """Findings as far as they must agree."""
    return [(f.kind, f.certainty, f.summary, f.rows, f.tasks, f.at, f.count) for f in findings]


@settings(max_examples=150, deadline=None)
@given(scenes(), st.data())
def test_interrupted_at_any_moment_is_judged_by_the_events_up_to_it(scene: Any, data: Any) -> None:
    """Whatever the shutdown does, and in whatever order."""
    simulation = Simulation(scene, fine=True)
    events = simulation.events
    cut = data.draw(st.integers(0, len(events)))
    tasks = data.draw(st.permutations(range(1, len(scene.programs) + 1)))
    at = 1 + max((event.at for event in events[:cut]), default=0)
    note = Interrupted(at, PID, "SIGINT")
    before = [*definitions(simulation), *events[:cut], note]

    interrupted = Timeline([*before, *shut_down(events[:cut], at, tasks)])

    assert said(find(interrupted)) == said(find(Timeline(before)))


def contents(timeline: Timeline) -> dict[str, Any]:
    """Every attribute of ``timeline``; of the open acquisitions not the stacks, for growth only."""
    open_rows = dict(zip(timeline.open.ids, timeline.open.rows, strict=True))
    return {**vars(timeline), "open": open_rows}


@settings(max_examples=150, deadline=None)
@given(scenes(), st.data())
def test_a_truncated_timeline_is_that_of_the_events_up_to_then(scene: Any, data: Any) -> None:
    """Column by column, with a moment of its own for each process."""
    simulation = Simulation(scene, fine=True)
    events = simulation.acquisitions
    processes = data.draw(st.integers(1, 2))
    known = definitions(simulation, processes)
    ends = st.integers(0, max((event.at for event in events), default=0) + 1)
    until = {n: data.draw(ends) for n in range(processes)}
    process_of: dict[int, int] = {}
    for event in events:
        if isinstance(event, EnterStarted):
            process_of[event.acquisition] = event.task % processes
    kept = [event for event in events if event.at <= until[process_of[event.acquisition]]]

    result, rows = truncated(Timeline([*known, *events]), until)

    expected = contents(Timeline([*known, *kept]))
    found = contents(result)
    ours = {"start", "end", "facts"}  # of the processes together
    assert {k: v for k, v in found.items() if k not in ours} == {
        k: v for k, v in expected.items() if k not in ours
    }
    whole = Timeline([*known, *events])
    assert [whole.id[row] for row in rows or range(len(result))] == list(result.id)


# -- which interruptions count ----------------------------------------------------------------


def deadlock(story: Story, at: float) -> list[int]:
    """The acquisitions of ``one`` and ``two``, which hang 20 ms after ``at``."""
    outer = [story.asks(at + 1, "one", "a", 10), story.asks(at + 2, "two", "b", 20)]
    for acquisition in outer:
        story.gets_in(at + 3, acquisition)
    return [*outer, story.asks(at + 10, "one", "b", 11), story.asks(at + 20, "two", "a", 21)]


def unwind(story: Story, at: float, acquisitions: list[int]) -> None:
    """What cancelling the two tasks does to what :func:`deadlock` gave."""
    first, second, *waits = acquisitions
    for acquisition in waits:
        story.gives_up(at, acquisition)
    for acquisition in (second, first):
        story.leaves(at + 1, acquisition, Outcome.CANCELLED)
        story.is_out(at + 2, acquisition)


def kinds(story: Story) -> list[tuple[str, str]]:
    """Kind and certainty of each finding, but for what a deadlock shows as well."""
    found = [(finding.kind, finding.certainty) for finding in find(story.timeline())]
    return [each for each in found if each[0] != "held-across-wait"]


def moment(story: Story) -> float | None:
    """When the interruption came that ended the program, in ms from its start."""
    found = interruptions_of(story.timeline())
    return (found[0].at - 1000 * MS) / MS if found else None


def test_a_deadlock_that_ctrl_c_ended_is_a_deadlock() -> None:
    """And nothing else: the shutdown's cancellations are no findings."""
    story = Story()
    acquisitions = deadlock(story, 0)
    story.interrupted(5000)
    unwind(story, 5001, acquisitions)
    story.ends(5010, None)
    story.ends(5011, -2)

    assert kinds(story) == [("deadlock", "certain")]
    finding = find(story.timeline())[0]
    assert finding.summary.endswith("nobody can go on.")


@pytest.mark.parametrize("code", [-2, 130, 0, 1])
def test_it_counts_whatever_the_program_says_at_its_end(code: int) -> None:
    """One catches KeyboardInterrupt and exits with 0, another dies of the signal."""
    story = Story()
    acquisitions = deadlock(story, 0)
    story.interrupted(5000)
    unwind(story, 5001, acquisitions)
    story.ends(5010, None)
    story.ends(5011, code)

    assert moment(story) == 5000


def test_a_second_ctrl_c_during_the_shutdown_does_not_move_the_moment() -> None:
    """The launcher, the program and its impatient user note the same end several times."""
    story = Story()
    acquisitions = deadlock(story, 0)
    for at in (5000, 5000.1, 7000):
        story.interrupted(at)
    unwind(story, 7001, acquisitions)
    story.ends(7010, -2)

    assert moment(story) == 5000


def test_an_interruption_that_the_program_survived_hides_nothing() -> None:
    """It stopped one command of a shell, say; the deadlock came later."""
    story = Story()
    story.interrupted(50)
    story.pass_through("three", "c", 100, 101, 102)
    acquisitions = deadlock(story, 200)
    story.interrupted(5000)
    unwind(story, 5001, acquisitions)
    story.ends(5011, -2)

    assert moment(story) == 5000
    assert kinds(story) == [("deadlock", "certain")]


def test_a_program_that_survived_it_and_ended_by_itself_is_judged_at_its_end() -> None:
    """What it leaked after the interruption is a leak."""
    story = Story()
    story.interrupted(50)
    story.gets_in(101, story.asks(100, "one", "a"))
    story.ends(300, None)
    story.ends(301, 0)

    assert moment(story) is None
    assert kinds(story) == [("leak", "certain")]


def test_a_task_that_catches_its_cancellation_and_resumes_has_survived() -> None:
    """A read-eval-print loop on one task: cancelled, and then at the same line again."""
    story = Story()
    first = story.asks(10, "main", "a", 5)
    story.gets_in(11, first)
    story.interrupted(50)
    story.leaves(51, first, Outcome.CANCELLED)
    story.is_out(52, first)
    story.pass_through("main", "a", 60, 61, 62, line=5)
    story.ends(300, None)
    story.ends(301, 0)

    assert moment(story) is None


def test_what_cleaning_up_acquires_is_no_work() -> None:
    """In an exit, in a ``finally``, in a task that the unwinding one creates."""
    story = Story()
    held = story.asks(10, "main", "pool", 5)
    story.gets_in(11, held)
    story.interrupted(5000)
    story.leaves(5001, held, Outcome.CANCELLED)
    story.pass_through("main", "log", 5002, 5003, 5004, line=30)
    story.task("helper", 5005, "main")
    story.pass_through("helper", "log", 5006, 5007, 5008, line=31)
    story.is_out(5009, held)
    story.pass_through("main", "log", 5010, 5011, 5012, line=32)
    story.ends(5020, None)
    story.ends(5021, 0)

    assert moment(story) == 5000


def test_a_service_that_is_stopped_in_good_order_has_no_findings() -> None:
    """Workers wait for their turn; requests come to their end; then it dies of the signal."""
    story = Story()
    story.resource("limit", "semaphore", 1)
    story.resource("connection", "manager", None)
    held = story.asks(1000, "request", "limit", 5)
    story.gets_in(1001, held)
    idle = story.asks(10, "listener", "connection", 9)
    story.interrupted(4000, "SIGTERM")
    story.pass_through("request", "table", 4010, 4011, 4012)
    story.leaves(4100, held)
    story.is_out(4101, held)
    story.gives_up(4200, idle)
    story.ends(4300, None)
    story.ends(4301, -15)

    assert moment(story) == 4000
    assert kinds(story) == []


def test_a_service_that_works_while_it_shuts_down_and_exits_with_0_has_no_findings() -> None:
    """uvicorn after Ctrl-C: it flushes a buffer and cancels its idle tasks."""
    story = Story()
    story.resource("connection", "manager", None)
    idle = story.asks(10, "listener", "connection", 9)
    other = story.asks(3000, "other", "connection", 9)
    story.interrupted(4000)
    story.pass_through("lifespan", "table", 4010, 4011, 4012)
    late = story.asks(4013, "request", "connection", 9)
    for acquisition in (idle, late):
        story.gives_up(4200, acquisition)
    story.gets_in(4201, other)
    story.leaves(4202, other)
    story.is_out(4203, other)
    story.ends(4300, None)
    story.ends(4301, 0)

    assert moment(story) is None
    assert kinds(story) == []


def test_work_after_an_interruption_is_judged_too() -> None:
    """It deadlocks after Ctrl-C was handled, and a deadline breaks it up."""
    story = Story()
    story.interrupted(50)
    acquisitions = deadlock(story, 200)
    first, second, *waits = acquisitions
    for acquisition in waits:
        story.gives_up(1000, acquisition, Outcome.TIMED_OUT, "TimeoutError")
    for acquisition in (second, first):
        story.leaves(1001, acquisition, Outcome.ERROR, "TimeoutError")
        story.is_out(1002, acquisition)
    story.ends(1010, None)
    story.ends(1011, 0)

    assert ("deadlock", "certain") in kinds(story)
    evidence = next(f for f in find(story.timeline()) if f.kind == "deadlock")
    assert {story.timeline().id[row] for row in evidence.rows} == set(acquisitions)


def test_who_waits_in_a_queue_that_moves_is_not_stuck() -> None:
    """A second passed, but others got in meanwhile: it is only busy."""
    story = Story()
    held = story.asks(0, "one", "a", 5)
    story.gets_in(1, held)
    story.asks(10, "two", "a", 5)
    third = story.asks(5, "three", "a", 5)
    story.leaves(2000, held)
    story.is_out(2001, held)
    story.gets_in(2002, third)
    story.interrupted(3000)
    story.ends(3001, -2)

    assert kinds(story) == []


def test_who_waits_for_a_holder_that_does_not_move_is_stuck() -> None:
    """Possible only: the holder might have let go a moment later."""
    story = Story()
    story.gets_in(1, story.asks(0, "one", "a", 5))
    waiting = story.asks(10, "two", "a", 9)
    story.interrupted(3000)
    story.gives_up(3001, waiting)
    story.ends(3002, -2)

    assert kinds(story) == [("still-waiting", "possible")]


def test_what_happened_before_the_interruption_stays() -> None:
    """A leak of a task that is gone; a cancellation of the program's own."""
    story = Story()
    story.gets_in(1, story.asks(0, "one", "a", 5))
    story.task_gone(10, "one")
    story.gives_up(30, story.asks(20, "two", "b", 6))
    story.interrupted(100)
    story.ends(110, None)
    story.ends(111, -2)

    assert kinds(story) == [("leak", "certain"), ("cancelled-in-enter", "possible")]


def test_a_keyboard_interrupt_in_the_facts_counts_where_nothing_was_noted() -> None:
    """A program that records itself, with the default handler, and an exit that hangs."""
    story = Story()
    acquisitions = deadlock(story, 0)
    waits = acquisitions[2:]
    story.gives_up(5000, waits[0], Outcome.ERROR, "KeyboardInterrupt")
    story.gives_up(5001, waits[1])
    story.ends(5010, None)

    assert moment(story) == pytest.approx(5000, abs=0.001)
    assert kinds(story) == [("deadlock", "certain")]


def test_what_the_launcher_notes_late_is_dated_back() -> None:
    """The terminal sends Ctrl-C to both, and the program may be faster."""
    story = Story()
    story.gives_up(100, story.asks(90, "three", "c"))
    acquisitions = deadlock(story, 0)
    unwind(story, 5001, acquisitions)
    story.interrupted(5010, late=True)
    story.ends(5020, None)
    story.ends(5021, -2)

    assert moment(story) == pytest.approx(5001, abs=0.001)
    assert ("deadlock", "certain") in kinds(story)
    assert "broken up" not in find(story.timeline())[0].summary


def test_it_is_not_dated_back_over_work_that_was_begun() -> None:
    """Then the cancellation was the program's own."""
    story = Story()
    story.gives_up(4900, story.asks(4890, "one", "a"))
    story.pass_through("two", "b", 4950, 4951, 4952)
    story.interrupted(5000, late=True)
    story.ends(5021, -2)

    assert moment(story) == 5000


def test_a_program_that_still_runs_has_not_ended_of_anything() -> None:
    """It may go on any moment."""
    story = Story()
    acquisitions = deadlock(story, 0)
    story.interrupted(5000)
    unwind(story, 5001, acquisitions)
    snapshot = Snapshot(story.timeline(), running=True)

    assert cut_at_interruption(snapshot) is snapshot


def test_a_worker_is_interrupted_with_the_program_that_started_it() -> None:
    """Its own signal handler may be the default one, which leaves no note."""
    story = Story()
    story.events.append(ProcessDefined(1, 1, 2, 1, "worker"))
    story.events.append(TaskDefined(1, 99, "task", "asyncio", None, 1, "MainThread"))
    story.asks(10, "one", "a")
    story.events.append(EnterStarted(2 * 10**9, 99, None, 99, "app.Manager", 1, 1))
    story.interrupted(5000)

    assert {process: each.at for process, each in interruptions_of(story.timeline()).items()} == {
        0: 6 * 10**9,
        1: 6 * 10**9,
    }
