"""A damaged or forged recording is refused in one line, or analysed."""

from __future__ import annotations

import json
import mmap
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.errors import DamagedRecording, NotARecording, RecordingError
from asyncctx_trace.model.event_schema import SIZES, Field
from asyncctx_trace.model.events import ResourceDefined
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.format import (
    ANY_RECORD,
    HEADER_SIZE,
    RAW,
    RECORD,
    SEGMENT,
    SEGMENT_HEADER,
    SegmentKind,
)
from asyncctx_trace.recording.reading.reader import Recording, read
from asyncctx_trace.recording.text_entries import iter_entries, put_entry, stored_size
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.sources import open_source

from .builders import LOCK, define_names, recorder

EXTREMES = [0, 1, 2, 7, 8, 127, 128, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1]


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A recording of eight acquisitions, each inside the one before, a wait, and a stall."""
    path = tmp_path_factory.mktemp("intact") / "a.actx"
    it = recorder(path)
    define_names(it)
    for number in range(1, 9):
        it.enter_started(number * 10, number, number - 1, 1, 1, LOCK, 1)
        it.enter_ended(number * 10 + 1, number, 1, None)
    for number in range(8, 0, -1):
        it.exit_started(1000 - number * 10, number, 1, 1, None)
        it.exit_ended(1001 - number * 10, number, 1, False, None)
    it.wait_started(1010, 9, 1, 0, 1, WaitKind.TASKS)
    it.wait_target(1011, 9, 1)
    it.wait_ended(1020, 9, Outcome.OK, 1)
    it.stall_started(1030, 1031, 1, 1, 1, [("app.py", 12, "worker")])
    it.stall_ended(1040, 1, 0, 0)
    it.quiescent(1060, 1050)
    it.close()
    return path.read_bytes()


def segment_of(data: bytes, kind: SegmentKind) -> int:
    """Return the offset of the first segment of ``kind``."""
    offsets = range(HEADER_SIZE, len(data), SEGMENT)
    return next(at for at in offsets if data[at + SEGMENT_HEADER.size - 1] == kind)


def answer(path: Path, data: bytes) -> str:
    """Read ``data`` and analyse it; return ``""``, or the line with which it is refused."""
    path.write_bytes(data)
    refused = ""
    try:
        report(Snapshot(Timeline(read(path)), running=False))
    except RecordingError as error:
        refused = str(error)
    assert not refused or refused.isprintable()
    return refused


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    record=st.integers(0, 34),
    field=st.sampled_from(ANY_RECORD),
    value=st.sampled_from(EXTREMES),
)
def test_no_value_in_a_record_makes_analysis_fail_or_hang(
    tmp_path: Path, intact: bytes, record: int, field: Field, value: int
) -> None:
    """Times, ids, outcomes and kinds are checked where the recording is read."""
    size = SIZES[field.type]
    data = bytearray(intact)
    at = segment_of(intact, SegmentKind.RECORDS) + SEGMENT_HEADER.size + record * RECORD
    at += field.offset
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")

    answer(tmp_path / "a.actx", bytes(data))


@pytest.mark.parametrize("parent", [2, 3, 8])
def test_an_acquisition_within_itself_is_damage(tmp_path: Path, intact: bytes, parent: int) -> None:
    """Following its parents would never end."""
    data = bytearray(intact)
    second = segment_of(intact, SegmentKind.RECORDS) + SEGMENT_HEADER.size + 2 * RECORD
    assert RAW.unpack_from(data, second)[1] == 2
    struct.pack_into("<Q", data, second + 16, parent)

    assert "is not younger than its parent" in answer(tmp_path / "a.actx", bytes(data))


@pytest.mark.parametrize("value", [2, 128, 255])
def test_a_flag_that_is_neither_yes_nor_no_is_damage(
    tmp_path: Path, intact: bytes, value: int
) -> None:
    """The two ways to analyse it would understand it differently."""
    data = bytearray(intact)
    last = segment_of(intact, SegmentKind.RECORDS) + SEGMENT_HEADER.size + 31 * RECORD
    data[last + next(field.offset for field in ANY_RECORD if field.name == "suppressed")] = value

    assert "suppressed of a record is neither 0 nor 1" in answer(tmp_path / "a.actx", bytes(data))


@pytest.mark.parametrize("value", [0, max(WaitKind) + 1, 255])
def test_a_wait_of_an_unknown_kind_is_damage(tmp_path: Path, intact: bytes, value: int) -> None:
    """A new kind would come with a new version of the format."""
    data = bytearray(intact)
    wait = segment_of(intact, SegmentKind.RECORDS) + SEGMENT_HEADER.size + 32 * RECORD
    data[wait + next(field.offset for field in ANY_RECORD if field.name == "flags")] = value

    assert "invalid kind of a wait" in answer(tmp_path / "a.actx", bytes(data))


FIELDS = [
    ("task", "at", -1),
    ("task", "at", 1.5),
    ("task", "id", "1"),
    ("task", "parent", 1),
    ("task", "name", 7),
    ("site", "line", None),
    ("site", "caller", 1),
    ("site", "file", ["a"]),
    ("resource", "capacity", 2**70),
    ("resource", "id", 2**32),
    ("manager", "name", {}),
    ("process", "pid", 2**31),
    ("end", "exit", "0"),
    ("stall started", "since", -1),
    ("stall started", "stack", [["app.py", "12", "worker"]]),
    ("stall started", "stack", "app.py"),
    ("stall started", "task", 2**32),
    ("stall ended", "delayed", None),
    ("stall ended", "collections", -1),
    ("quiescent", "since", "now"),
]


@pytest.mark.parametrize(("kind", "name", "value"), FIELDS)
def test_no_value_in_a_text_entry_makes_analysis_fail(
    tmp_path: Path, intact: bytes, kind: str, name: str, value: Any
) -> None:
    """The error names the field and the entry."""
    at = segment_of(intact, SegmentKind.TEXTS)
    entries = [e for e, _ in iter_entries(intact[at : at + SEGMENT], SEGMENT_HEADER.size)]
    next(entry for entry in entries if entry["k"] == kind)[name] = value

    refused = answer(tmp_path / "a.actx", with_entries(intact, entries))

    assert f"invalid {name} of {kind}" in refused


@pytest.mark.parametrize("entry", ["[" * 60_000, "7", "[]", '{"k":[]}', '{"k":"task"}', "{}"])
def test_no_json_in_a_text_entry_makes_the_reader_fail(
    tmp_path: Path, intact: bytes, entry: str
) -> None:
    """Not an object, one without a kind, or one deeper than Python's stack."""
    assert "is damaged" in answer(tmp_path / "a.actx", with_entries(intact, [entry]))


