"""The report as text and Markdown."""

from __future__ import annotations

import re
import time

import pytest

from analysis.support.builders import Story
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.model.events import Dropped, Outcome
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace_tui.reports.markdown_report import render_markdown
from asyncctx_trace_tui.reports.text_report import render_report, render_text

HOSTILE = "\x1b[2J[red]<b>`*pwn*` @octocat | \n\u202e" + "x" * 10_000


def recording_with_problems() -> Story:
    """A queue, a leak, and an exit that failed."""
    story = Story()
    story.resource("db pool", "pool", 2)
    for number in range(6):
        first = number // 2 * 30
        story.pass_through(f"t{number}", "db pool", 0, first, first + 30, line=12)
    bad = story.asks(200, "t0", "file", 20)
    story.gets_in(201, bad)
    story.leaves(202, bad, Outcome.ERROR, "ValueError: the reason")
    story.is_out(203, bad, Outcome.ERROR, "OSError: disk full")
    story.gets_in(211, story.asks(210, "t1", "session", 30))
    story.ends(300)
    return story


def headings(text: str) -> list[str]:
    """Return the kinds of the groups of findings, in order."""
    found = re.findall(r"^([a-z-]+) \((?:certain|possible)\)", text, re.MULTILINE)
    return [str(kind) for kind in found]


def test_the_verdict_comes_first_then_findings_then_tables() -> None:
    """The most severe finding first, each with its site."""
    lines = render_text(recording_with_problems().timeline(), color=False, width=140).splitlines()
    found = [line for line in lines if re.match(r"[a-z-]+ \((certain|possible)\)", line)]

    assert lines[0].startswith("Leak: `session` at app.py:30 was entered by t1 and never exited")
    assert lines[1].startswith("2 findings, 2 certain (leak, cleanup-error), in")
    assert found == [
        "leak (certain) app.py:30  at 211 ms",
        "cleanup-error (certain) app.py:20  at 203 ms",
    ]
    assert lines.index("Resources") > lines.index(found[-1])
    assert any("which masks ValueError: the reason of the body" in line for line in lines)


def test_the_longest_blocking_holds_come_first() -> None:
    """With site, function, resource, time held and number of waiters."""
    story = Story()
    story.pass_through("refresh", "cache", 0, 0, 500, line=7)
    for number in range(20):
        story.pass_through(f"t{number}", "cache", 10, 500 + number, 501 + number, line=3)
    story.ends(600)
    first = render_text(story.timeline(), color=False, width=300).splitlines()[0]

    assert first == (
        "main (app.py:7) held `cache` for 500 ms, while up to 20 tasks waited at once: "
        "9.80 s of waiting in all, 98 % of the total."
    )


def test_times_are_given_as_time_of_day_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In local time, to compare with a log."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    anchor = Anchor(wall_ns=1_700_000_000_000_000_000, monotonic_ns=1_000_000_000)
    result = report(Snapshot(recording_with_problems().timeline()), anchor=anchor)
    text = render_report(result, color=False, width=140)

    assert "in 300 ms. At 2023-11-14 22:13:20." in text
    assert "leak (certain) app.py:30  at 211 ms (22:13:20)" in text


def recording_with_many_problems() -> Story:
    """Many objects, many kinds of findings, long names, long messages."""
    story = Story()
    for number in range(60):
        task, lock = f"t{number}", f'app["tenant"]["customer-{number}"]'
        story.pass_through(task, lock, 0, 0, 400, line=12)
        story.pass_through(f"{task}b", lock, 1, 400, 500, line=13)
        story.gets_in(1, story.asks(1, task, f"ClientSession(limit={number})", line=200))
        story.resource(f"pool {number}", "pool", 2)
        failed = story.asks(600, task, f"file of {'a' * number} tenant", line=300 + number)
        story.gets_in(600, failed)
        story.leaves(601, failed, Outcome.ERROR, f"ValueError: {'why ' * 50}")
        story.is_out(602, failed, Outcome.ERROR, f"OSError: {'because ' * 50}")
    story.ends(700)
    return story


@pytest.mark.parametrize("width", [80, 100, 160])
def test_it_fits_on_a_screen(width: int) -> None:
    """What is left out is counted."""
    result = report(Snapshot(recording_with_many_problems().timeline()))
    text = render_report(result, color=False, width=width)

    assert len(text.splitlines()) <= (60 if width < 100 else 50)
    assert len(headings(text)) <= 5
    assert f"and {len(result.groups) - len(headings(text))} more groups of findings: --full" in text
    assert re.search(r"and \d+ more( \(\d+ objects\))?: --full", text)
    assert "60 × ClientSession(…)" in text


def test_full_reports_leave_nothing_out() -> None:
    """Every finding, every resource, every table."""
    result = report(Snapshot(recording_with_many_problems().timeline()))
    text = render_report(result, color=False, width=160, full=True)

    assert len(headings(text)) == len(result.groups)
    assert text.count("never exited") >= 60
    assert "ClientSession(limit=59)" in text
    assert "more: --full" not in text
    assert {"Cleanup", "What went wrong first", "Critical path"} <= set(text.splitlines())


