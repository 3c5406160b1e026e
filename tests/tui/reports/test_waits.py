"""Waits for other things and stalls, in the reports."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from analysis.support.wait_story import WaitStory
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import OF_TASKS, WaitKind
from asyncctx_trace_tui.reports.json_report import render_json
from asyncctx_trace_tui.reports.text_report import render_report, render_text


def recording_with_waits() -> WaitStory:
    """A worker that waits for items, a producer that sleeps, a main task; a blocking call."""
    story = WaitStory()
    main = story.waits(0, "main", WaitKind.TASKS, line=9, targets=("producer", "worker"))
    for number in range(4):
        story.pass_time(
            "worker", WaitKind.QUEUE_GET, number * 20, number * 20 + 10, "jobs", "producer"
        )
        story.pass_time("producer", WaitKind.SLEEP, number * 20, number * 20 + 10)
    story.pass_through("worker", "lock", 15, 15, 18)
    story.stall(100, 400, "worker", line=7, collections=1)
    last = story.waits(410, "worker", WaitKind.QUEUE_GET, "jobs")
    story.goes_on(420, last, "main", Outcome.CANCELLED)
    story.goes_on(430, main)
    story.waits(440, "main", WaitKind.EVENT, "stop", line=10)
    story.ends(500)
    return story


def section(text: str, title: str) -> list[str]:
    """Return the lines below a title."""
    lines = text.splitlines()
    start = lines.index(title) + 1
    return lines[start : lines.index("", start)]


def test_what_was_waited_for_is_listed_with_who_ended_it() -> None:
    """Most time first; what has not ended is counted."""
    text = render_text(recording_with_waits().timeline(), color=False, width=140)
    rows = [re.split(r"\s{2,}", line.strip()) for line in section(text, "Waits for other things")]

    assert rows == [
        ["waited for", "at", "times", "total", "p50", "p99", "max", "ended by"],
        ["the end of producer and 1 more", "app.py:9", "1", *["430 ms"] * 4, "their end"],
        ["event `stop`", "app.py:10", "1", *["60.0 ms"] * 4, "(1 not ended)"],
        ["an item of `jobs`", "app.py:1", "5", "50.0 ms", *["10.0 ms"] * 3, "producer and 1 more"],
        ["a timer", "app.py:1", "4", "40.0 ms", *["10.0 ms"] * 3, "a timer"],
    ]


def test_who_let_tasks_wait_is_listed_with_what_they_did() -> None:
    """While the loop stood still, the line that blocked it; the consumer's line for a timer."""
    text = render_text(recording_with_waits().timeline(), color=False, width=140)
    rows = [
        re.split(r"\s{2,}", line.strip())
        for line in section(text, "Who let them wait for other things")
    ]

    tasks, items = "the end of producer and 1 more", "an item of `jobs`"
    assert rows == [
        ["waited for", "because", "at", "waited", "share"],
        [tasks, "worker blocked the event loop", "app.py:7", "300 ms", "86 %"],
        [items, "producer waited for a timer", "app.py:1", "40.0 ms", "11 %"],
        [items, "main waited for the end of tasks", "app.py:9", "10.0 ms", "3 %"],
    ]


def test_in_json_each_group_of_waits_says_who_is_to_blame_for_all_of_it() -> None:
    """Task, line, what it did there and the ns; together they are the total."""
    snapshot = Snapshot(recording_with_waits().timeline())
    waits = json.loads(render_json(report(snapshot), "run.actx"))["waits"]
    (items,) = (each for each in waits if each["kind"] == "queue get")

    for each in waits:
        assert sum(share["ns"] for share in each["blame"]) == each["total_ns"]
        assert each["blame_left_out_ns"] == 0
    first = items["blame"][0]
    assert (first["task"]["name"], first["site"]["line"]) == ("producer", 1)
    assert (first["reason"], first["kind"], first["resource"]) == ("waited", "sleep", None)


def test_the_lines_that_blocked_the_loop_are_listed() -> None:
    """With the share of the run in which nothing else could happen."""
    text = render_text(recording_with_waits().timeline(), color=False, width=140)

    assert re.search(
        r"app\.py:7 line 7 +worker +1 +300 ms +60 % +300 ms", "\n".join(text.splitlines())
    )


