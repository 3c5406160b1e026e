"""The report as people see it."""

from __future__ import annotations

import re

import pytest

from analysis.builders import Story
from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.report import report
from asyncctx_trace.events import Dropped, Outcome
from asyncctx_trace_tui.reports.markdown import render_markdown
from asyncctx_trace_tui.reports.text import render_report, render_text

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


def test_first_comes_the_verdict_then_the_findings_then_the_tables() -> None:
    """The gravest first, each with its place."""
    lines = render_text(a_bad_day().timeline(), color=False, width=140).splitlines()
    found = [line for line in lines if re.match(r"[a-z-]+ \((certain|possible)\)", line)]

    assert lines[0].startswith("3 findings, 3 certain, in 8 acquisitions of 3 resources by 6 tasks")
    assert found == [
        "leak (certain) app.py:30",
        "cleanup-error (certain) app.py:20",
        "starved-pool (certain) app.py:12",
    ]
    assert lines.index("Resources") > lines.index(found[-1])
    assert "  db pool: t0 → t1 → t2 → t3 → t4 → t5" in lines
    assert any("which masks ValueError: the reason of the body" in line for line in lines)


def test_the_table_of_resources_has_the_numbers() -> None:
    """Sorted by what was asked for."""
    told = report(Case(a_bad_day().timeline()), sort="name")
    lines = render_report(told, color=False, width=140).splitlines()
    rows = [line.split() for line in lines[lines.index("Resources") + 3 :][:3]]

    assert [row[0] for row in rows] == ["db", "file", "session"]
    assert " ".join(rows[0]) == (
        "db pool pool of 2 6 67 % 30.0 ms 60.0 ms 60.0 ms 30.0 ms 30.0 ms 4 100 %"
    )


def test_the_time_of_waiters_is_charged_to_sites_or_to_tasks() -> None:
    """As one asks."""
    told = report(Case(a_bad_day().timeline()))
    by_site = render_report(told, color=False, width=140)
    by_task = render_report(told, color=False, width=140, by="task")

    assert re.search(r"held at .*\n +db pool +app.py:12 +180 ms +100 %", by_site)
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
    told = report(Case(timeline))

    assert "7 acquisitions are missing: no room on the disk" in render_text(timeline, color=False)
    assert "7 acquisitions are missing" in render_markdown(told)


def test_only_what_concerns_a_task_or_a_resource() -> None:
    """The numbers of a resource stay those of all its tasks."""
    case = Case(a_bad_day().timeline())
    by_task = report(case, tasks=["t1"])
    by_resource = report(case, resources=["db*"])

    assert [use.name for use in by_task.uses] == ["db pool", "session"]
    assert [f.kind for f in by_task.findings] == ["leak", "starved-pool"]  # t1 held the pool
    assert by_task.uses[0].acquisitions == 6
    assert [use.name for use in by_resource.uses] == ["db pool"]
    assert [f.kind for f in by_resource.findings] == ["starved-pool"]


def test_markdown_cannot_be_written_by_the_program() -> None:
    """No tag, no mention, no table cell, no code span of its own."""
    story = Story()
    story.resource(HOSTILE[:60], "pool", 1)
    story.pass_through("t", HOSTILE[:60], 0, 0, 70)
    story.pass_through("late", HOSTILE[:60], 10, 70, 80)
    text = render_markdown(report(Case(story.timeline())))

    assert "<b>" not in text
    assert not re.search(r"(?<!\\)@", text)
    assert not re.search(r"(?<!\\)\*pwn", text)
    assert all(line.count("|") - line.count(r"\|") in (0, 5, 10) for line in text.splitlines())


def test_markdown_has_findings_and_tables() -> None:
    """For a pull request."""
    text = render_markdown(report(Case(a_bad_day().timeline())))

    assert text.startswith("**asyncctx-trace:** 3 findings, 3 certain")
    assert "- 🛑 **leak** (certain) `app.py:30`: " in text
    assert "| db pool | pool | 6 | 67 % |" in text


def test_of_very_many_the_first_are_shown_and_the_others_counted() -> None:
    """Resources and findings: nobody reads ten thousand lines."""
    story = Story()
    for number in range(250):
        story.gets_in(0, story.asks(0, f"t{number}", f"lock {number}", number))
    story.ends(10)
    lines = render_text(story.timeline(), color=False, width=140).splitlines()

    assert sum(line.startswith("leak (certain)") for line in lines) == 200
    assert "  and 50 more findings: the format json has them all" in lines
    assert "  and 50 more resources: the format json has them all" in lines
