"""A deadlock is told while the program hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncctx_trace.analysis.deadlocks.live import DeadlockWatch
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.writer import Recorder
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
