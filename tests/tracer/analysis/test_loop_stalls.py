"""Stalls of event loops."""

from __future__ import annotations

from analysis.support.wait_story import WaitStory
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.loop_stalls import describe_line, stall_lines
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.waits import WaitKind

MS = 1_000_000


def test_stalls_in_one_line_are_added_up() -> None:
    """The line with most time comes first."""
    story = WaitStory()
    story.stall(0, 150, "a", line=7)
    story.stall(200, 900, "b", line=8)
    story.stall(1_000, 1_300, "b", line=7)
    story.ends(2_000)
    timeline = story.timeline()
    lines = stall_lines(Snapshot(timeline))

    assert [
        (describe_line(timeline, each.longest.started), each.duration.count, each.duration.total)
        for each in lines
    ] == [("app.py:8 line 8", 1, 700 * MS), ("app.py:7 line 7", 2, 450 * MS)]


def test_the_time_for_which_the_thread_waited_for_a_processor_does_not_count() -> None:
    """On a busy machine a callback of 100 ms may end after a second."""
    story = WaitStory()
    story.stall(0, 1_000, "busy", line=7, delayed=900)
    story.stall(1_000, 1_300, "blocked", line=8, delayed=10)
    story.ends(2_000)
    timeline = story.timeline()

    lengths = [line.longest.length // MS for line in stall_lines(Snapshot(timeline))]
    found = [each.summary for each in find(timeline) if each.kind == "blocked-loop"]

    assert lengths == [290, 100]
    assert ["app.py:8" in summary for summary in found] == [True]


def test_a_stall_without_an_end_lasts_until_its_task_goes_on() -> None:
    """A loop that is closed right after a stall leaves no record of its end."""
    story = WaitStory()
    story.stall(0, None, "main")
    story.pass_time("main", WaitKind.SLEEP, 300, 400)
    story.stall(500, None, "main", line=2)
    story.ends(900)
    stalls = [line.longest for line in stall_lines(Snapshot(story.timeline()))]

    assert [(each.length // MS, each.ended) for each in stalls] == [(400, False), (300, True)]
