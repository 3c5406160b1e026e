"""Waits for other things than managers, and stalls, in exported files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.builders import MS, START, queue_and_stall
from asyncctx_trace.analysis.loop_stalls import stalls_of
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.formats import perfetto
from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.waits import OF_TASKS, WaitKind
from asyncctx_trace.sources import Source, open_source
from asyncctx_trace.spans.span import Span
from asyncctx_trace.spans.to_events import events_of
from asyncctx_trace.spans.trace_tree import TraceOptions
from asyncctx_trace_tui.cli import main


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a recording with waits inside and outside of acquisitions, and a stall."""
    return queue_and_stall(tmp_path / "x.actx").end(310)


@pytest.fixture
def source(recording: Path) -> Source:
    """Return the opened recording."""
    return open_source(recording)


def wait_spans(spans: list[Span]) -> list[Span]:
    """Return the spans of waits, in order of time."""
    found = [span for span in spans if span.attributes.get(names.PHASE) == names.WAIT]
    return sorted(found, key=lambda span: span.start)


def test_waits_are_no_spans_unless_asked_for(source: Source) -> None:
    """They would be most of all spans."""
    assert wait_spans(list(source.spans())) == []


def test_a_wait_is_a_child_of_its_phase_or_else_of_its_task(source: Source) -> None:
    """With a link to the task that ended it."""
    spans = list(source.spans(TraceOptions(waits=True)))
    by_id = {span.id: span for span in spans}
    found = {
        (span.name, by_id[span.parent or 0].name, str(span.attributes.get(names.OUTCOME)))
        for span in wait_spans(spans)
    }
    (item,) = (span for span in spans if span.name == "wait queue get")

    assert found == {
        ("wait queue get", "task", "ok"),
        ("wait sleep", "body", "ok"),
        ("wait sleep", "task", "ok"),
        ("wait event", "task", "None"),
    }
    assert item.end - item.start == 50 * MS
    assert item.attributes[names.RESOURCE_NAME] == "jobs"
    assert item.attributes[names.WAIT_WOKEN_BY_NAME] == "producer"
    assert [by_id[link.span].attributes[names.TASK_NAME] for link in item.links] == ["producer"]


def test_a_stall_is_an_event_of_the_process(source: Source) -> None:
    """With its line and how long it took."""
    events = [event for span in source.spans() for event in span.events]
    (stall,) = (event for event in events if event.name == names.STALL_EVENT)

    assert stall.attributes[names.STALL_DURATION] == 0.13
    assert stall.attributes[names.STALL_STACK] == ["app.py:12 worker"]
    assert stall.attributes[names.TASK_NAME] == "worker"


def test_waits_can_be_read_again(source: Source) -> None:
    """What tasks waited for, how long, and who ended it."""
    spans = list(source.spans(TraceOptions(waits=True)))
    again, before = Timeline(events_of(spans)), Timeline(source.events)
    shift = (again.start or 0) - (before.start or 0)

    def told(timeline: Timeline, by: int) -> list[tuple[int, ...]]:
        waits = timeline.waits
        return sorted(
            (waits.started[row] - by, max(0, waits.ended[row] - by), waits.task[row],
             waits.kind[row], waits.subject[row], waits.woken_by[row])
            for row in range(len(waits))
        )  # fmt: skip

    assert told(again, shift) == told(before, 0)


def test_stalls_can_be_read_again(source: Source) -> None:
    """With task, line, stack and length."""
    timeline = Timeline(events_of(source.spans()))
    (stall,) = stalls_of(timeline, timeline.end or 0)

    assert stall.length == 130 * MS
    assert stall.started.stack == (("app.py", 12, "worker"),)
    assert timeline.sites[stall.started.site or 0].line == 12
    assert timeline.tasks[stall.started.task or 0].name == "worker"


def test_tasks_that_are_awaited_can_be_read_again(tmp_path: Path) -> None:
    """One or several of them."""
    builder = queue_and_stall(tmp_path / "x.actx")
    writer = builder.writer
    for wait, kind, subject in ((501, WaitKind.TASKS, 0), (502, WaitKind.TASK, 3)):
        writer.wait_started(START + wait * MS, wait, 1, subject, 1, kind)
        for task in (2, 3) if kind is WaitKind.TASKS else ():
            writer.wait_target(START + wait * MS, wait, task)
        writer.wait_ended(START + wait * MS + MS, wait, 1, 0)
    source = open_source(builder.end(600))
    waits = Timeline(events_of(source.spans(TraceOptions(waits=True)))).waits

    awaited = [waits.tasks_awaited(row) for row in range(len(waits))]
    assert [tasks for tasks in awaited if tasks] == [[2, 3], [3]]


@pytest.mark.parametrize("kind", sorted(OF_TASKS))
def test_every_kind_of_wait_for_tasks_names_them(tmp_path: Path, kind: WaitKind) -> None:
    """Also those with a deadline."""
    builder = queue_and_stall(tmp_path / "x.actx").wait(1, kind, 20, 30, subject=3)
    spans = wait_spans(list(open_source(builder.end(310)).spans(TraceOptions(waits=True))))
    awaited = [span.attributes.get(names.WAIT_TASKS) for span in spans]

    assert [tasks for tasks in awaited if tasks] == [[3]]


def test_perfetto_gets_slices_and_arrows(source: Source) -> None:
    """A slice per wait, an arrow per wake-up, the stall on a track of its own."""
    document = json.loads("".join(perfetto.write(Timeline(source.events))))
    events: list[dict[str, Any]] = document["traceEvents"]
    waits = [event for event in events if event.get("cat") == "wait" and event.get("dur")]
    arrows = [event for event in events if event["name"] in ("wakes worker", "woken by producer")]
    stall = [event for event in events if event.get("cat") == "stall"]

    assert sorted(event["name"] for event in waits) == [
        "waits for a timer",
        "waits for a timer",
        "waits for an item of `jobs`",
        "waits for event",
    ]
    assert len({event["bind_id"] for event in arrows}) == 1
    assert {event["ts"] for event in arrows} == {60_000.0}
    assert [(event["ph"], event["ts"]) for event in stall] == [("b", 110_000.0), ("e", 240_000.0)]


def test_perfetto_calls_the_exit_of_a_task_group_children(source: Source) -> None:
    """It is no cleanup."""
    document = json.loads("".join(perfetto.write(Timeline(source.events))))
    (children,) = (event for event in document["traceEvents"] if event["name"] == "children")

    assert children["dur"] == 280_000.0


def test_the_option_of_the_command_makes_spans(recording: Path, tmp_path: Path) -> None:
    """Without it there are none."""
    out = tmp_path / "x.jsonl"

    def exported(*options: str) -> str:
        words = ["export", str(recording), "--format", "otlp-json", "-o", str(out), *options]
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
        return out.read_text()

    assert '"wait queue get"' not in exported()
    assert '"wait queue get"' in exported("--waits")
