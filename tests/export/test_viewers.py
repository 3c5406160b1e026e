"""What Jaeger's and Perfetto's pages are given to open."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from asyncctx_trace import traced
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.formats import jaeger_json, perfetto
from asyncctx_trace.importers import jaeger_json_reader
from asyncctx_trace.sources import Source, open_source
from spans.recorded_programs import contention, leak, recorded


async def out_of_order() -> None:
    """Entered a, b; left a, b: no nesting."""
    a, b = traced(asyncio.Lock(), name="a"), traced(asyncio.Lock(), name="b")
    await a.__aenter__()
    await asyncio.sleep(0.001)
    await b.__aenter__()
    await asyncio.sleep(0.001)
    await a.__aexit__(None, None, None)
    await asyncio.sleep(0.001)
    await b.__aexit__(None, None, None)


def source_of(tmp_path: Path, program: Any) -> Source:
    return open_source(recorded(tmp_path / "r.actx", program))


def trace_events(source: Source) -> list[dict[str, Any]]:
    document = json.loads("".join(perfetto.write(Timeline(source.events))))
    assert document["displayTimeUnit"] == "ns"
    return list(document["traceEvents"])


def test_jaeger_gets_whole_microseconds_that_touch(tmp_path: Path) -> None:
    """Phases tile their lifecycle in µs as they do in ns; references say who belongs to whom."""
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


def test_jaegers_own_json_comes_back(tmp_path: Path) -> None:
    """But for what its whole µs do not hold."""
    spans = list(source_of(tmp_path, contention).spans())
    document = json.loads("".join(jaeger_json.write(spans)))
    back = {span.id: span for span in jaeger_json_reader.spans_in(document)}

    assert set(back) == {span.id for span in spans}
    for span in spans:
        other = back[span.id]
        assert (other.trace, other.parent, other.name) == (span.trace, span.parent, span.name)
        assert other.start == span.start // 1000 * 1000
        assert (other.error is None) == (span.error is None)
        assert other.attributes == span.attributes


@pytest.mark.parametrize("program", [contention, leak, out_of_order])
def test_slices_of_one_track_nest_exactly(tmp_path: Path, program: Any) -> None:
    """In the doubles of the file, without a tolerance; the rest is asynchronous."""
    events = trace_events(source_of(tmp_path, program))
    open_: dict[int, list[float]] = {}
    for event in (e for e in events if e["ph"] == "X"):
        ends = open_.setdefault(event["tid"], [])
        start, end = event["ts"], event["ts"] + event["dur"]
        while ends and ends[-1] <= start:
            ends.pop()
        assert not ends or end <= ends[-1]
        assert event["dur"] >= 0
        ends.append(end)
    assert min(event["ts"] for event in events if "ts" in event) < 1e6


def test_tracks_have_names_and_an_order(tmp_path: Path) -> None:
    """A track for each task, in the order in which they came."""
    events = trace_events(source_of(tmp_path, contention))
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    order = {e["tid"]: e["args"]["sort_index"] for e in events if e["name"] == "thread_sort_index"}

    # A recording may know of tasks besides, that did nothing in it.
    ordered = [names[tid] for tid in sorted(order, key=order.__getitem__)]
    workers = [name for name in ordered if name.startswith("worker")]
    assert workers == [f"worker-{number}" for number in range(4)]
    assert {e["args"]["name"] for e in events if e["name"] == "process_name"}


def test_arrows_lead_from_the_release_to_who_got_in(tmp_path: Path) -> None:
    """From an exit slice to a body slice that begins no earlier, each number used once."""
    events = trace_events(source_of(tmp_path, contention))
    out = {e["bind_id"]: e for e in events if e.get("flow_out")}
    into = {e["bind_id"]: e for e in events if e.get("flow_in")}

    assert out
    assert set(out) == set(into)
    for number, release in out.items():
        assert release["name"] == "exit"
        assert into[number]["name"] == "body"
        assert release["ts"] <= into[number]["ts"]


def test_what_does_not_nest_is_asynchronous(tmp_path: Path) -> None:
    """Every begin has its end, under an id of its own."""
    events = trace_events(source_of(tmp_path, out_of_order))
    begins = [e for e in events if e["ph"] == "b"]
    ends = [e for e in events if e["ph"] == "e"]

    assert [e["name"] for e in begins] == ["b", "enter", "body", "exit"]
    assert sorted(e["name"] for e in ends) == ["b", "body", "enter", "exit"]
    assert len({e["id2"]["local"] for e in begins + ends}) == 1
    assert [e["name"] for e in events if e["ph"] == "X"] == ["a", "enter", "body", "exit"]
