"""Traces of a recording: their size, the parents of spans, and what they say of processes."""

from __future__ import annotations

import asyncio
import gc
import re
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from asyncctx_trace import record, traced
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.formats import otlp_json, perfetto
from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    Printed,
    ProcessDefined,
    ProcessEnded,
    TaskDefined,
)
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.sources import open_source
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.span import Span
from asyncctx_trace.spans.trace_tree import TraceOptions
from spans import recorded_programs
from spans.recorded_programs import (
    Program,
    acquires_in_enter,
    connects_in_enter,
    contention,
    crowd,
    many,
    out_of_order,
    queue_of_three,
    recorded,
)

SECRET = "--password=hunter2"
COMMAND = f"/usr/bin/python3 -X dev app.py {SECRET}"


def spans_of(path: Path, program: Program, options: TraceOptions | None = None) -> list[Span]:
    """Record ``program`` and return the spans of the recording."""
    return list(open_source(recorded(path / "r.actx", program)).spans(options))


def lifecycles(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.attributes["asyncctx.phase"] == "lifecycle"]


def test_a_trace_has_a_limited_number_of_spans(tmp_path: Path) -> None:
    """What begins in a full trace begins a new one, with a link to where it belongs."""
    spans = spans_of(tmp_path, many(50), TraceOptions(max_trace_spans=40))

    sizes = Counter(span.trace for span in spans)
    ids = {(span.trace, span.id) for span in spans}
    roots = [span for span in lifecycles(spans) if span.parent is None]
    assert max(sizes.values()) <= 40 + 4
    assert len(sizes) == 1 + len(roots) > 1
    assert all((link.trace, link.span) in ids for span in roots for link in span.links)
    assert {link.attributes["asyncctx.link.kind"] for s in roots for link in s.links} == {
        "entered_in"
    }


def test_links_count_as_well(tmp_path: Path) -> None:
    """Four of them as one span: the enter of a waiter may have 128."""
    spans = spans_of(tmp_path, crowd)
    links = sum(len(span.links) for span in spans)
    (last,) = [span for span in lifecycles(spans) if span.name == "async with last"]
    before = sum(span.start < last.start for span in spans)
    limit = before + 1

    assert links > 4 * 4
    assert last.parent is not None
    limited = spans_of(tmp_path / "again", crowd, TraceOptions(max_trace_spans=limit))
    (last,) = [span for span in lifecycles(limited) if span.name == "async with last"]
    assert last.parent is None


def test_an_endless_chain_of_acquisitions_is_not_kept() -> None:
    """Each begins in the body of the one before it, which then ends."""
    builder = SpanBuilder(Anchor(1, 1))

    def steps() -> Iterator[Event]:
        for number in range(1, 100):
            yield EnterStarted(10 * number, number, number - 1 or None, 1, "Lock", number, 0)
            yield EnterEnded(10 * number + 1, number, Outcome.OK, None)
            if number > 1:
                yield ExitStarted(10 * number + 2, number - 1, 1, Outcome.OK, None)
                yield ExitEnded(10 * number + 3, number - 1, Outcome.OK, False, None)

    assert len(list(builder.add(steps()))) == 4 * 98
    gc.collect()
    assert sum(type(each).__name__ == "_Open" for each in gc.get_objects()) < 5


def test_a_short_recording_is_one_trace(tmp_path: Path) -> None:
    """With the default limits."""
    assert len({span.trace for span in spans_of(tmp_path, many(50))}) == 1


@pytest.mark.parametrize(
    ("program", "parents"),
    [
        (acquires_in_enter, {"async with outer": "task", "async with inner": "async with outer"}),
        (connects_in_enter, {"async with connection": "task", "async with connecting": "enter"}),
        (out_of_order, {"async with a": "task", "async with b": "body"}),
    ],
)
def test_a_child_starts_within_its_parent(
    tmp_path: Path, program: Program, parents: dict[str, str]
) -> None:
    """The parent is the phase that is running then, or the whole if it outlasts an enter."""
    spans = spans_of(tmp_path, program)
    by_id = {span.id: span for span in spans}

    found = {span.name: by_id[span.parent or 0].name for span in lifecycles(spans)}
    assert found == {
        name: f"task {program.__name__}" if parent == "task" else parent
        for name, parent in parents.items()
    }
    for span in spans:
        if span.parent is not None:
            assert by_id[span.parent].start <= span.start <= by_id[span.parent].end


def test_each_phase_says_what_it_is_about(tmp_path: Path) -> None:
    """A query for slow enters of a pool needs no join with other spans."""
    for span in spans_of(tmp_path, queue_of_three):
        if span.name in ("enter", "body", "exit"):
            about = span.attributes
            if about["asyncctx.resource.kind"] == "task group":
                continue
            assert (about["asyncctx.resource.kind"], about["asyncctx.resource.name"]) == (
                "lock",
                "lock",
            )
            assert about["code.file.path"] == recorded_programs.__file__
            assert about["code.line.number"] > 0
            assert about["code.function.name"].endswith("worker")


