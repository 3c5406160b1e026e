"""A recording is the same after it was written as OTLP JSON Lines and read again."""

from __future__ import annotations

import dataclasses
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.delivery.readable_spans import ReadableSpans
from asyncctx_trace.export.formats import otlp_json
from asyncctx_trace.model.events import (
    Collected,
    Dropped,
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
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
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.sources import open_source
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.otlp_json_reader import NotOtlp, parse
from asyncctx_trace.spans.to_events import events_of
from asyncctx_trace.spans.trace_tree import TraceOptions
from spans.recorded_programs import contention, leak, recorded

ANCHOR = Anchor(1_700_000_000_000_000_000, 1_000)


def written(events: list[Event]) -> str:
    """Return ``events`` as OTLP JSON Lines."""
    builder = SpanBuilder(ANCHOR, TraceOptions(arguments=True))
    spans = [*builder.add(events), *builder.finish()]
    return "\n".join(otlp_json.write(spans))


def shifted(events: list[Event]) -> list[Event]:
    """Return ``events`` with wall-clock times."""
    return [
        dataclasses.replace(event, at=ANCHOR.wall(event.at)) if hasattr(event, "at") else event  # type: ignore[arg-type]  # of a union
        for event in events
    ]


def table(events: Any) -> list[Any]:
    """Return all acquisitions by id; rows with equal times may be in another order."""
    return sorted(
        (dataclasses.replace(a, row=0, depth=0) for a in Timeline(events)), key=lambda a: a.id
    )


@pytest.mark.parametrize("program", [contention, leak])
def test_a_recording_is_read_again_without_loss(tmp_path: Path, program: Any) -> None:
    """With times in ns, outcomes, errors, tasks, sites, and acquisitions that never ended."""
    source = open_source(recorded(tmp_path / "r.actx", program))
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(otlp_json.write(source.spans())), encoding="utf-8")
    back = open_source(path)

    ours, theirs = Timeline(source.events), Timeline(back.events)
    offset = source.anchor.wall(0)
    assert len(theirs) == len(ours) > 0
    for mine, other in zip(sorted(ours, key=key), sorted(theirs, key=key), strict=True):
        assert other.depth == mine.depth
        assert times(other) == [None if at is None else at + offset for at in times(mine)]
        changes: dict[str, Any] = dict(zip(TIMES, times(mine), strict=True))
        told = dataclasses.replace(other, row=0, **changes)
        assert escaped(told) == escaped(dataclasses.replace(mine, row=0))
    # A recording may define what nothing in it uses.
    assert theirs.resources == {r: ours.resources[r] for r in ours.rows_of_resource}
    # A digest is of use only beside the file itself.
    sites = {site: dataclasses.replace(ours.sites[site], digest="") for site in set(ours.site)}
    assert theirs.sites == sites
    assert called(theirs) == called(ours)
    assert any(coroutine for _, coroutine in called(ours))
    assert [p.pid for p in theirs.processes.values()] == [p.pid for p in ours.processes.values()]


def called(timeline: Timeline) -> set[tuple[str, str]]:
    """Return the names of the tasks and of their coroutines."""
    return {(task.name, task.coroutine) for task in timeline.tasks.values()}


TIMES = ("enter_started", "enter_ended", "exit_started", "exit_ended")


def times(acquisition: Any) -> list[int | None]:
    return [getattr(acquisition, name) for name in TIMES]


def key(acquisition: Any) -> int:
    return int(acquisition.id)


def escaped(acquisition: Any) -> str:
    """Return ``text`` with lone surrogates as escapes, as JSON has them."""
    return repr(acquisition).replace("\\\\", "\\")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
