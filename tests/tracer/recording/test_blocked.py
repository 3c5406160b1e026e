"""Another process holds the lock of the recording: the program waits for a moment at most."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.completeness import completeness
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import Dropped, EnterStarted, TaskDefined
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing import writer
from asyncctx_trace.recording.writing.writer import Recorder

from .builders import LOCK, define_names, recorder

fcntl = pytest.importorskip("fcntl", reason="flock")

PAGE = 2730
"""Records of a page."""


class Clock:
    """A monotonic clock that advances when the code under test sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.slept = time.monotonic_ns() + 10**9, 0.0
        monkeypatch.setattr(unpatched, "monotonic_ns", lambda: self.now)
        monkeypatch.setattr(unpatched, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += int(seconds * 10**9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A manual clock."""
    return Clock(monkeypatch)


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recorder]:
    """A recorder with one task, manager, site and lock."""
    it = recorder(tmp_path / "a.actx")
    define_names(it)
    yield it
    it.close()


class Holder:
    """Holds the lock, like a process that was stopped while it appended."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let others append."""
        os.close(self._fd)


def acquire(it: Recorder, first: int, number: int) -> None:
    """Record complete acquisitions, of four events each."""
    for acquisition in range(first, first + number):
        it.enter_started(acquisition, acquisition, 0, 1, 1, LOCK, 1)
        it.enter_ended(acquisition, acquisition, 1, None)
        it.exit_started(acquisition, acquisition, 1, 1, None)
        it.exit_ended(acquisition, acquisition, 1, False, None)


def test_what_finds_no_page_is_dropped_and_counted(recording: Recorder, clock: Clock) -> None:
    """The recorder tries again each second for a few ms; then recording continues."""
    holder = Holder(recording.path)
    acquire(recording, 1, 2000)
    assert 0 < clock.slept < 0.1
    clock.now += 2 * 10**9
    acquire(recording, 2001, 1000)
    assert clock.slept < 0.2
    holder.release()
    clock.now += 2 * 10**9
    acquire(recording, 3001, 500)
    recording.close()

    timeline = Timeline(read(recording.path))
    lost = sum(gap.acquisitions for gap in completeness(timeline))
    kept = set(timeline.id)
    assert not recording.stopped
    assert kept >= set(range(1, 680)) | set(range(3002, 3501))
    assert len(kept) + lost == 3500


def test_definitions_wait_in_memory_and_keep_their_order(recording: Recorder, clock: Clock) -> None:
    """The name of a task is recorded although another process is appending."""
    holder = Holder(recording.path)
    for task in range(2, 2000):
        recording.task_defined(task, task, "n" * 100, "asyncio", 0, "MainThread")
    assert clock.slept < 0.1
    holder.release()
    clock.now += 2 * 10**9
    recording.close()

    tasks = [
        each.task for each in read(recording.path).definitions if isinstance(each, TaskDefined)
    ]
    assert tasks == list(range(1, 2000))


def test_definitions_that_find_no_memory_are_counted(
    recording: Recorder, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are kept."""
    monkeypatch.setattr(writer, "_MAX_WAITING", 10)
    holder = Holder(recording.path)
    for task in range(2, 2000):
        recording.task_defined(task, task, "n" * 100, "asyncio", 0, "MainThread")
    holder.release()
    clock.now += 2 * 10**9
    recording.close()

    events = list(read(recording.path))
    assert [event for event in events if isinstance(event, Dropped) and event.later]


def test_a_recorder_that_begins_while_somebody_appends_begins_later(
    tmp_path: Path, clock: Clock
) -> None:
    """A forked child starts while its sibling is stopped."""
    first = recorder(tmp_path / "a.actx")
    holder = Holder(first.path)
    second = Recorder(first.path)
    define_names(second)
    holder.release()
    clock.now += 2 * 10**9
    acquire(second, 1, 10)
    second.close()
    first.close()

    events = list(read(first.path))
    assert sum(isinstance(event, EnterStarted) for event in events) == 10
    assert [event.name for event in events if isinstance(event, TaskDefined)] == ["worker-1"]


def test_a_forked_child_that_must_wait_leaves_the_pages_of_its_parent_alone(
    recording: Recorder, clock: Clock
) -> None:
    """They are mapped in the child as well, and its names would be missing there."""
    acquire(recording, 1, 5)
    holder = Holder(recording.path)
    recording.restart_in_child()
    acquire(recording, 6, 10)
    events = list(read(recording.path))
    holder.release()
    clock.now += 2 * 10**9

    assert sum(isinstance(event, EnterStarted) for event in events) == 5


def test_an_acquisition_whose_end_alone_is_lost_makes_the_recording_incomplete(
    recording: Recorder, clock: Clock
) -> None:
    """The program may be killed before the next one begins, which would be counted."""
    holder = Holder(recording.path)
    acquire(recording, 1, PAGE // 4 + 1)  # the page ends within the last one
    events = list(read(recording.path))
    holder.release()
    clock.now += 2 * 10**9

    assert [event.acquisitions for event in events if isinstance(event, Dropped)] == [0]
    assert completeness(Timeline(events))


def test_a_process_that_begins_while_somebody_appends_loses_little(
    tmp_path: Path, clock: Clock
) -> None:
    """It does not wait again, but looks every 10 ms: until then, losses are in memory only."""
    first = recorder(tmp_path / "a.actx")
    holder = Holder(first.path)
    second = Recorder(first.path)
    define_names(second)
    slept = clock.slept
    clock.now += 11 * 10**6
    acquire(second, 1, 10)
    holder.release()
    clock.now += 11 * 10**6
    acquire(second, 11, 10)

    timeline = Timeline(read(first.path))
    assert clock.slept == slept
    assert {number & 0xFFFFFFFF for number in timeline.id} >= set(range(12, 21))
    assert len(timeline) + sum(gap.acquisitions for gap in completeness(timeline)) == 20
