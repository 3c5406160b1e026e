"""Spans of other tools are read, or refused with an error of one line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.export.formats import jaeger_json, otlp_json, perfetto
from asyncctx_trace.model import conventions as names
from asyncctx_trace.sources import open_source
from asyncctx_trace.spans.parent_cycles import closing_edges


def attribute(key: str, value: Any) -> dict[str, Any]:
    """An attribute as OTLP JSON has it."""
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": key, "value": {kind: str(value)}}


def span(number: int, parent: int, *attributes: dict[str, Any]) -> dict[str, Any]:
    """A span of one second."""
    return {
        "traceId": f"{7:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": f"span {number}",
        "kind": 1,
        "startTimeUnixNano": str(10**18 + number),
        "endTimeUnixNano": str(10**18 + 10**9),
        "attributes": list(attributes),
        "status": {"code": 2, "message": "it failed"},
        "events": [{"timeUnixNano": str(10**18), "name": "exception", "attributes": []}],
        "links": [{"traceId": f"{7:032x}", "spanId": f"{1:016x}", "attributes": []}],
    }


def ours(number: int, **attributes: int) -> dict[str, Any]:
    """The lifecycle span of an acquisition."""
    named = {
        names.ACQUISITION: number,
        names.TASK_ID: number,
        names.RESOURCE_ID: 1,
        **{getattr(names, name): value for name, value in attributes.items()},
    }
    return span(
        number,
        0,
        attribute(names.PHASE, names.LIFECYCLE),
        *(attribute(key, value) for key, value in named.items()),
    )


def document(*spans: dict[str, Any]) -> dict[str, Any]:
    """One line of a file."""
    resource = {"attributes": [attribute(names.SERVICE_NAME, "app")]}
    return {
        "resourceSpans": [
            {"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}
        ]
    }


def answer(path: Path, document: Any) -> str:
    """Read, analyse and convert ``document``: ``""``, or the line with which it is refused."""
    path.write_text(json.dumps(document))
    refused = ""
    try:
        source = open_source(path)
        timeline = Timeline(source.events)
        report(Snapshot(timeline, running=False))
        for _ in perfetto.write(timeline):
            pass
        for write in (otlp_json.write, jaeger_json.write):
            "".join(write(source.spans())).encode()
    except AsyncctxTraceError as error:
        refused = str(error)
    assert not refused or refused.isprintable()
    return refused


GOOD = document(span(1, 0), span(2, 1), ours(3, PARENT_ACQUISITION=2, TASK_PARENT=2))

ODD: list[Any] = [
    *(None, True, -1, 1.5, 2**63, 2**64, -(2**70), 1e308, float("inf"), "", "x", "\ud800"),
    *("9" * 50, "-5", "zz", "ff" * 40, [], {}, [None], {"x": 1}, [[]], "\x1b[31m", "1e5", "NaN"),
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Yield the path to each value inside ``value``."""
    found = [path] if path else []
    pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs:
        found += paths(inner, (*path, key))
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.sampled_from(paths(GOOD)), value=st.sampled_from(ODD))
def test_no_value_makes_reading_fail_or_hang(
    tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    """With any JSON value in place of any field."""
    changed = deepcopy(GOOD)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value

    answer(tmp_path / "a.jsonl", changed)


@pytest.mark.parametrize(
    "spans",
    [
        [span(1, 2), span(2, 1)],
        [span(1, 1)],
        [ours(1, PARENT_ACQUISITION=2), ours(2, PARENT_ACQUISITION=1)],
        [ours(1, TASK_PARENT=3), ours(2, TASK_PARENT=1), ours(3, TASK_PARENT=2)],
    ],
    ids=["spans", "a span", "acquisitions", "tasks"],
)
def test_what_is_within_itself_is_cut_loose(tmp_path: Path, spans: list[dict[str, Any]]) -> None:
    """Following parents ends."""
    assert answer(tmp_path / "a.jsonl", document(*spans)) == ""


def test_deep_attributes_and_deep_documents_are_refused(tmp_path: Path) -> None:
    """Deeper than Python's stack."""
    path = tmp_path / "a.jsonl"
    flat = json.dumps(document(span(1, 0, {"key": "deep", "value": {"stringValue": "x"}})))
    # Written out: the encoder of CPython 3.11 is not deep enough for it.
    deep = flat.replace('"x"', '{"arrayValue": {"values": [' * 400 + "[" * 100_000)

    for content in (deep, "[" * 200_000, '{"a":' * 200_000):
        path.write_text(content)
        with pytest.raises(AsyncctxTraceError, match="is not OTLP JSON"):
            open_source(path)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_without_its_closing_edges_no_graph_has_a_cycle(edges: list[tuple[int, int]]) -> None:
    """With one of these edges added, it has a cycle."""
    closing = closing_edges(edges)
    left = [edge for edge in edges if edge not in closing]

    assert not closing_edges(left)
    assert all(closing_edges([*left, edge]) for edge in closing)
