"""A reader returns what a recorder was given."""

from __future__ import annotations

import gzip
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace.errors import RecordingExists
from asyncctx_trace.model.events import (
    Collected,
    Dropped,
    EnterEnded,
    EnterStarted,
    ErrorText,
    ExitEnded,
    ExitStarted,
    Interrupted,
    Marked,
    Outcome,
    Printed,
    ProcessDefined,
    ProcessEnded,
    ReleaseUnmatched,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
    TaskEnded,
)
from asyncctx_trace.model.outcomes import EnterFlag, ExitFlag
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.text_entries import TEXT_LIMIT
from asyncctx_trace.recording.writing.segments import create
from recording.builders import LOCK, define_names, recorder


def test_the_events_of_an_acquisition_are_read_as_written(tmp_path: Path) -> None:
    """A task waits for a lock, holds it, fails in the body, and the exit suppresses the error."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    define_names(writer)
    writer.enter_started(10, 1, 0, 1, 1, LOCK, 1)
    writer.enter_ended(20, 1, Outcome.OK, None)
    writer.exit_started(30, 1, 1, Outcome.ERROR, ValueError("no such row"))
    writer.exit_ended(40, 1, Outcome.OK, True, None)
    writer.task_ended(50, 1)
    writer.close()
    error = ErrorText("builtins.ValueError", "no such row")

    process, *events, end = read(path)

    assert isinstance(process, ProcessDefined)
    assert process.pid == os.getpid()
    assert isinstance(end, ProcessEnded)
    assert events == [
        SiteDefined(1, "app.py", 12, "worker", "db_lock"),
        ResourceDefined(LOCK, "lock", "db lock", 1),
        TaskDefined(5, 1, "worker-1", "asyncio", None, 0, "MainThread"),
        EnterStarted(10, 1, None, 1, "asyncio.locks.Lock", LOCK, 1),
        EnterEnded(20, 1, Outcome.OK, None),
        ExitStarted(30, 1, 1, Outcome.ERROR, error),
        ExitEnded(40, 1, Outcome.OK, True, None),
        TaskEnded(50, 1),
    ]


def test_optional_fields_and_rare_events_are_read_as_written(tmp_path: Path) -> None:
    """Sites of releases, flags of exits, callers, coroutines of tasks, collected objects."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    define_names(writer)
    writer.task_defined(6, 2, "Task-2", "asyncio", 1, "MainThread", "Shop.serve")
    writer.site_defined(2, "app.py", 30, "helper", "db_lock.acquire()", 1)
    for number, flags in ((1, EnterFlag.TRACED), (2, EnterFlag.TRACED | EnterFlag.BY_CALL)):
        writer.enter_started(10, number, 0, 1, 1, LOCK, 2, flags)
        writer.enter_ended(20, number, Outcome.OK, None)
    writer.exit_started(30, 1, 1, Outcome.OK, None, 1)
    writer.exit_ended(40, 1, Outcome.OK, False, None, ExitFlag.EXPIRED)
    writer.exit_started(50, 2, 1, Outcome.OK, None)
    writer.exit_ended(60, 2, Outcome.OK, False, None, ExitFlag.EXPIRED | ExitFlag.SKIPPED)
    writer.release_unmatched(70, 1, LOCK, 2)
    writer.release_unmatched(80, 1, LOCK, 0)
    writer.collected(90, 2)

    events = list(read(path))

    assert SiteDefined(2, "app.py", 30, "helper", "db_lock.acquire()", 1) in events
    assert TaskDefined(6, 2, "Task-2", "asyncio", 1, 0, "MainThread", "Shop.serve") in events
    assert events[-11:-7] == [
        EnterStarted(10, 1, None, 1, "asyncio.locks.Lock", LOCK, 2),
        EnterStarted(10, 2, None, 1, "asyncio.locks.Lock", LOCK, 2, by_call=True),
        EnterEnded(20, 1, Outcome.OK, None),
        EnterEnded(20, 2, Outcome.OK, None),
    ]
    assert events[-7:] == [
        ExitStarted(30, 1, 1, Outcome.OK, None, 1),
        ExitEnded(40, 1, Outcome.OK, False, None, ExitFlag.EXPIRED),
        ExitStarted(50, 2, 1, Outcome.OK, None, None),
        ExitEnded(60, 2, Outcome.OK, False, None, ExitFlag.EXPIRED | ExitFlag.SKIPPED),
        ReleaseUnmatched(70, 1, LOCK, 2),
        ReleaseUnmatched(80, 1, LOCK, None),
        Collected(90, 2),
    ]


