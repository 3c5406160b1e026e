"""A deadlock is told while the program hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncctx_trace.analysis.deadlocks.live import DeadlockWatch
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.writing.retention import MIN_SIZE, Retention
from asyncctx_trace.recording.writing.ring import LiveSet, RingRecorder
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.recording.writing.writer import Recorder
from recording.builders import recorder

OK = int(Outcome.OK)
SECOND = 1_000_000_000


@pytest.fixture
def writer(tmp_path: Path) -> Recorder:
    """A program that records itself: two tasks, two locks."""
    made = recorder(tmp_path / "run.actx")
    define_all(made)
    return made


def define_all(writer: Recorder) -> None:
    """Define two tasks and two locks."""
    writer.manager_defined(1, "asyncio.locks.Lock")
    for number, name in ((1, "first"), (2, "second\x1b[2J")):
        writer.resource_defined(number, "lock", name, 1)
        writer.site_defined(number, "app.py", 10 * number, "main", name)
        writer.task_defined(0, number, f"task {number}", "asyncio", 0, "MainThread")


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


def test_a_deadlock_is_told_once_however_often_a_ring_turns_over(tmp_path: Path) -> None:
    """Two tasks hang while others go on; what those define is forgotten with their segments."""
    hanging: set[int] = set()
    create(tmp_path / "ring.actx")
    ring = RingRecorder(
        tmp_path / "ring.actx", Retention(bytes=MIN_SIZE), lambda: LiveSet(hanging, {1, 2}, {1, 2})
    )
    define_all(ring)
    hang(ring)
    hanging.update(range(1, 5))
    told: list[str] = []
    definitions, in_flight = [], []
    with DeadlockWatch(ring.path) as watch:
        for turn in range(40):
            for number in range(10 + 1000 * turn, 1010 + 1000 * turn):
                ring.task_defined(0, number, f"request {number}", "asyncio", 0, "MainThread")
                ring.resource_defined(number, "lock", "short", 1)
                ring.enter_started(3 * SECOND, number, 0, number, 1, number, 1)
                ring.enter_ended(3 * SECOND, number, OK, None)
                ring.exit_started(3 * SECOND, number, number, OK, None)
                ring.exit_ended(3 * SECOND, number, OK, False, None)
            told += watch.new_deadlocks((4 + turn) * SECOND)
            in_flight.append(watch.in_flight)
            definitions.append(watch.definitions)

    (line,) = told
    assert "task 1 waits for `second\\x1b[2J` at app.py:20 held by task 2" in line
    assert set(in_flight) == {4}
    assert max(definitions) < 25_000  # of 80,000


def test_a_deadlock_after_a_ring_has_turned_over_is_told_with_names(tmp_path: Path) -> None:
    """Names were defined in segments that are recycled since."""
    hanging: set[int] = set()
    create(tmp_path / "ring.actx")
    ring = RingRecorder(
        tmp_path / "ring.actx", Retention(bytes=MIN_SIZE), lambda: LiveSet(hanging, {1, 2}, {1, 2})
    )
    define_all(ring)
    with DeadlockWatch(ring.path) as watch:
        for number in range(10, 20_010):
            ring.task_defined(0, number, f"request {number}", "asyncio", 0, "MainThread")
            ring.enter_started(0, number, 0, number, 1, 1, 1)
            ring.enter_ended(0, number, OK, None)
            ring.exit_started(0, number, number, OK, None)
            ring.exit_ended(0, number, OK, False, None)
            if not number % 500:
                assert watch.new_deadlocks(SECOND) == []
        hang(ring)
        (line,) = watch.new_deadlocks(3 * SECOND)

    assert "task 2 waits for `first` at app.py:10 held by task 1" in line


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
