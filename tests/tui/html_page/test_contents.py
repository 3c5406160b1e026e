"""What a page contains of a recording, and in how few bytes."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.builders import MS, RecordingBuilder, queue_and_stall
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace_tui.html_page.columns import differences, packed
from asyncctx_trace_tui.html_page.contents import Contents
from asyncctx_trace_tui.html_page.kept_rows import kept_acquisitions
from asyncctx_trace_tui.html_page.lanes import lanes_of
from asyncctx_trace_tui.html_page.time_shares import TimeShares

INTEGERS = st.integers(-(2**63), 2**63 - 1)


def unpacked(packed: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the columns as ``assets/decode.js`` reads them."""
    raw, place = zlib.decompress(b64decode(packed["bytes"])), 0
    result: dict[str, list[int]] = {}
    for name, count, size in packed["columns"]:
        planes = [raw[place + byte * count : place + (byte + 1) * count] for byte in range(size)]
        result[name] = [
            int.from_bytes(bytes(value), "little", signed=True)
            for value in zip(*planes, strict=True)
        ]
        place += size * count
    return result


@given(st.dictionaries(st.text("abc", max_size=3), st.lists(INTEGERS)))
def test_columns_are_read_as_they_were_written(columns: dict[str, list[int]]) -> None:
    """Of any length, with any values of 64 bits."""
    assert unpacked(packed(columns)) == columns


@given(st.lists(INTEGERS))
def test_running_sums_of_differences_are_the_values(values: list[int]) -> None:
    """Times in order differ by little, and small numbers need few bytes."""
    found = differences(values)
    assert [sum(found[: end + 1]) for end in range(len(found))] == values


SPANS = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 999), st.integers(0, 300))


@given(st.lists(SPANS, max_size=60), st.integers(1, 20))
def test_no_time_is_lost_in_sums(spans: list[tuple[int, int, int, int]], most: int) -> None:
    """Whatever the width of the slices, up to the rounding of their shares."""
    sums = TimeShares(length=1_000, most=most)
    expected: dict[tuple[int, int], int] = {}
    for track, kind, start, length in spans:
        sums.add(track, kind, start, start + length)
        expected[track, kind] = expected.get((track, kind), 0) + length
    found: dict[tuple[int, int], float] = {}
    slices: dict[tuple[int, int], int] = {}
    for track, _, shares in sums.shares():
        for kind, share in enumerate(shares):
            # Tasks that overlap in a track would need more than all of a slice.
            found[track, kind] = found.get((track, kind), 0) + min(share, 255) / 255 * sums.width
            slices[track, kind] = slices.get((track, kind), 0) + (share > 0)

    for key, ns in expected.items():
        rounding = slices.get(key, 0) * sums.width / 255
        assert found.get(key, 0) <= ns + rounding + 1e-6
        assert (found.get(key, 0) > 0) == (ns > 0)


def test_there_are_no_more_slices_than_asked_for() -> None:
    """They become wider instead."""
    sums = TimeShares(length=1_000_000, most=100)
    for start in range(0, 1_000_000, 500):
        sums.add(0, 1, start, start + 250)
    slices = list(sums.shares())

    assert len(slices) <= 100
    assert {shares[1] // 10 for _, _, shares in slices[:-1]} == {12}


def many(path: Path) -> Timeline:
    """Return 300 acquisitions, of which one is long, one waited long and one failed."""
    builder = RecordingBuilder(path).resource(1, "lock")
    for task in range(1, 301):
        builder.task(task, f"task-{task}")
        times = [task, task, task + 0.5, task + 0.5]
        if task == 100:
            times = [100, 100, 180, 180]
        if task == 200:
            times = [200, 290, 290.1, 290.1]
        failed = task == 250
        builder.acquisition(
            task,
            1,
            *times[: 2 if failed else 4],
            outcomes=(Outcome.ERROR,) if failed else (),
            error=ValueError("no") if failed else None,
        )
    return builder.timeline(at=310)


def test_what_matters_is_contained_one_by_one(tmp_path: Path) -> None:
    """Findings, errors, and the longest."""
    timeline = many(tmp_path / "x.actx")
    tasks = [timeline.task[row] for row in kept_acquisitions(timeline, 8, [17])]

    assert len(tasks) == 8
    assert tasks == sorted(tasks)
    assert {100, 200, 250, timeline.task[17]} <= set(tasks)


def test_all_of_a_short_recording_is_contained_one_by_one(tmp_path: Path) -> None:
    """There are no sums."""
    timeline = many(tmp_path / "x.actx")
    contents = Contents(timeline, lanes_of(timeline), [], {}).as_dict()
    rows = unpacked(contents["rows"])

    assert contents["sums"] is None
    assert len(rows["task"]) == 300
    assert sum(rows["started"]) == 299 * MS
    assert list(contents["errors"].values()) == ["ValueError: no"]


def test_the_rest_of_a_long_recording_is_contained_as_sums(tmp_path: Path) -> None:
    """Together they make up all the time that anything was held."""
    timeline = many(tmp_path / "x.actx")
    contents = Contents(timeline, lanes_of(timeline), [], {}, most_rows=50).as_dict()
    rows, sums = unpacked(contents["rows"]), contents["sums"]
    slices = unpacked(sums["slices"])
    held = sum(ns for ns in rows["held"] if ns > 0)
    summed = sum(slices["held"]) * sums["width"] / 255
    whole = sum(
        left - entered
        for entered, left in zip(timeline.enter_ended, timeline.exit_started, strict=True)
        if left >= 0
    )

    assert len(rows["task"]) == 50
    assert abs(held + summed - whole) < 0.02 * whole


def test_waits_and_stalls_are_contained(tmp_path: Path) -> None:
    """Also of tasks that acquire nothing, in order of their first event."""
    timeline = Timeline(read(queue_and_stall(tmp_path / "x.actx").end(310)))
    contents = Contents(timeline, lanes_of(timeline), [], {}).as_dict()

    assert [label for label, _ in contents["lanes"]] == ["parent", "producer", "worker"]
    assert len(unpacked(contents["waits"])["task"]) == 4
    assert "an item of `jobs` at app.py:12" in contents["subjects"]
    assert contents["stalls"] == [[110 * MS, 240 * MS, 2, "app.py:12 db_lock"]]


def test_the_longest_waits_are_contained_one_by_one(tmp_path: Path) -> None:
    """One that did not end is as long as the rest of the recording. The others are sums."""
    timeline = Timeline(read(queue_and_stall(tmp_path / "x.actx").end(310)))
    waits, end = timeline.waits, timeline.end or 0
    lengths = sorted(
        (end if ended == NOT_YET else ended) - started
        for started, ended in zip(waits.started, waits.ended, strict=True)
    )
    contents = Contents(timeline, lanes_of(timeline), [], {}, most_waits=2).as_dict()
    sums, kept = contents["sums"], unpacked(contents["waits"])
    summed = sum(unpacked(sums["slices"])["awaited"]) * sums["width"] / 255
    started = sum(kept["started"][:1]), sum(kept["started"])
    whole = contents["end"]

    assert (
        sorted(
            whole - start if length < 0 else length
            for start, length in zip(started, kept["length"], strict=True)
        )
        == lengths[2:]
    )
    assert abs(summed - sum(lengths[:2])) < 0.02 * sum(lengths)