def with_entries(data: bytes, entries: list[Any]) -> bytes:
    """Return ``data`` with these text entries, given as objects or as JSON."""
    written = bytearray()
    for entry in entries:
        raw = (entry if isinstance(entry, str) else json.dumps(entry)).encode()
        size = stored_size(raw)
        page = mmap.mmap(-1, size)
        put_entry(page, 0, raw)
        written += page[:size]
    at = segment_of(data, SegmentKind.TEXTS) + SEGMENT_HEADER.size
    room = SEGMENT - SEGMENT_HEADER.size
    return data[:at] + bytes(written.ljust(room, b"\0")) + data[at + room :]


@pytest.mark.parametrize("pid", [0, 2**31, 2**32 - 1])
def test_an_impossible_process_id_is_damage(tmp_path: Path, intact: bytes, pid: int) -> None:
    """It is not possible to find out whether such a process is running."""
    data = bytearray(intact)
    struct.pack_into("<I", data, HEADER_SIZE + 16, pid)

    assert "invalid process id" in answer(tmp_path / "a.actx", bytes(data))


def test_a_recording_that_is_truncated_while_it_is_followed_is_damage(
    tmp_path: Path, intact: bytes
) -> None:
    """As by a log rotation with ``: > FILE``, between two polls."""
    path = tmp_path / "a.actx"
    path.write_bytes(intact)
    with Recording(path) as recording:
        recording.poll()
        os.truncate(path, HEADER_SIZE)

        with pytest.raises(DamagedRecording, match="truncated while it was read"):
            recording.poll()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_a_fifo_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    """To open the one would wait for a writer; to read the other would never end."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path):
        for opened in (Recording, open_source):
            with pytest.raises(NotARecording, match=r"not a regular file|is a folder"):
                opened(path)


def test_any_object_as_a_name_or_capacity_is_recorded(
    tmp_path: Path,
) -> None:
    """``traced(lock, name=Path("x"), capacity=10**30)`` is no reason to refuse the recording."""
    path = tmp_path / "a.actx"
    create(path)
    it = recorder(tmp_path / "b.actx")
    it.resource_defined(LOCK, "lock", path, 10**30)  # type: ignore[arg-type]  # as programs do
    it.close()

    [defined] = [
        one for one in read(tmp_path / "b.actx").definitions if isinstance(one, ResourceDefined)
    ]
    assert (defined.name, defined.capacity) == (str(path), None)