def test_the_table_of_resources_has_the_statistics() -> None:
    """Sorted by the requested column."""
    result = report(Snapshot(recording_with_problems().timeline()), sort="name")
    lines = render_report(result, color=False, width=140).splitlines()
    rows = [line.split() for line in lines[lines.index("Resources") + 3 :][:3]]

    assert [row[0] for row in rows] == ["db", "file", "session"]
    assert " ".join(rows[0]) == (
        "db pool pool of 2 6 67 % 30.0 ms 60.0 ms 60.0 ms 30.0 ms 30.0 ms 4 100 %"
    )


def test_waiting_time_is_charged_to_sites_or_to_tasks() -> None:
    """As requested."""
    result = report(Snapshot(recording_with_problems().timeline()))
    by_site = render_report(result, color=False, width=140)
    by_task = render_report(result, color=False, width=140, by="task")

    assert re.search(r"held at .*\n +db pool +app.py:12 +180 ms +99 %", by_site)
    assert re.search(r"held by .*\n +db pool +t0 +60.0 ms +33 %", by_task)


def test_color_adds_only_escapes_to_the_text() -> None:
    """Plain text has no escapes."""
    timeline = recording_with_problems().timeline()
    plain = render_text(timeline, color=False, width=140)
    coloured = render_text(timeline, color=True, width=140)

    assert "\x1b" not in plain
    assert "\x1b[1;31mleak\x1b[0m" in coloured
    assert re.sub(r" *\n", "\n", re.sub(r"\x1b\[[0-9;]*m", "", coloured)) == plain


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_names_are_shown_as_text(width: int) -> None:
    """On one line, truncated in the middle; no line is wider than the terminal."""
    story = Story()
    story.pass_through(HOSTILE, HOSTILE, 0, 0, 70)
    story.pass_through("late", HOSTILE, 10, 70, 80)
    failed = story.asks(90, HOSTILE, HOSTILE)
    story.gets_in(91, failed)
    story.leaves(92, failed)
    story.is_out(93, failed, Outcome.ERROR, f"OSError: {HOSTILE}")
    text = render_text(story.timeline(), color=False, width=width)

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]" in text
    assert all(len(line) <= width for line in text.splitlines())
    assert len(text) < 20_000


def test_a_run_without_acquisitions_is_reported_as_such() -> None:
    """In one line."""
    assert render_text(Story().timeline(), color=False) == (
        "Nothing was acquired: no traced `async with` was entered.\n"
    )


def test_missing_acquisitions_are_counted_in_every_format() -> None:
    """And nothing is called complete that is not."""
    timeline = recording_with_problems().timeline()
    timeline.extend([Dropped(1_400_000_000, 7, "no room on the disk")])
    result = report(Snapshot(timeline))

    assert "7 acquisitions are missing: no room on the disk" in render_text(timeline, color=False)
    assert "7 acquisitions are missing" in render_markdown(result)


def test_a_report_can_be_limited_to_a_task_or_a_resource() -> None:
    """The statistics of a resource remain those of all its tasks."""
    snapshot = Snapshot(recording_with_problems().timeline())
    by_task = report(snapshot, tasks=["t1"])
    by_resource = report(snapshot, resources=["db*"])
    by_another = report(snapshot, resources=["file"])

    assert [use.name for use in by_task.uses] == ["db pool", "session"]
    assert [f.kind for f in by_task.findings] == ["leak"]
    assert by_task.uses[0].acquisitions == 6
    assert [use.name for use in by_resource.uses] == ["db pool"]
    assert by_resource.findings == []
    assert [f.kind for f in by_another.findings] == ["cleanup-error"]


def test_markdown_of_the_program_is_escaped() -> None:
    """No tag, mention, table cell or code span."""
    story = Story()
    story.resource(HOSTILE[:60], "pool", 1)
    story.pass_through("t", HOSTILE[:60], 0, 0, 70)
    story.pass_through("late", HOSTILE[:60], 10, 70, 80)
    text = render_markdown(report(Snapshot(story.timeline())))

    outside = re.sub(r"`[^`]*`", "", text)
    assert "<b>" not in outside
    assert not re.search(r"(?<!\\)@", outside)
    assert not re.search(r"(?<!\\)\*pwn", outside)
    assert all(line.count("|") - line.count(r"\|") in (0, 5, 10) for line in text.splitlines())


def test_markdown_has_findings_and_tables() -> None:
    """For a pull request."""
    text = render_markdown(report(Snapshot(recording_with_problems().timeline())))

    assert text.startswith("**asyncctx-trace:** Leak: `session` at app.py:30 was entered")
    assert "- 🛑 **leak** (certain) `app.py:30`: `session` at app.py:30 " in text
    assert "| db pool | pool | 6 | 67 % |" in text
