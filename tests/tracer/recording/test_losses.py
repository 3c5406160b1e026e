"""A recorder that fails continues to count, and the count is in the recording at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns

import pytest

from asyncctx_trace.analysis.timeline.completeness import Gap, completeness, is_complete
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.instrument import sinks
from asyncctx_trace.model.events import Dropped, EnterStarted, Heartbeat, Outcome
from asyncctx_trace.recording.format import SegmentKind
from asyncctx_trace.recording.reading.reader import Recording, read
from asyncctx_trace.recording.writing.retention import Retention
from asyncctx_trace.recording.writing.ring import LiveSet, RingRecorder
from asyncctx_trace.recording.writing.segments import Segment, Segments
from asyncctx_trace.recording.writing.writer import Recorder, TextWriter
from recording.builders import LOCK, define_names, recorder


@pytest.fixture
def attached(tmp_path: Path) -> Iterator[Recorder]:
    """A recorder that is attached as a sink."""
    sink = recorder(tmp_path / "a.actx")
    define_names(sink)
    sinks.attach(sink)
    yield sink
    sinks.detach(sink)


def acquire(sink: Recorder, first: int, count: int) -> None:
    """Send the events of ``count`` acquisitions, as the hooks do."""
    for number in range(first, first + count):
        try:
            sink.enter_started(number, number, 0, 1, 1, LOCK, 1)
            sink.enter_ended(number, number, Outcome.OK, None)
            sink.exit_started(number, number, 1, Outcome.OK, None)
            sink.exit_ended(number, number, Outcome.OK, False, None)
        except Exception as error:
            sinks.disable_sink(sink, error)


def losses(path: Path) -> list[Dropped]:
    """Return the losses that a recording reports."""
    return Timeline(read(path)).dropped


def test_a_recorder_that_fails_counts_later_acquisitions(
    attached: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the cause is: it is logged once, and every reader sees it at once."""

    def broken(*_: object) -> None:
        raise LookupError("no such page")

    acquire(attached, 1, 100)
    monkeypatch.setattr(Segments, "append", broken)
    with caplog.at_level(logging.ERROR, "asyncctx_trace"):
        acquire(attached, 101, 1900)

    kept = sum(isinstance(event, EnterStarted) for event in read(attached.path))
    (lost,) = losses(attached.path)
    assert kept + lost.acquisitions == 2000
    assert (lost.later, lost.stops) == (True, True)
    assert "LookupError: no such page" in lost.reason
    assert len(caplog.records) == 1


def test_a_definition_that_fails_stops_the_recording(
    attached: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that refer to what was never defined are useless."""
    monkeypatch.setattr(Recorder, "_open_texts", lambda self: 1 / 0)
    for number in range(2_000):
        try:
            attached.site_defined(number + 10, "app.py", number, "main", "x" * 200)
        except Exception as error:
            sinks.disable_sink(attached, error)
            break
    acquire(attached, 1, 10)

    (lost,) = losses(attached.path)
    assert (lost.acquisitions, lost.stops) == (11, True)


def test_an_event_at_the_end_of_the_stack_is_counted_and_the_recording_continues(
    attached: Recorder,
) -> None:
    """This is not a failure of the recorder, but an event may be missing from then on."""
    acquire(attached, 1, 5)
    sinks.disable_sink(attached, RecursionError())
    sinks.disable_sink(attached, MemoryError())
    acquire(attached, 6, 5)

    (lost,) = losses(attached.path)
    assert (lost.acquisitions, lost.later, lost.stops) == (2, True, False)
    assert sum(isinstance(event, EnterStarted) for event in read(attached.path)) == 10
    timeline = Timeline(read(attached.path))
    assert is_complete(timeline, [1], 0, lost.at)
    assert not is_complete(timeline, [1], 0, lost.at + 1)


def test_a_follower_sees_the_count_grow(attached: Recorder) -> None:
    """Each poll returns how many more are missing."""
    with Recording(attached.path) as recording:
        timeline = Timeline(recording.poll())
        attached.stop_recording(OSError("disk full"))
        acquire(attached, 1, 3)
        timeline.extend(recording.poll())
        acquire(attached, 4, 4)
        timeline.extend(recording.poll())
        timeline.extend(recording.poll())

    (lost,) = timeline.dropped
    assert lost.acquisitions == 7
    assert completeness(timeline) == [
        Gap(0, lost.at, None, 7, True, "the recording stopped: OSError: disk full")
    ]


def test_the_count_survives_the_recycling_of_its_page(tmp_path: Path) -> None:
    """A ring recycles its segments; what is missing stays reported."""
    path = tmp_path / "a.actx"
    recorder(path).close()
    bounded = RingRecorder(path, Retention.parse("1MB"), LiveSet)
    define_names(bounded)
    bounded.missed()
    for number in range(10_000):
        bounded.printed(number, "stdout", "x" * 200)
    acquire(bounded, 1, 5)

    later = [each for each in losses(path) if each.later]
    assert [each.acquisitions for each in later] == [1]


def test_the_time_of_the_first_loss_is_kept(tmp_path: Path) -> None:
    """And the count stops at what its field can hold."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    before = monotonic_ns()
    writer.missed()
    after = monotonic_ns()
    writer.lost = 2**40
    writer.note_lost()
    writer.stop_recording(OSError("no space left"))

    [loss] = losses(path)
    assert before <= loss.at <= after
    assert loss.acquisitions == 2**32 - 1


def test_a_heartbeat_shows_how_long_a_killed_program_hung(tmp_path: Path) -> None:
    """It takes no space, and the last one counts."""
    path = tmp_path / "a.actx"
    sink = recorder(path)
    define_names(sink)
    sink.enter_started(10, 1, 0, 1, 1, LOCK, 1)
    launcher = TextWriter(path)
    for at in (1_000_000_000, 2_000_000_000, 3_000_000_000):
        launcher.heartbeat(at)

    beats = [event for event in read(path) if isinstance(event, Heartbeat)]
    timeline = Timeline(read(path))
    assert beats == [Heartbeat(3_000_000_000)]
    assert timeline.end == 3_000_000_000
    assert 3_000_000_000 not in timeline.facts


def test_a_recorder_that_cannot_begin_says_so_in_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for its name, and none for events: it must not look like an idle process."""
    recorder(tmp_path / "a.actx").close()
    append = Segments.append

    def full(segments: Segments, kind: SegmentKind, patience: int) -> Segment:
        if kind is SegmentKind.RECORDS:
            raise OSError("no space left on device")
        return append(segments, kind, patience)

    monkeypatch.setattr(Segments, "append", full)
    with pytest.raises(OSError, match="no space left"):
        Recorder(tmp_path / "a.actx")

    [loss] = losses(tmp_path / "a.actx")
    assert loss.stops
    assert "no space left on device" in loss.reason
