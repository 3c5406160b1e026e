"""The report as people see it."""

from __future__ import annotations

import re
import time

import pytest

from analysis.builders import Story
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.model.events import Dropped, Outcome
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace_tui.reports.markdown_report import render_markdown
from asyncctx_trace_tui.reports.text_report import render_report, render_text

HOSTILE = "\x1b[2J[red]<b>`*pwn*` @octocat | \n\u202e" + "x" * 10_000


def a_bad_day() -> Story:
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
    """The kinds of the groups of findings, in order."""
    found = re.findall(r"^([a-z-]+) \((?:certain|possible)\)", text, re.MULTILINE)
    return [str(kind) for kind in found]


def test_first_comes_the_verdict_then_the_findings_then_the_tables() -> None:
    """The gravest first, each with its site."""
    lines = render_text(a_bad_day().timeline(), color=False, width=140).splitlines()
    found = [line for line in lines if re.match(r"[a-z-]+ \((certain|possible)\)", line)]

    assert lines[0].startswith("Leak: `session` at app.py:30 was entered by t1 and never exited")
    assert lines[1].startswith("2 findings, 2 certain (leak, cleanup-error), in")
    assert found == [
        "leak (certain) app.py:30  at 211 ms",
        "cleanup-error (certain) app.py:20  at 203 ms",
    ]
    assert lines.index("Resources") > lines.index(found[-1])
    assert any("which masks ValueError: the reason of the body" in line for line in lines)


def test_where_holds_kept_most_tasks_waiting_they_come_first() -> None:
    """Site, function, resource, how long it was held and how many waited how long."""
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


def test_moments_are_told_by_the_clock_on_the_wall_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In local time, for whoever compares it with a log."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    anchor = Anchor(wall_ns=1_700_000_000_000_000_000, monotonic_ns=1_000_000_000)
    told = report(Snapshot(a_bad_day().timeline()), anchor=anchor)
    text = render_report(told, color=False, width=140)

    assert "in 300 ms. At 2023-11-14 22:13:20." in text
    assert "leak (certain) app.py:30  at 211 ms (22:13:20)" in text


def an_awful_day() -> Story:
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
def test_it_fits_on_a_screen_however_much_there_is(width: int) -> None:
    """And says of everything that it leaves out how much there is more."""
    told = report(Snapshot(an_awful_day().timeline()))
    text = render_report(told, color=False, width=width)

    assert len(text.splitlines()) <= (60 if width < 100 else 50)
    assert len(headings(text)) <= 5
    assert f"and {len(told.groups) - len(headings(text))} more groups of findings: --full" in text
    assert re.search(r"and \d+ more( \(\d+ objects\))?: --full", text)
    assert "60 × ClientSession(…)" in text


def test_all_of_it_has_no_limits() -> None:
    """Every finding, every resource, every table."""
    told = report(Snapshot(an_awful_day().timeline()))
    text = render_report(told, color=False, width=160, full=True)

    assert len(headings(text)) == len(told.groups)
    assert text.count("never exited") >= 60
    assert "ClientSession(limit=59)" in text
    assert "more: --full" not in text
    assert {"Cleanup", "What went wrong first", "Critical path"} <= set(text.splitlines())


def test_the_table_of_resources_has_the_numbers() -> None:
    """Sorted by what was asked for."""
    told = report(Snapshot(a_bad_day().timeline()), sort="name")
    lines = render_report(told, color=False, width=140).splitlines()
    rows = [line.split() for line in lines[lines.index("Resources") + 3 :][:3]]

    assert [row[0] for row in rows] == ["db", "file", "session"]
    assert " ".join(rows[0]) == (
        "db pool pool of 2 6 67 % 30.0 ms 60.0 ms 60.0 ms 30.0 ms 30.0 ms 4 100 %"
    )


def test_the_time_of_waiters_is_charged_to_sites_or_to_tasks() -> None:
    """As one asks."""
    told = report(Snapshot(a_bad_day().timeline()))
    by_site = render_report(told, color=False, width=140)
    by_task = render_report(told, color=False, width=140, by="task")

    assert re.search(r"held at .*\n +db pool +app.py:12 +180 ms +99 %", by_site)
    assert re.search(r"held by .*\n +db pool +t0 +60.0 ms +33 %", by_task)


def test_plain_text_has_no_escapes_and_coloured_text_the_same_words() -> None:
    """Colours are all that a terminal gets on top."""
    timeline = a_bad_day().timeline()
    plain = render_text(timeline, color=False, width=140)
    coloured = render_text(timeline, color=True, width=140)

    assert "\x1b" not in plain
    assert "\x1b[1;31mleak\x1b[0m" in coloured
    assert re.sub(r" *\n", "\n", re.sub(r"\x1b\[[0-9;]*m", "", coloured)) == plain


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_names_harm_nothing(width: int) -> None:
    """They are text, on one line, cut in the middle; no line is wider than the terminal."""
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


def test_where_nothing_was_acquired_it_says_so() -> None:
    """In one line."""
    assert render_text(Story().timeline(), color=False) == (
        "Nothing was acquired: no traced `async with` was entered.\n"
    )


def test_what_is_missing_is_told_everywhere() -> None:
    """And nothing is called complete that is not."""
    timeline = a_bad_day().timeline()
    timeline.extend([Dropped(1_400_000_000, 7, "no room on the disk")])
    told = report(Snapshot(timeline))

    assert "7 acquisitions are missing: no room on the disk" in render_text(timeline, color=False)
    assert "7 acquisitions are missing" in render_markdown(told)


def test_only_what_concerns_a_task_or_a_resource() -> None:
    """The numbers of a resource stay those of all its tasks."""
    snapshot = Snapshot(a_bad_day().timeline())
    by_task = report(snapshot, tasks=["t1"])
    by_resource = report(snapshot, resources=["db*"])
    by_another = report(snapshot, resources=["file"])

    assert [use.name for use in by_task.uses] == ["db pool", "session"]
    assert [f.kind for f in by_task.findings] == ["leak"]
    assert by_task.uses[0].acquisitions == 6
    assert [use.name for use in by_resource.uses] == ["db pool"]
    assert by_resource.findings == []
    assert [f.kind for f in by_another.findings] == ["cleanup-error"]


def test_markdown_cannot_be_written_by_the_program() -> None:
    """No tag, no mention, no table cell, no code span of its own."""
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
    text = render_markdown(report(Snapshot(a_bad_day().timeline())))

    assert text.startswith("**asyncctx-trace:** Leak: `session` at app.py:30 was entered")
    assert "- 🛑 **leak** (certain) `app.py:30`: `session` at app.py:30 " in text
    assert "| db pool | pool | 6 | 67 % |" in text
