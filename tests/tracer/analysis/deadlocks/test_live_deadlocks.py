"""A deadlock is told while the program hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncctx_trace.analysis.deadlocks.live import DeadlockWatch
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.writing.writer import Recorder
from recording.builders import recorder

OK = int(Outcome.OK)
SECOND = 1_000_000_000


@pytest.fixture
def writer(tmp_path: Path) -> Recorder:
    """A program that records itself: two tasks, two locks."""
    made = recorder(tmp_path / "run.actx")
    made.manager_defined(1, "asyncio.locks.Lock")
    for number, name in ((1, "first"), (2, "second\x1b[2J")):
        made.resource_defined(number, "lock", name, 1)
        made.site_defined(number, "app.py", 10 * number, "main", name)
        made.task_defined(0, number, f"task {number}", "asyncio", 0, "MainThread")
    return made


def hang(writer: Recorder) -> None:
    """Each task takes its lock and asks for the other's."""
    for task in (1, 2):
        writer.enter_started(SECOND, task, 0, task, 1, task, task)
        writer.enter_ended(SECOND, task, OK, None)
    for task in (1, 2):
        writer.enter_started(2 * SECOND, 2 + task, task, task, 1, 3 - task, 3 - task)


def test_it_is_told_once_in_one_line(writer: Recorder) -> None:
    """As soon as it has lasted a moment, with names that harm no terminal."""
    with DeadlockWatch(writer.path) as watch:
        assert watch.new_deadlocks(SECOND) == []
        hang(writer)
        assert watch.new_deadlocks(2 * SECOND) == []
        (line,) = watch.new_deadlocks(3 * SECOND)
        assert watch.new_deadlocks(4 * SECOND) == []

    assert line == (
        "deadlock: task 1 waits for `second\\x1b[2J` at app.py:20 held by task 2 (taken at "
        "app.py:20); task 2 waits for `first` at app.py:10 held by task 1 (taken at app.py:10)"
    )


def test_what_has_ended_is_forgotten(writer: Recorder) -> None:
    """So that a program may be watched for days."""
    with DeadlockWatch(writer.path) as watch:
        for number in range(1, 200):
            writer.enter_started(number, number, 0, 1, 1, 1, 1)
            writer.enter_ended(number, number, OK, None)
            writer.exit_started(number, number, 1, OK, None)
            writer.exit_ended(number, number, OK, False, None)
        watch.new_deadlocks(SECOND)

        assert watch.in_flight == 0


def test_a_task_awaited_under_the_lock_that_it_wants_is_told_of_while_it_hangs(
    writer: Recorder,
) -> None:
    """With both edges of the cycle, and once."""
    writer.enter_started(SECOND, 1, 0, 1, 1, 1, 1)
    writer.enter_ended(SECOND, 1, OK, None)
    writer.enter_started(2 * SECOND, 2, 0, 2, 1, 1, 2)
    writer.wait_started(2 * SECOND, 3, 1, 2, 1, WaitKind.TASK)
    with DeadlockWatch(writer.path) as watch:
        (line,) = watch.new_deadlocks(3 * SECOND)
        assert watch.new_deadlocks(4 * SECOND) == []

    assert line == (
        "deadlock: task 2 waits for `first` at app.py:20, held by task 1 (taken at app.py:10), "
        "since 1.00 s; task 1 waits for the end of task 2 at app.py:10, since 1.00 s: none of them "
        "can go on"
    )


def test_a_program_that_nothing_can_wake_is_told_of_until_something_does(
    writer: Recorder,
) -> None:
    """The event loop was left with nothing; later records show that it was woken all the same."""
    writer.resource_defined(9, "condition", "changed", None)
    writer.wait_started(SECOND, 1, 1, 9, 1, WaitKind.CONDITION)
    writer.quiescent(2 * SECOND, SECOND)
    with DeadlockWatch(writer.path) as watch:
        (line,) = watch.new_deadlocks(3 * SECOND)
        writer.wait_ended(4 * SECOND, 1, OK, 0)
        writer.wait_started(4 * SECOND, 2, 1, 9, 1, WaitKind.CONDITION)
        assert watch.new_deadlocks(5 * SECOND) == []
        assert watch.in_flight == 1

    assert line == (
        "still waiting: task 1 waits for a notification of `changed` at app.py:10, since 2.00 s: "
        "nothing in the program is left that could wake it"
    )
