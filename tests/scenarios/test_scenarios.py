"""Each scenario shows, in a real run, what it declares."""

from __future__ import annotations

import json

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from asyncctx_trace.analysis.contention.costs import contention_in, got_in
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.export.delivery.readable_spans import ReadableSpans
from asyncctx_trace.export.formats import perfetto
from asyncctx_trace.sources import open_source

from .runs import Run

TIMED = ("held-across-wait", "slow-cleanup", "starved-pool")
"""Kinds of findings that tell of time lost."""


def test_it_prints_the_same_with_and_without_the_tracer(run: Run) -> None:
    """And ends with the exit code that it declares."""
    expected = run.expects.get("exit_code", 0)

    assert run.traced.stdout == run.plain.stdout
    assert run.traced.stderr == run.plain.stderr
    assert (run.plain.returncode, run.traced.returncode) == (expected, expected)
    assert len(run.plain.stdout.splitlines()) >= 5


def test_no_event_is_dropped(run: Run) -> None:
    """The run is long enough to be watched."""
    timeline = run.timeline

    assert timeline.dropped == []
    assert len(timeline) >= 3


def test_it_cleans_up_in_the_declared_order(run: Run) -> None:
    """All exits of the declared tasks, in order."""
    timeline = run.timeline
    order: dict[str, list[str]] = {}
    exits = sorted((at, row) for row, at in enumerate(timeline.exit_ended) if at != NOT_YET)
    for _, row in exits:
        order.setdefault(run.task(timeline.exit_task[row]), []).append(run.resource(row))

    declared = run.expects["cleanup"]
    assert {task: " → ".join(order[task]) for task in declared} == declared


def test_slices_of_its_perfetto_file_nest(run: Run) -> None:
    """A stack of open slices for each track: none ends after the one that it began in."""
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    open_: list[tuple[object, ...]] = []
    for event in json.loads("".join(perfetto.write(run.timeline)))["traceEvents"]:
        if event["ph"] == "X":
            track = tracks.setdefault((event["pid"], event["tid"]), [])
            track.append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] in "be":
            assert event["ph"] == "b" or open_, "an end without a beginning"
            key = event["pid"], event["cat"], event["id2"]["local"]
            (open_.append if event["ph"] == "b" else open_.remove)(key)

    assert tracks
    assert open_ == []
    for slices in tracks.values():
        ends: list[float] = []
        for start, end in sorted(slices, key=lambda bounds: (bounds[0], -bounds[1])):
            while ends and ends[-1] <= start:
                ends.pop()
            assert not ends or end <= ends[-1]
            ends.append(end)


def test_its_spans_nest_and_are_accepted_by_the_parser_of_protobuf(run: Run) -> None:
    """Children start within their parents, and no span is below itself or below none."""
    spans = list(open_source(run.recording).spans())
    by_id = {span.id: span for span in spans}
    request = encode_spans(list(map(ReadableSpans().of, spans)))
    parsed = ExportTraceServiceRequest.FromString(request.SerializeToString())

    assert [span for span in spans if span.parent is None and span.name != "process"] == []
    for span in spans:
        assert span.start <= span.end
        if span.parent is not None:
            assert by_id[span.parent].start <= span.start <= by_id[span.parent].end
    sent = [s for r in parsed.resource_spans for scope in r.scope_spans for s in scope.spans]
    assert {int.from_bytes(span.span_id) for span in sent} == set(by_id)


def test_the_declared_queues_form(run: Run) -> None:
    """The most waiters at once, and the order of acquisition."""
    timeline = run.timeline
    snapshot = Snapshot(timeline)
    found = {
        use.name: {
            "most_waiters": use.most_waiters,
            "got_in": " → ".join(
                run.task(timeline.task[row]) for row in got_in(snapshot, use.resource)
            ),
        }
        for use in contention_in(snapshot)
    }

    declared = run.expects["contention"]
    assert {name: found[name] for name in declared} == declared


def test_findings_are_those_declared(run: Run) -> None:
    """Each finding by its kind and the resource, or else the task, that it is about.

    A kind that depends on how fast the machine is may come up undeclared.
    """
    found: dict[str, list[str]] = {}
    for finding in find(run.timeline):
        rows, tasks = finding.rows, finding.tasks
        about = run.resource(rows[0]) if rows else run.task(tasks[0])
        found.setdefault(finding.kind, []).append(about)

    declared = run.expects["findings"]
    untimed = {
        kind: about for kind, about in found.items() if kind in declared or kind not in TIMED
    }
    assert {kind: sorted(about) for kind, about in untimed.items()} == declared
