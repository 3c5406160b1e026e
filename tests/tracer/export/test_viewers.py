"""The files for the user interfaces of Jaeger and Perfetto."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.formats import jaeger_json, perfetto
from asyncctx_trace.importers import jaeger_json_reader
from asyncctx_trace.sources import Source, open_source
from spans.recorded_programs import (
    Program,
    acquires_in_enter,
    contention,
    leak,
    out_of_order,
    recorded,
)


def source_of(tmp_path: Path, program: Program) -> Source:
    """Record ``program`` and open the recording."""
    return open_source(recorded(tmp_path / "r.actx", program))


def trace_events(source: Source) -> list[dict[str, Any]]:
    """Return the trace events that Perfetto gets."""
    document = json.loads("".join(perfetto.write(Timeline(source.events))))
    assert document["displayTimeUnit"] == "ns"
    return list(document["traceEvents"])


def test_jaeger_phases_touch_in_whole_microseconds(tmp_path: Path) -> None:
    """Phases cover their lifecycle in µs as they do in ns; references lead to existing spans."""
    document = json.loads("".join(jaeger_json.write(source_of(tmp_path, contention).spans())))
    (trace,) = document["data"]
    spans = {span["spanID"]: span for span in trace["spans"]}
    children: dict[str, list[Any]] = {}
    for span in trace["spans"]:
        for reference in span["references"]:
            if reference["refType"] == "CHILD_OF":
                children.setdefault(reference["spanID"], []).append(span)

    for span in trace["spans"]:
        assert isinstance(span["startTime"], int)
        assert isinstance(span["duration"], int)
        assert span["processID"] in trace["processes"]
        if span["operationName"].startswith("async with"):
            phases = sorted(children[span["spanID"]], key=lambda s: s["startTime"])
            assert sum(phase["duration"] for phase in phases) == span["duration"]
            assert phases[0]["startTime"] == span["startTime"]
    follows = [r for s in trace["spans"] for r in s["references"] if r["refType"] == "FOLLOWS_FROM"]
    assert follows
    assert all(reference["spanID"] in spans for reference in follows)
    tags = {tag["key"] for span in trace["spans"] for tag in span["tags"]}
    assert {"error", "span.kind", "asyncctx.outcome"} <= tags


def test_jaeger_json_can_be_read_again(tmp_path: Path) -> None:
    """Everything but the nanoseconds is the same."""
    spans = list(source_of(tmp_path, contention).spans())
    document = json.loads("".join(jaeger_json.write(spans)))
    read = {span.id: span for span in jaeger_json_reader.spans_in(document)}

    assert set(read) == {span.id for span in spans}
    for span in spans:
        other = read[span.id]
        assert (other.trace, other.parent, other.name) == (span.trace, span.parent, span.name)
        assert other.start == span.start // 1000 * 1000
        assert (other.error is None) == (span.error is None)
        assert other.attributes == span.attributes


@pytest.mark.parametrize("program", [contention, leak, out_of_order, acquires_in_enter])
def test_slices_of_a_track_nest_exactly(tmp_path: Path, program: Program) -> None:
    """In the numbers of the file, without a tolerance; viewers sort slices by their start."""
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    events = trace_events(source_of(tmp_path, program))
    for event in events:
        if event["ph"] == "X":
            assert event["dur"] >= 0
            track = tracks.setdefault((event["pid"], event["tid"]), [])
            track.append((event["ts"], event["ts"] + event["dur"]))

    assert tracks
    for track in tracks.values():
        ends: list[float] = []
        for start, end in sorted(track, key=lambda bounds: (bounds[0], -bounds[1])):
            while ends and ends[-1] <= start:
                ends.pop()
            assert not ends or end <= ends[-1]
            ends.append(end)
    assert min(event["ts"] for event in events if "ts" in event) < 1e6


def test_tracks_have_names_and_an_order(tmp_path: Path) -> None:
    """There is a track for each task, in the order in which they started."""
    events = trace_events(source_of(tmp_path, contention))
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    order = {e["tid"]: e["args"]["sort_index"] for e in events if e["name"] == "thread_sort_index"}

    # A recording may have tasks that acquired nothing.
    ordered = [names[tid] for tid in sorted(order, key=order.__getitem__)]
    workers = [name for name in ordered if name.startswith("worker")]
    assert workers == [f"worker-{number}" for number in range(4)]
    assert {e["args"]["name"] for e in events if e["name"] == "process_name"}


def test_arrows_lead_from_an_exit_to_the_body_that_it_unblocked(tmp_path: Path) -> None:
    """The body does not begin before the exit; each arrow has an id of its own."""
    events = trace_events(source_of(tmp_path, contention))
    out = {e["bind_id"]: e for e in events if e.get("flow_out")}
    into = {e["bind_id"]: e for e in events if e.get("flow_in")}

    assert out
    assert set(out) == set(into)
    for number, release in out.items():
        assert release["name"] == "exit"
        assert into[number]["name"] == "body"
        assert release["ts"] <= into[number]["ts"]


def test_an_acquisition_that_does_not_nest_is_asynchronous(tmp_path: Path) -> None:
    """Each of its begin events has an end event; they have one id."""
    events = trace_events(source_of(tmp_path, out_of_order))
    begins = [e for e in events if e["ph"] == "b"]
    ends = [e for e in events if e["ph"] == "e"]

    assert [e["name"] for e in begins] == ["b", "enter", "body", "exit"]
    assert sorted(e["name"] for e in ends) == ["b", "body", "enter", "exit"]
    assert len({e["id2"]["local"] for e in begins + ends}) == 1
    assert [e["name"] for e in events if e["ph"] == "X"] == ["a", "enter", "body", "exit"]
