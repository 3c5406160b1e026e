"""The columns in which a task waits: the numpy kernel gives the result of the plain one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.support.wait_story import WaitStory
from asyncctx_trace.analysis.loop_stalls import stalls_of
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import Outcome, WaitEnded, WaitStarted
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace_tui.view.cells.drawing import draw, plain_text
from asyncctx_trace_tui.view.cells.glyphs import KIND_LETTERS, UNICODE
from asyncctx_trace_tui.view.descriptions.wait_text import describe_end
from asyncctx_trace_tui.view.lane_view.lane_marks import arrange_marks
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks import kernels
from asyncctx_trace_tui.view.tracks.shares import WaitRun
from asyncctx_trace_tui.view.tracks.wait_track import WaitTrack

pytest.importorskip("numpy")

MS = 1_000_000
START = 1_000 * MS
PASSES = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 60), st.booleans()), min_size=1, max_size=40
)
"""Pause and length of each wait, and whether its end was recorded."""
WINDOWS = st.builds(Viewport, st.integers(-200, 1_500), st.integers(1, 90), st.integers(1, 120))


def timeline_of(passes: list[tuple[int, int, bool]]) -> Timeline:
    """Return the timeline of one task that waits again and again."""
    timeline, at = Timeline(), 0
    for wait, (pause, length, ends) in enumerate(passes, 1):
        at += pause
        kind = WaitKind.EVENT if wait % 3 == 0 else WaitKind.SLEEP
        timeline.extend([WaitStarted(at, wait, 1, None, 1, kind)])
        at += length
        if ends:
            timeline.extend([WaitEnded(at, wait, Outcome.OK, None)])
    return timeline


@given(passes=PASSES, viewport=WINDOWS, later=st.integers(0, 300))
def test_numpy_finds_the_same_columns(
    passes: list[tuple[int, int, bool]], viewport: Viewport, later: int
) -> None:
    """For any waits, also without an end, and any viewport."""
    timeline = timeline_of(passes)
    now = sum(pause + length for pause, length, _ in passes) + later

    def runs(many: int) -> tuple[WaitTrack, tuple[list[WaitRun], list[WaitRun]]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "_MANY", many)
            track = WaitTrack(timeline, 1)
            return track, (track.runs(viewport, now), track.merged_runs(viewport, now))

    (plain, expected), (fast, found) = runs(1_000), runs(-1)

    assert found == expected
    assert (fast.starts, fast.before) == (plain.starts, plain.before)


@given(passes=PASSES, viewport=WINDOWS)
def test_neighbors_that_look_the_same_are_one(
    passes: list[tuple[int, int, bool]], viewport: Viewport
) -> None:
    """Column for column they look as before, and no two could still be one."""
    timeline = timeline_of(passes)
    now = sum(pause + length for pause, length, _ in passes)
    track = WaitTrack(timeline, 1)

    def looks(runs: list[WaitRun]) -> list[tuple[int, int, bool, int]]:
        return [
            (column, track.columns.kind[run.row], 2 * run.share >= viewport.per_column, run.share)
            if run.share == viewport.per_column
            else (column, track.columns.kind[run.row], 2 * run.share >= viewport.per_column, 0)
            for run in runs
            for column in range(run.column, run.column + run.length)
        ]

    merged = track.merged_runs(viewport, now)

    assert looks(merged) == looks(track.runs(viewport, now))
    for one, following in pairwise(merged):
        apart = one.column + one.length < following.column
        whole = viewport.per_column in (one.share, following.share)
        assert apart or whole or looks([one])[-1][1:] != looks([following])[0][1:]


@given(passes=PASSES, viewport=WINDOWS)
def test_the_time_in_all_columns_is_the_time_waited(
    passes: list[tuple[int, int, bool]], viewport: Viewport
) -> None:
    """Not a nanosecond is lost or counted twice."""
    timeline = timeline_of(passes)
    waits, now = timeline.waits, sum(pause + length for pause, length, _ in passes)
    waited = 0
    for row in range(len(waits)):
        following = waits.started[row + 1] if row + 1 < len(waits) else now
        end = waits.ended[row] if passes[row][2] else following
        waited += max(0, min(end, viewport.end) - max(waits.started[row], viewport.start))
    runs = WaitTrack(timeline, 1).runs(viewport, now)

    assert sum(run.share * run.length for run in runs) == waited
    columns = [column for run in runs for column in range(run.column, run.column + run.length)]
    assert columns == sorted(set(columns))


def drawn(story: WaitStory, task: str, end: float, width: int, depth: int = 0) -> str:
    """Return a track of a task, ``width`` columns for the time until ``end`` ms."""
    timeline = story.timeline()
    lanes = LaneSet(timeline)
    lanes.update()
    number = next(n for n, known in timeline.tasks.items() if known.name == task)
    lane, viewport = lanes.lanes[number], Viewport(START, round(end * MS) // width, width)
    now = START + round(end * MS)
    rows = lanes.group_rows.get(number, [])
    marks = arrange_marks(lane, rows, stalls_of(timeline, now), viewport, now, folded=False)
    return plain_text(
        draw(
            lane.tracks[depth],
            viewport,
            now,
            UNICODE,
            alive=[(START, now, "─")] if depth == 0 else [],
            label=lambda row: timeline.resources[timeline.resource[row]].name,
            marks=marks.get(depth, []),
        )
    )


def test_a_wait_is_a_dashed_line_with_the_name_of_what_is_waited_for() -> None:
    """A short one has the letter of its kind."""
    story = WaitStory()
    story.pass_time("a", WaitKind.QUEUE_GET, 5, 25, "jobs", "b")
    story.pass_time("a", WaitKind.SLEEP, 30, 33)
    story.ends(40)

    assert drawn(story, "a", 40, 40) == "─────╌get jobs╌╌╌╌╌╌╌╌╌╌╌─────z╌╌───────"


@pytest.mark.parametrize("kind", WaitKind)
def test_every_kind_of_wait_has_a_letter(kind: WaitKind) -> None:
    """Where there is no room for a name."""
    story = WaitStory()
    story.pass_time("a", kind, 5, 8)
    story.ends(10)

    assert drawn(story, "a", 10, 10) == f"─────{KIND_LETTERS[kind]}╌╌──"


def test_a_wait_with_a_deadline_names_the_task_that_is_awaited() -> None:
    """It is a wait for its end."""
    story = WaitStory()
    wait = story.waits(5, "a", WaitKind.TIMED_TASKS, targets=("child",))
    story.goes_on(25, wait)
    story.ends(30)

    assert drawn(story, "a", 30, 30) == "─────╌end of child╌╌╌╌╌╌╌─────"


@pytest.mark.parametrize(
    ("ends", "expected"), [(25, "woken by the end of child"), (None, "woken by the timer")]
)
def test_a_wait_with_a_deadline_ends_with_its_task_or_by_the_timer(
    ends: float | None, expected: str
) -> None:
    """It depends on whether the task had ended."""
    story = WaitStory()
    wait = story.waits(5, "a", WaitKind.TIMED_TASKS, targets=("child",))
    if ends is not None:
        story.task_gone(ends, "child")
    story.goes_on(25, wait)
    story.ends(30)

    assert describe_end(story.timeline(), 0) == expected


def test_a_wait_while_holding_is_a_lighter_bar() -> None:
    """The name of the resource stays; the letter is at the end."""
    story = WaitStory()
    acquisition = story.asks(0, "a", "lock")
    story.gets_in(5, acquisition)
    story.pass_time("a", WaitKind.SLEEP, 8, 18)
    story.leaves(20, acquisition)
    story.is_out(20, acquisition)
    story.ends(30)

    assert drawn(story, "a", 30, 30) == "░░░░░█lock▓▓▓▓▓▓▓z██" + "─" * 10


def test_a_wait_belongs_to_the_innermost_acquisition() -> None:
    """The bar of the outer one is solid."""
    story = WaitStory()
    outer = story.asks(0, "a", "outer")
    story.gets_in(0, outer)
    inner = story.asks(5, "a", "inner")
    story.gets_in(5, inner)
    story.pass_time("a", WaitKind.EVENT, 6, 19, "e")
    story.leaves(20, inner)
    story.is_out(20, inner)
    story.ends(30)

    assert drawn(story, "a", 30, 30) == "█outer████████████████████████"
    assert drawn(story, "a", 30, 30, 1) == "     █inner▓▓▓▓▓▓▓e█          "


def test_the_exit_of_a_task_group_is_no_cleanup() -> None:
    """It waits for children."""
    story = WaitStory()
    story.resource("TaskGroup", "task group", None)
    group = story.asks(0, "a", "TaskGroup")
    story.gets_in(0, group)
    story.leaves(5, group)
    story.is_out(25, group)
    story.ends(30)

    assert drawn(story, "a", 30, 30) == "█TaskGroup▓▓▓▓▓▓▓▓▓▓▓▓▓▓t─────"


def test_a_stall_ends_where_its_task_waits_again() -> None:
    """The watchdog notices that a little later."""
    story = WaitStory()
    story.stall(500, 2_500, "a")
    story.pass_time("a", WaitKind.SLEEP, 2_000, 3_500)
    story.ends(4_000)

    assert drawn(story, "a", 4_000, 40) == "─────▓blocks the e…▓╌sleep╌╌╌╌╌╌╌╌╌─────"


def test_a_task_that_acquires_later_keeps_its_lane() -> None:
    """It only waits at first."""
    story = WaitStory()
    story.pass_time("a", WaitKind.SLEEP, 0, 5)
    story.pass_time("b", WaitKind.SLEEP, 1, 5)
    timeline = story.timeline()
    lanes = LaneSet(timeline)
    lanes.update()
    known = lanes.revision
    story.pass_through("b", "lock", 10, 10, 20)
    whole = story.timeline()
    timeline.extend([event for event in story.events if getattr(event, "at", 0) >= START + 10 * MS])
    lanes.update()

    assert list(lanes.lanes) == list(whole.tasks)
    assert lanes.revision > known
    assert [len(lane.tracks[0].rows) for lane in lanes.lanes.values()] == [0, 1]
    assert lanes.totals(1, START + 30 * MS) == [0, 10 * MS]