def test_holders_and_waiters_know_each_other(tmp_path: Path) -> None:
    """A body links to whom it blocked, and says who let it in; enters link to their blockers."""
    spans = spans_of(tmp_path, queue_of_three)
    by_id = {span.id: span for span in spans}
    queue = sorted(
        (s for s in lifecycles(spans) if s.name == "async with lock"),
        key=lambda span: span.attributes["asyncctx.acquisition.id"],
    )
    phases = {(s.parent, s.name): s for s in spans if s.parent in {each.id for each in queue}}

    def linked(span: Span, kind: str) -> list[str]:
        return [
            by_id[link.span].attributes["asyncctx.task.name"]
            for link in span.links
            if link.attributes["asyncctx.link.kind"] == kind
        ]

    enters = [phases[each.id, "enter"] for each in queue]
    bodies = [phases[each.id, "body"] for each in queue]
    assert [linked(body, "blocks") for body in bodies] == [
        ["worker-1", "worker-2"],
        ["worker-2"],
        [],
    ]
    assert [linked(enter, "blocked_by") for enter in enters] == [
        [],
        ["worker-0"],
        ["worker-0", "worker-1"],
    ]
    assert [body.attributes.get("asyncctx.let_in_by.task.name") for body in bodies] == [
        None,
        "worker-0",
        "worker-1",
    ]
    assert [body.attributes.get("asyncctx.let_in_by.acquisition.id") for body in bodies] == [
        None,
        *(each.attributes["asyncctx.acquisition.id"] for each in queue[:2]),
    ]


def test_a_task_of_an_earlier_recording_starts_with_its_process(tmp_path: Path) -> None:
    """The span of the process starts when the recording does."""

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="lock")
        for name in ("first.actx", "second.actx"):
            with record(tmp_path / name):
                async with lock:
                    pass

    asyncio.run(main())
    spans = list(open_source(tmp_path / "second.actx").spans(None))
    (process,) = [span for span in spans if span.name == "process"]
    (task,) = [span for span in spans if span.name == "task main"]

    assert task.parent == process.id
    assert task.start == process.start


def test_the_root_is_the_program_and_not_its_launcher() -> None:
    """Who reads the trace did not write the launcher, which only takes notes of the program."""
    events: list[Event] = [
        ProcessDefined(1, 0, 6, 1, "/usr/bin/python3 /usr/bin/asyncctx-trace run app.py"),
        ProcessDefined(2, 1, 7, 6, "/usr/bin/python3 app.py"),
        Printed(3, "stdout", "hello"),
        ProcessEnded(4, 7, 0),
    ]
    builder = SpanBuilder(Anchor(1, 1))
    (root,) = [*builder.add(events), *builder.finish()]

    assert (root.parent, root.name) == (None, "process")
    assert root.attributes["process.exit.code"] == 0
    assert [event.name for event in root.events] == ["asyncctx.printed"]


def test_exports_keep_to_the_semantic_conventions(tmp_path: Path) -> None:
    """The scope has a version and a schema, failures a type, functions their module."""
    spans = spans_of(tmp_path, contention)

    (origin,) = {span.origin for span in spans}
    assert origin.version == version("asyncctx-trace")
    assert re.fullmatch(r"https://opentelemetry.io/schemas/\d+\.\d+\.\d+", origin.schema_url)
    for span in spans:
        assert ("error.type" in span.attributes) is (span.error is not None)
    failed = {span.attributes["error.type"] for span in spans if span.error is not None}
    assert failed == {"ValueError"}
    functions = {span.attributes.get("code.function.name") for span in lifecycles(spans)}
    assert "recorded_programs.contention.<locals>.work" in functions


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("app.py", "app.Shop.sell"),
        ("/srv/shop/stock/__init__.py", "stock.Shop.sell"),
        ("C:\\srv\\shop.py", "shop.Shop.sell"),
        ("/venv/lib/python3.13/site-packages/asyncpg/pool.py", "asyncpg.pool.Shop.sell"),
        ("/usr/lib/python3/dist-packages/redis/__init__.py", "redis.Shop.sell"),
        ("<stdin>", "<stdin>.Shop.sell"),
    ],
)
def test_functions_have_the_module_that_their_file_suggests(file: str, name: str) -> None:
    """And lose it again when spans are read."""
    assert names.qualified_function(file, "Shop.sell") == name
    assert names.unqualified_function(file, name) == "Shop.sell"
    assert names.unqualified_function(file, "Shop.sell") == "Shop.sell"


def test_ids_that_repeat_end_no_search() -> None:
    """A damaged recording may say that two acquisitions contain each other."""
    events: list[Event] = [
        EnterStarted(1, 1, 2, 1, "Lock", 1, 0),
        EnterStarted(2, 2, 1, 1, "Lock", 1, 0),
        EnterStarted(3, 1, 2, 1, "Lock", 1, 0),
        EnterStarted(4, 2, 1, 1, "Lock", 1, 0),
    ]
    builder = SpanBuilder(Anchor(1, 1))

    assert len([*builder.add(events), *builder.finish()]) == 4


def a_process() -> list[Event]:
    """Return the events of a program with a secret among its arguments."""
    return [
        ProcessDefined(1, 0, 7, 1, COMMAND),
        TaskDefined(1, 1, "main", "asyncio", None, 0, "MainThread"),
        EnterStarted(2, 1, None, 1, "Lock", 1, 0),
        EnterEnded(3, 1, Outcome.OK, None),
        ExitStarted(4, 1, 1, Outcome.OK, None),
        ExitEnded(5, 1, Outcome.OK, False, None),
    ]


@pytest.mark.parametrize("arguments", [False, True])
def test_arguments_are_exported_on_request_only(arguments: bool) -> None:
    """They may contain secrets; the program itself is always named."""
    builder = SpanBuilder(Anchor(1, 1), TraceOptions(arguments=arguments))
    spans = [*builder.add(a_process()), *builder.finish()]
    timeline = Timeline(a_process())
    exports = {
        "otlp": "".join(otlp_json.write(spans)),
        "perfetto": "".join(perfetto.write(timeline, arguments=arguments)),
    }

    for text in exports.values():
        assert "app.py" in text
        assert (SECRET in text) is arguments