@pytest.mark.parametrize("width", [80, 100, 160])
def test_many_waits_fit_on_a_screen(width: int) -> None:
    """What is left out is counted."""
    story = recording_with_waits()
    for number in range(40):
        story.pass_time(f"t{number}", WaitKind.EVENT, number, 400, f"event {number}")
    text = render_text(story.timeline(), color=False, width=width)

    assert len(text.splitlines()) <= 50
    assert re.search(r"and \d+ more: --full", text)


def test_a_program_that_acquires_nothing_has_a_table_of_waits() -> None:
    """There is something to report."""
    story = WaitStory()
    story.pass_time("worker", WaitKind.QUEUE_GET, 0, 100, "jobs", "main")
    story.ends(200)
    result = report(Snapshot(story.timeline()))

    assert "an item of `jobs`" in render_report(result, color=False, width=120)
    assert "Who got in" not in render_report(result, color=False, width=120, full=True)


def test_a_selection_limits_the_waits() -> None:
    """To those of the tasks, or for the resources."""
    snapshot = Snapshot(recording_with_waits().timeline())

    assert {g.kind for g in report(snapshot, tasks=["prod*"]).waits} == {WaitKind.SLEEP}
    assert {g.kind for g in report(snapshot, resources=["job*"]).waits} == {WaitKind.QUEUE_GET}


def test_the_json_report_has_waits_and_stalls() -> None:
    """With everything that the tables show."""
    text = render_json(report(Snapshot(recording_with_waits().timeline())), "run.actx")
    result: dict[str, Any] = json.loads(text)
    _, _, items, _ = result["waits"]
    (stall,) = result["stalls"]

    assert result["recording"]["waits"] == 11
    assert result["recording"]["tasks"] == 3
    assert (items["kind"], items["subject"]["name"], items["count"]) == ("queue get", "jobs", 5)
    assert (items["cancelled"], items["failed"], items["in_flight"]) == (1, 0, 0)
    assert [(each["task"]["name"], each["times"]) for each in items["ended_by"]] == [
        ("producer", 4),
        ("main", 1),
    ]
    assert (stall["max_ns"], stall["longest"]["collections"]) == (300_000_000, 1)
    assert stall["longest"]["stack"] == [{"file": "app.py", "line": 7, "function": "main"}]


@pytest.mark.parametrize("kind", sorted(OF_TASKS))
@pytest.mark.parametrize("times", [1, 20])
def test_waits_for_tasks_are_for_no_resource(kind: WaitKind, times: int) -> None:
    """A resource may have the id of a task."""
    story = WaitStory()
    story.pass_time("main", WaitKind.EVENT, 0, 1, "ready")
    for number in range(times):
        wait = story.waits(number, f"main-{number}", kind, targets=(f"child-{number}",))
        story.goes_on(90, wait)
    story.ends(100)
    result = json.loads(render_json(report(Snapshot(story.timeline())), "run.actx"))
    waits, _ = result["waits"]

    assert (waits["kind"], waits["subject"], waits["count"]) == (kind.label, None, times)
    assert render_text(story.timeline(), color=False, width=140).count("a callback") == 1


def test_an_interrupted_program_says_what_its_tasks_waited_for() -> None:
    """Those that waited for the same thing are one entry."""
    story = WaitStory()
    for number in range(3):
        story.waits(number, f"worker-{number}", WaitKind.QUEUE_GET, "jobs", 5)
    story.gets_in(10, story.asks(10, "main", "lock"))
    story.interrupted(100)
    story.ends(110, -2)
    result = json.loads(render_json(report(Snapshot(story.timeline())), "run.actx"))
    (waits,) = result["interrupted"]["waits"]

    assert (waits["kind"], waits["summary"]) == ("queue get", "an item of `jobs`")
    assert [task["name"] for task in waits["tasks"]] == ["worker-0", "worker-1", "worker-2"]


def test_the_critical_path_says_what_was_waited_for() -> None:
    """Inside and outside of acquisitions."""
    story = WaitStory()
    lock = story.asks(0, "main", "lock", line=3)
    story.gets_in(0, lock)
    story.pass_time("main", WaitKind.SLEEP, 0, 80)
    story.leaves(90, lock)
    story.is_out(90, lock)
    story.ends(100)
    result = report(Snapshot(story.timeline()))
    text = render_report(result, color=False, width=140, full=True)
    steps = json.loads(render_json(result, "run.actx"))["critical_path"]

    assert "in lock at app.py:3: waiting for a timer at app.py:1" in text
    assert [step["wait"]["kind"] for step in steps if step["wait"]] == ["sleep"]