def test_a_recording_of_version_1_still_opens(tmp_path: Path) -> None:
    """It lacks what was added in version 2."""
    path = tmp_path / "old.actx"
    packed = Path(__file__).parent / "data" / "version-1.actx.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    error = ErrorText("builtins.ValueError", "no such row")

    process, *events, end = read(path)

    assert isinstance(process, ProcessDefined)
    assert isinstance(end, ProcessEnded)
    assert events == [
        SiteDefined(1, "app.py", 12, "worker", "db_lock"),
        SiteDefined(2, "app.py", 20, "reader", "db_lock.acquire()"),
        ResourceDefined(LOCK, "lock", "db lock", 1),
        TaskDefined(5, 1, "worker-1", "asyncio", None, 0, "MainThread"),
        TaskDefined(6, 2, "reader-1", "asyncio", 1, 0, "MainThread"),
        EnterStarted(10, 1, None, 1, "asyncio.locks.Lock", LOCK, 1),
        EnterEnded(20, 1, Outcome.OK, None),
        EnterStarted(25, 2, None, 2, "asyncio.locks.Lock", LOCK, 2),
        Printed(27, "stdout", "hello"),
        ExitStarted(30, 1, 1, Outcome.ERROR, error),
        ExitEnded(40, 1, Outcome.OK, True, None),
        TaskEnded(50, 1),
        EnterEnded(60, 2, Outcome.CANCELLED, ErrorText("builtins.KeyError", "'gone'")),
        EnterStarted(70, 3, None, 2, "asyncio.locks.Lock", LOCK, 1),
        EnterEnded(80, 3, Outcome.OK, None),
    ]


def test_notes_are_in_the_order_of_time_with_other_events(tmp_path: Path) -> None:
    """Printed lines, marks and losses are returned where they happened."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    define_names(writer)
    writer.dropped(35, 3, "no room on the disk")
    writer.enter_started(10, 1, 0, 1, 1, LOCK, 1)
    writer.printed(15, "stdout", "hello")
    writer.enter_ended(20, 1, Outcome.OK, None)
    writer.marked(25, "here")
    writer.interrupted(27, 41, "SIGINT")

    notes = [event for event in read(path) if not isinstance(event, ProcessDefined)][3:]

    assert notes == [
        EnterStarted(10, 1, None, 1, "asyncio.locks.Lock", LOCK, 1),
        Printed(15, "stdout", "hello"),
        EnterEnded(20, 1, Outcome.OK, None),
        Marked(25, "here"),
        Interrupted(27, 41, "SIGINT"),
        Dropped(35, 3, "no room on the disk"),
    ]


def test_only_the_owner_can_read_a_recording(tmp_path: Path) -> None:
    """It contains names and messages of the program."""
    create(tmp_path / "a.actx")

    assert stat.S_IMODE((tmp_path / "a.actx").stat().st_mode) == 0o600


def test_an_existing_file_is_not_overwritten_without_an_option(tmp_path: Path) -> None:
    """It may be the only recording of an incident."""
    path = tmp_path / "a.actx"
    path.write_text("precious")

    with pytest.raises(RecordingExists, match=r"a\.actx exists: choose another name"):
        create(path)
    assert path.read_text() == "precious"


def test_a_long_text_is_cut_and_says_by_how_much(tmp_path: Path) -> None:
    """Ten thousand characters help nobody, but a reader must see that they are missing."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    writer.printed(1, "stdout", "x" * 10_000)

    (line,) = (event for event in read(path) if isinstance(event, Printed))
    assert line.text == "x" * TEXT_LIMIT + f"… (+{10_000 - TEXT_LIMIT} characters)"


@given(texts=st.lists(st.text(st.characters(codec=None), max_size=300), max_size=200))
def test_any_text_is_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """Escape sequences, lone surrogates, markup, the empty text."""
    path = tmp_path_factory.mktemp("any") / "a.actx"
    writer = recorder(path)
    for at, text in enumerate(texts):
        writer.printed(at, "stdout", text)

    assert [event.text for event in read(path) if isinstance(event, Printed)] == texts


def test_an_exception_whose_str_raises_is_recorded_without_its_message(tmp_path: Path) -> None:
    """The program's ``__str__`` must not break the recording."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    path = tmp_path / "a.actx"
    writer = recorder(path)
    writer.enter_started(10, 1, 0, 1, 1, LOCK, 1)
    writer.enter_ended(20, 1, Outcome.ERROR, Broken())

    (ended,) = (event for event in read(path) if isinstance(event, EnterEnded))
    assert ended.error is not None
    assert ended.error.type.endswith("Broken")
    assert ended.error.message == "(its message cannot be shown)"


def test_events_on_many_pages_stay_in_order(tmp_path: Path) -> None:
    """Here are four rotations."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    for at in range(10_000):
        writer.task_ended(at + 1, at + 1)

    ended = [event.task for event in read(path) if isinstance(event, TaskEnded)]
    assert ended == list(range(1, 10_001))


def test_threads_share_a_recording_without_losing_an_event(tmp_path: Path) -> None:
    """Four threads record at once, over several pages."""
    path = tmp_path / "a.actx"
    writer = recorder(path)

    def stamp(thread: int) -> None:
        for number in range(5_000):
            writer.task_ended(number, thread * 10_000 + number)

    threads = [threading.Thread(target=stamp, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ended = {event.task for event in read(path) if isinstance(event, TaskEnded)}
    assert ended == {thread * 10_000 + n for thread in range(4) for n in range(5_000)}


def test_an_event_with_an_invalid_value_is_an_error(tmp_path: Path) -> None:
    """Only a full page is a reason to rotate: this must not loop."""
    writer = recorder(tmp_path / "a.actx")

    with pytest.raises(Exception, match=r"out of range|too large|requires|negative"):
        writer.task_ended(1, -1)