outcomes = st.sampled_from(Outcome)
failures = st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.OK])


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Return tasks with nested acquisitions, each of which may stop at any point."""
    at = iter(range(2_000, 10_000_000, 7))
    events: list[Event] = [
        ProcessDefined(next(at), 0, 41, 1, draw(texts)),
        ResourceDefined(1, "lock", draw(texts), 1),
        ResourceDefined(2, draw(texts), draw(texts), None),
        SiteDefined(2, "b.py", 8, draw(texts), draw(texts)),
        SiteDefined(1, "a.py", 3, draw(texts), draw(texts), draw(st.sampled_from([None, 2]))),
        TaskDefined(next(at), 1, draw(texts), "asyncio", None, 0, "MainThread"),
        TaskDefined(next(at), 2, draw(texts), "trio", 1, 0, "MainThread"),
    ]
    number = iter(range(1, 100))
    for task in (1, 2):
        open_: list[int] = []
        for _ in range(draw(st.integers(0, 5))):
            acquisition = next(number)
            parent = open_[-1] if open_ else None
            resource = draw(st.sampled_from([1, 2]))
            events.append(
                EnterStarted(
                    next(at),
                    acquisition,
                    parent,
                    task,
                    "M",
                    resource,
                    draw(st.booleans()),
                    draw(st.booleans()),
                )
            )
            steps = draw(st.integers(0, 3))
            failed = steps and draw(st.booleans())
            outcome = draw(failures) if failed else Outcome.OK
            if steps:
                events.append(EnterEnded(next(at), acquisition, outcome, error(draw, outcome)))
            if not steps or failed:
                continue
            open_.append(acquisition)
            if draw(st.booleans()):
                events.append(Collected(next(at), acquisition))
            if steps > 1:
                outcome = draw(outcomes)
                site = draw(st.sampled_from([None, 2]))
                events.append(
                    ExitStarted(next(at), acquisition, task, outcome, error(draw, outcome), site)
                )
            if steps > 2:
                outcome = draw(outcomes)
                suppressed = draw(st.booleans())
                open_.pop()
                flags = ExitFlag(draw(st.integers(0, sum(ExitFlag))))
                failed_by = error(draw, outcome)
                events.append(
                    ExitEnded(next(at), acquisition, outcome, suppressed, failed_by, flags)
                )
    events += [
        Printed(next(at), "stderr", draw(texts)),
        Marked(next(at), draw(texts)),
        Dropped(next(at), 3, "no room"),
        Interrupted(next(at), 41, "SIGINT"),
        ReleaseUnmatched(next(at), 1, 1, draw(st.sampled_from([None, 2]))),
        TaskEnded(next(at), 2),
        ProcessEnded(next(at), 41, draw(st.sampled_from([0, 1, -9, None]))),
    ]
    return events


def error(draw: st.DrawFn, outcome: Outcome) -> ErrorText | None:
    return None if outcome is Outcome.OK else ErrorText("E", draw(texts))


@settings(max_examples=30, deadline=None)
@given(stories())
def test_any_events_are_read_again_without_loss(events: list[Event]) -> None:
    """Acquisitions, definitions and notes are the same."""
    read = events_of(parse(written(events), "test"))

    before = shifted(events)
    assert table(read) == table(before)
    result, expected = Timeline(read), Timeline(before)
    assert result.printed == expected.printed
    assert result.marks == expected.marks
    assert result.dropped == expected.dropped
    assert result.interrupted == expected.interrupted
    assert result.unmatched == expected.unmatched
    assert result.process_ended == expected.process_ended
    assert result.task_ended == expected.task_ended
    assert result.tasks == expected.tasks
    assert result.processes == expected.processes


@settings(max_examples=30, deadline=None)
@given(stories(), st.integers(0, 30))
def test_ids_do_not_depend_on_how_a_recording_is_read(events: list[Event], cut: int) -> None:
    """At once, or in two steps while it grows."""
    whole, grown = SpanBuilder(ANCHOR), SpanBuilder(ANCHOR)
    at_once = [*whole.add(events), *whole.finish()]
    in_two = [*grown.add(events[:cut]), *grown.add(events[cut:]), *grown.finish()]

    def key(span: Any) -> Any:
        return span.trace, span.id, span.parent, span.name, span.start, span.end

    assert sorted(map(key, at_once), key=repr) == sorted(map(key, in_two), key=repr)
    assert len({span.id for span in at_once}) == len(at_once)


def test_the_file_follows_the_specification(tmp_path: Path) -> None:
    """Ids are hexadecimal, keys lowerCamelCase, enums integers, and 64-bit numbers strings."""
    source = open_source(recorded(tmp_path / "r.actx", contention))
    (line,) = otlp_json.write(source.spans())
    (group, *_) = json.loads(line)["resourceSpans"]
    (scope,) = group["scopeSpans"]
    assert scope["scope"]["name"] == "asyncctx_trace"
    failed = [span for span in scope["spans"] if span["status"]]

    assert all(set(span["traceId"]) <= set("0123456789abcdef") for span in scope["spans"])
    assert {(len(span["traceId"]), len(span["spanId"])) for span in scope["spans"]} == {(32, 16)}
    assert all(isinstance(span["startTimeUnixNano"], str) for span in scope["spans"])
    assert {span["kind"] for span in scope["spans"]} == {1}
    assert {span["status"]["code"] for span in failed} == {2}
    values = [pair["value"] for span in scope["spans"] for pair in span["attributes"]]
    assert all(isinstance(value["intValue"], str) for value in values if "intValue" in value)


def test_the_parser_of_protobuf_accepts_every_field(tmp_path: Path) -> None:
    """No field has another name or type than in the schema of OTLP; ids alone are written in hex.

    The alphabet of ids is the URL-safe one: CPython 3.15 warns of how protobuf reads the other.
    """
    spans = list(open_source(recorded(tmp_path / "r.actx", contention)).spans())
    (line,) = otlp_json.write(spans)

    def base64_ids(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: base64_ids(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [base64_ids(each) for each in value]
        ids = ("traceId", "spanId", "parentSpanId")
        return urlsafe_b64encode(bytes.fromhex(value)).decode() if key in ids else value

    parsed = json_format.ParseDict(base64_ids(json.loads(line)), TracesData())

    found = [s for r in parsed.resource_spans for c in r.scope_spans for s in c.spans]
    readable = list(map(ReadableSpans().of, spans))
    meant = [
        s for r in encode_spans(readable).resource_spans for c in r.scope_spans for s in c.spans
    ]
    for either in (each for span in meant for each in (span, *span.links)):
        either.ClearField("flags")  # that a parent is local, which readers of JSON assume
    assert found == meant


def test_an_error_is_recorded_once(tmp_path: Path) -> None:
    """By the inner of two bodies that it leaves."""
    spans = list(open_source(recorded(tmp_path / "r.actx", contention)).spans())
    raised = [span for span in spans if span.events and span.name != "process"]

    (body,) = raised
    assert body.name == "body"
    assert body.events[0].attributes["exception.type"].endswith("ValueError")
    assert sorted(s.name for s in spans if s.error is not None) == [
        "async with db lock",
        "async with pool",
        "body",
        "body",
    ]


def test_a_waiter_links_to_the_holders(tmp_path: Path) -> None:
    """By the ids of their exported lifecycle spans."""
    spans = list(open_source(recorded(tmp_path / "r.actx", contention)).spans())
    lifecycles = {span.id for span in spans if span.attributes["asyncctx.phase"] == "lifecycle"}
    links = [link for span in spans if span.name == "enter" for link in span.links]

    assert links
    assert {link.span for link in links} <= lifecycles
    assert {link.attributes["asyncctx.link.kind"] for link in links} == {"blocked_by"}


def test_an_acquisition_in_an_old_trace_begins_a_new_one(tmp_path: Path) -> None:
    """It has a link to the place where it belongs."""
    source = open_source(recorded(tmp_path / "r.actx", contention))
    spans = [
        s for s in source.spans(TraceOptions(new_trace_after=0)) if s.name.startswith("async with")
    ]

    assert all(span.parent is None for span in spans)
    assert len({span.trace for span in spans}) == len(spans)
    assert {span.links[0].attributes["asyncctx.link.kind"] for span in spans} == {"entered_in"}


FOREIGN = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "unknownField": 1,
            "scopeSpans": [
                {
                    "scope": {"name": "flask"},
                    "spans": [
                        {
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "EEE19B7EC3C1B174",
                            "name": "GET /",
                            "kind": "SPAN_KIND_SERVER",
                            "startTimeUnixNano": 1000,
                            "endTimeUnixNano": "5000",
                            "attributes": [
                                {"key": "code.filepath", "value": {"stringValue": "a.py"}},
                                {"key": "code.lineno", "value": {"intValue": 7}},
                                {"key": "code.namespace", "value": {"stringValue": "shop"}},
                                {"key": "code.function", "value": {"stringValue": "index"}},
                            ],
                        },
                        {
                            "traceId": "5b8efff798038103d269b633813fc60c",
                            "spanId": "eee19b7ec3c1b175",
                            "parentSpanId": "eee19b7ec3c1b174",
                            "name": "query",
                            "startTimeUnixNano": "2000",
                            "endTimeUnixNano": "3000",
                            "status": {"code": "STATUS_CODE_ERROR", "message": "no such table"},
                        },
                    ],
                }
            ],
        }
    ]
}


def shapes() -> Iterator[str]:
    yield json.dumps(FOREIGN)
    yield json.dumps(FOREIGN, indent=2)
    yield json.dumps([FOREIGN])
    yield "\ufeff" + json.dumps({"result": FOREIGN}) + "\n\n"
    yield json.dumps(FOREIGN) + '\n{"resourceSpans":[{"resource":{"attr'  # cut off


@pytest.mark.parametrize("text", list(shapes()))
def test_foreign_spans_are_read_as_bodies(text: str) -> None:
    """In every form of OTLP JSON: from start to end, at the site that they name."""
    timeline = Timeline(events_of(parse(text, "test")))

    request, query = timeline
    assert (request.enter_started, request.enter_ended) == (1000, 1000)
    assert (request.exit_started, request.exit_ended) == (5000, 5000)
    assert (query.parent, query.depth) == (request.id, 1)
    assert query.body_error == ErrorText("error", "no such table")
    assert timeline.resources[request.resource].name == "GET /"
    site = timeline.sites[request.site]
    assert (site.file, site.line, site.function) == ("a.py", 7, "shop.index")
    assert [task.name for task in timeline.tasks.values()] == ["shop"]


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"spans": 1}', "nonsense", '{"resourceSpans": [{"scopeSpans": [3]}]}']
)
def test_other_text_is_refused_in_one_line(text: str) -> None:
    """The line says what to do."""
    with pytest.raises(NotOtlp, match="test ") as refused:
        list(parse(text, "test"))

    assert "\n" not in str(refused.value)


def test_a_damaged_line_is_named() -> None:
    """In a file of many lines."""
    good = json.dumps(FOREIGN)
    with pytest.raises(NotOtlp, match="damaged in line 2"):
        list(parse(f"{good}\n{good[:-9]}\n{good}", "test"))
