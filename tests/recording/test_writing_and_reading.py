"""What the recorder was told is what the reader tells."""

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
from asyncctx_trace.model.outcomes import ExitFlag
from asyncctx_trace.recording.reader import read
from asyncctx_trace.recording.segments import create
from asyncctx_trace.recording.text_entries import TEXT_LIMIT
from recording.builders import LOCK, define_words, recorder


def test_one_acquisition_comes_back_fact_by_fact(tmp_path: Path) -> None:
    """A task waits for a lock, holds it, fails in the body, and the exit swallows the error."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    define_words(writer)
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


def test_what_only_some_acquisitions_have_comes_back(tmp_path: Path) -> None:
    """Where it was released, how its exit was special, who called, what was collected."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    define_words(writer)
    writer.site_defined(2, "app.py", 30, "helper", "db_lock.acquire()", 1)
    for number in (1, 2):
        writer.enter_started(10, number, 0, 1, 1, LOCK, 2, number - 1)
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
    """Written by the release before: what it did not know is absent."""
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


def test_notes_stand_among_the_facts_in_order_of_time(tmp_path: Path) -> None:
    """Printed lines, marks and losses are told where they happened."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    define_words(writer)
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


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """A recording holds names and messages that are nobody else's business."""
    create(tmp_path / "a.actx")

    assert stat.S_IMODE((tmp_path / "a.actx").stat().st_mode) == 0o600


def test_an_existing_file_is_never_overwritten_unasked(tmp_path: Path) -> None:
    """What is there may be the only record of last night."""
    path = tmp_path / "a.actx"
    path.write_text("precious")

    with pytest.raises(RecordingExists, match=r"a\.actx exists: choose another name"):
        create(path)
    assert path.read_text() == "precious"


def test_a_long_text_is_cut_and_says_by_how_much(tmp_path: Path) -> None:
    """Ten thousand characters of a name help nobody, but nobody is to think it was all."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    writer.printed(1, "stdout", "x" * 10_000)

    (line,) = (event for event in read(path) if isinstance(event, Printed))
    assert line.text == "x" * TEXT_LIMIT + f"… (+{10_000 - TEXT_LIMIT} characters)"


@given(texts=st.lists(st.text(st.characters(codec=None), max_size=300), max_size=200))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Escapes, lone surrogates, markup, nothing at all: a text is a text."""
    path = tmp_path_factory.mktemp("any") / "a.actx"
    writer = recorder(path)
    for at, text in enumerate(texts):
        writer.printed(at, "stdout", text)

    assert [event.text for event in read(path) if isinstance(event, Printed)] == texts


def test_an_exception_whose_message_cannot_be_had_is_still_an_error(tmp_path: Path) -> None:
    """A broken __str__ of the program's is not our crash."""

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


def test_many_pages_keep_every_fact_in_order(tmp_path: Path) -> None:
    """Pages turn some four times here, and nobody sees it."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    for at in range(10_000):
        writer.task_ended(at + 1, at + 1)

    ended = [event.task for event in read(path) if isinstance(event, TaskEnded)]
    assert ended == list(range(1, 10_001))


def test_threads_share_a_recording_without_losing_a_fact(tmp_path: Path) -> None:
    """Four threads stamp at once, over several page turns."""
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


def test_a_malformed_fact_is_an_error_and_not_an_endless_loop(tmp_path: Path) -> None:
    """Only a full page is a reason to turn it."""
    writer = recorder(tmp_path / "a.actx")

    with pytest.raises(Exception, match=r"out of range|too large|requires|negative"):
        writer.task_ended(1, -1)
