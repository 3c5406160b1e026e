"""The eight views: each at its key, all at one play head."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.loops import in_a_loop
from app.screens import FakeProgram, Stage, staged
from app.stories import MS, START, Story, three_workers
from asyncctx_trace.export.spans import SpanMaker
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.reader import Recording
from asyncctx_trace_tui.app.widgets.bars.view_bar import VIEWS
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes


async def at(stage: Stage, ms: float) -> None:
    """Stand at a time."""
    await stage.settle(ms)
    await stage.press("space")


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """The finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@in_a_loop
async def test_every_view_can_be_visited_at_every_size(
    workers: Path, size: tuple[int, int]
) -> None:
    """No view leaves the screen, and the keys stay at its foot."""
    async with staged(workers, size) as stage:
        for number in range(1, len(VIEWS) + 1):
            await stage.press(str(number))

            assert all(len(line) == size[0] for line in stage.lines)
            assert "q Quit" in stage.lines[-1]


@in_a_loop
async def test_resources_show_who_holds_each_unit_and_the_queue(tmp_path: Path) -> None:
    """Two of two held, one waits: two bars with names, a curve above, the queue in words."""
    story = Story(tmp_path / "x.actx").resource(1, "pool", "pool", capacity=2)
    for task, name in enumerate(("anna", "bert", "cleo"), 1):
        story.task(task, name)
    story.pass_(1, 1, 0, 0, 100, 101).pass_(2, 1, 0, 1, 150, 151).pass_(3, 1, 50, 101, 200, 201)
    async with staged(story.end(220), (100, 30)) as stage:
        await at(stage, 60)
        await stage.press("2")
        await stage.press("down")

        assert "1 of 2" in stage.text
        assert "2 of 2" in stage.text
        assert "anna" in next(line for line in stage.lines if "1 of 2" in line)
        assert "held by anna for 60.0 ms" in stage.text
        assert "1. in the queue: cleo, for 10.0 ms" in stage.text


@in_a_loop
async def test_who_takes_over_takes_over_the_unit(tmp_path: Path) -> None:
    """The next one is in before the exit of the last one is over: that is no second unit."""
    story = Story(tmp_path / "x.actx").resource(1, "lock")
    for task, name in enumerate(("anna", "bert", "cleo"), 1):
        story.task(task, name)
    story.pass_(1, 1, 0, 0, 100, 102).pass_(2, 1, 10, 101, 200, 202).pass_(3, 1, 20, 201, 300, 301)
    async with staged(story.end(320), (120, 36)) as stage:
        await at(stage, 60)
        await stage.press("2")
        names = [line[:9].strip() for line in stage.lines[4:14]]
        unit = next(line for line in stage.lines if "1 of 1" in line)

        assert [name for name in names if name] == ["▸ lock", "up to 2", "1 of 1"]
        assert unit.index("anna") < unit.index("bert") < unit.index("cleo")


@in_a_loop
async def test_every_unit_has_a_row_used_or_not(tmp_path: Path) -> None:
    """Of three permits one was ever taken; of a thousand the rest is a number."""
    story = Story(tmp_path / "x.actx").task(1, "anna")
    story.resource(1, "few permits", "semaphore", 3).resource(2, "many", "semaphore", 1000)
    story.pass_(1, 1, 0, 1, 100, 101).pass_(1, 2, 110, 120, 200, 201)
    async with staged(story.end(320), (120, 80)) as stage:
        await stage.press("2")

        assert "3 of 3" in stage.text
        assert [line[3:5] for line in stage.lines if line[:6] == "   40 "] == ["40"]
        assert "960 more" in stage.text


@in_a_loop
async def test_a_queue_is_drawn_as_high_as_it_is_long(tmp_path: Path) -> None:
    """One waits, then two, then one: half the height, all of it, half again."""
    story = Story(tmp_path / "x.actx").resource(1, "lock")
    for task, name in enumerate(("anna", "bert", "cleo"), 1):
        story.task(task, name)
    story.pass_(1, 1, 0, 0, 200, 200).pass_(2, 1, 0, 200, 300, 300).pass_(3, 1, 100, 300, 301, 302)
    async with staged(story.end(400), (120, 36)) as stage:
        await at(stage, 400)
        await stage.press("2")
        top = next(number for number, line in enumerate(stage.lines) if "lock" in line[:12])
        high = [
            sum(stage.lines[top + part][column] == "█" for part in range(4))
            for column in (20, 50, 80, 110)
        ]

        assert high == [2, 4, 2, 0]


@in_a_loop
async def test_waits_lead_to_the_one_to_blame_and_a_key_hops_there(workers: Path) -> None:
    """From the last in line to the holder."""
    async with staged(workers) as stage:
        await at(stage, 60)
        await stage.press("down", "down", "3")
        tree = stage.text
        await stage.press("u")

        assert "worker-3 waits for `db lock` for 40.0 ms" in tree
        assert "└─ worker-1 holds `db lock` for 60.0 ms" in tree
        assert stage.app.state.task == 1
        assert "worker-1 does not wait" in stage.text


@in_a_loop
async def test_a_circle_of_waits_is_drawn_as_one(tmp_path: Path) -> None:
    """Each holds what the other wants: the tree comes back to where it began."""
    story = Story(tmp_path / "x.actx").resource(1, "left").resource(2, "right")
    story.task(1, "anna").task(2, "bert")
    story.pass_(1, 1, 0, 1).pass_(2, 2, 0, 1).pass_(1, 2, 10).pass_(2, 1, 20)
    async with staged(story.end(500)) as stage:
        await at(stage, 300)
        await stage.press("3")

        assert "└─ bert holds `right` for 299 ms and waits for `left` for 280 ms" in stage.text
        assert "└─ anna holds `left` for 299 ms: deadlock, the cycle closes" in stage.text


@in_a_loop
async def test_cleanup_numbers_the_exits_and_tells_the_expected_order(tmp_path: Path) -> None:
    """First in, first out is not how a stack unwinds."""
    story = Story(tmp_path / "x.actx").task(1, "anna").resource(1, "outer").resource(2, "inner")
    story.pass_(1, 1, 0, 1, 50, 60).pass_(1, 2, 10, 11, 70, 80)
    async with staged(story.end(120)) as stage:
        await at(stage, 40)
        await stage.press("4")
        open_ = stage.text
        await stage.press("end")

        assert open_.index("inner") < open_.index("outer")
        assert "1  0.050s  outer  in 10.0 ms  expected here: inner" in stage.text
        assert "2  0.070s  inner  in 10.0 ms  expected here: outer" in stage.text


@in_a_loop
async def test_source_marks_the_line_of_each_task(tmp_path: Path) -> None:
    """The script is read from the disk and stays at the task's line."""
    script = tmp_path / "app.py"
    script.write_text("\n".join(f"line {number}" for number in range(1, 60)))
    story = Story(tmp_path / "x.actx", file=str(script), line=40)
    story.task(1, "anna").resource(1, "lock").pass_(1, 1, 0, 10, 100, 110)
    async with staged(story.end(120)) as stage:
        await at(stage, 50)
        await stage.press("5")
        marked = next(line for line in stage.lines if "line 40" in line)

        assert "▸" in marked
        assert "█ anna" in marked
        assert "app.py (changed since the recording: lines may not match)" in stage.text


@in_a_loop
async def test_source_says_what_it_cannot_show(tmp_path: Path) -> None:
    """A folder, or a file of another machine, is not opened."""
    story = Story(tmp_path / "x.actx", file=str(tmp_path)).task(1, "anna").resource(1, "lock")
    story.pass_(1, 1, 0, 10, 100, 110)
    async with staged(story.end(120)) as stage:
        await stage.press("5")

        assert "cannot show the file: not a regular file" in stage.text


@in_a_loop
async def test_a_finding_leads_to_its_place_and_time(tmp_path: Path) -> None:
    """Enter on the list: the lanes, at that time, with that task."""
    story = Story(tmp_path / "x.actx").resource(1, "lock").task(1, "anna").task(2, "bert")
    story.pass_(1, 1, 0, 1, 10, 11)
    story.pass_(2, 1, 20, 30, 50, 60, outcomes=(Outcome.OK, Outcome.OK, Outcome.ERROR),
                error=ValueError("no way out"))  # fmt: skip
    async with staged(story.end(120), (120, 36)) as stage:
        await stage.press("space", "6")
        listed = stage.text
        await stage.press("enter")

        assert "cleanup-error" in listed
        assert stage.app.state.task == 2
        assert stage.at in (50, 60)
        assert "░" in stage.lane("bert")


@in_a_loop
async def test_the_report_is_sorted_by_a_key(tmp_path: Path) -> None:
    """By name, by kind, by how many."""
    story = Story(tmp_path / "x.actx").task(1, "anna").resource(1, "zebra").resource(2, "ant")
    story.pass_(1, 1, 0, 1, 10, 11).pass_(1, 2, 20, 21, 30, 31)
    async with staged(story.end(50), (120, 36)) as stage:
        await stage.press("6", "o")

        assert stage.text.index("ant ") < stage.text.index("zebra")


@in_a_loop
async def test_the_report_has_more_than_one_table(workers: Path) -> None:
    """Who kept whom waiting, how cleanups went, what the run spent its time on; each sortable."""
    async with staged(workers, (120, 36)) as stage:
        await stage.press("6")
        seen = [stage.text]
        for _ in range(4):
            await stage.press("b")
            seen.append(stage.text)
        await stage.press("b", "o", "o", "o", "o")
        tables = [text.split("table ")[1] for text in seen]

        assert "Resources · table 1 of 4" in seen[0]
        assert "worker-1  app.py:12" in tables[1]
        assert "exits" in tables[2]
        assert re.search(r"holding +db lock +app.py:12 +298 ms +99 %", tables[3])
        assert tables[4] == tables[0]
        assert "waited ▼" in stage.text


@in_a_loop
async def test_a_line_of_output_takes_the_play_head_along(workers: Path) -> None:
    """Up and down go from line to line."""
    async with staged(workers) as stage:
        await stage.press("space", "7", "down", "down")
        second = stage.at
        await stage.press("up")

        assert (second, stage.at) == (250, 50)
        assert "! second line" in stage.text


@in_a_loop
async def test_details_tell_all_of_an_acquisition(workers: Path) -> None:
    """Phases to the ns, outcomes, place."""
    async with staged(workers, (120, 36)) as stage:
        await at(stage, 60)
        await stage.press("down", "8")
        with Recording(workers) as recording:
            maker = SpanMaker(recording.anchor)
            spans = [*maker.take(recording.poll()), *maker.finish()]

        assert any(f"span id  {span.id:016x}" in stage.text for span in spans)
        assert "waited  91.0 ms, from 0.010000000s to 0.101000000s · ok" in stage.text
        assert "held  99.0 ms" in stage.text
        assert "app.py:12 in worker" in stage.text
        assert "lock, capacity 1" in stage.text


@in_a_loop
async def test_an_arrow_leads_from_the_exit_to_the_enter_it_unblocked(workers: Path) -> None:
    """At the time at which the second worker got in, from the first one's lane to its own."""
    async with staged(workers, (100, 36)) as stage:
        await stage.press("space")
        stage.app.state.select_row(1)
        await stage.settle()
        lanes, viewport = stage.app.screen.query_one(Lanes), stage.app.state.viewport
        column = lanes.names_width + viewport.column_of(START + 101 * MS)
        cells = [line[column] for line in stage.lines[4:]]

        assert cells.index("╷") < cells.index("┆") < cells.index("▼")


@in_a_loop
async def test_a_deadlock_is_seen_while_the_program_hangs(tmp_path: Path) -> None:
    """Live, with no more facts to come."""
    story = Story(tmp_path / "x.actx").resource(1, "left").resource(2, "right")
    story.task(1, "anna").task(2, "bert")
    story.pass_(1, 1, 0, 1).pass_(2, 2, 0, 1).pass_(1, 2, 10).pass_(2, 1, 20).tell()
    async with staged(story.path, ms=500, program=FakeProgram()) as stage:
        await stage.press("3")
        await stage.settle(9000)

        assert "deadlock, the cycle closes" in stage.text
        assert "waits for `right` for 8.99 s" in stage.text


@in_a_loop
async def test_what_is_cut_is_told_in_full_under_the_pointer(tmp_path: Path) -> None:
    """Names in a tree, a line of output, the resource in a table."""
    story = Story(tmp_path / "x.actx").task(1, "t" * 50 + "[red]").resource(1, "r" * 90)
    story.pass_(1, 1, 0, 1, 100, 101).printed(5, "begin " + "x" * 90 + " end")
    async with staged(story.end(220)) as stage:
        await at(stage, 60)
        screen = stage.app.screen
        await stage.press("4")
        await stage.pilot.hover("#cleanup", (20, 1))
        opened = str(screen.query_one("#cleanup").tooltip)
        await stage.press("7")
        await stage.pilot.hover("#output-page", (20, 1))
        printed = str(screen.query_one("#output-page").tooltip)
        await stage.press("6")
        await stage.pilot.hover("#report", (5, 2))
        listed = str(screen.query_one("#report").tooltip)

        assert opened.splitlines() == ["t" * 50 + "[red]", "r" * 90, "app.py:12"]
        assert printed == "begin " + "x" * 90 + " end"
        assert listed.startswith("r" * 90)


@in_a_loop
async def test_tasks_are_spoken_of_in_their_colours(workers: Path) -> None:
    """The same in the sentence as left of the lane."""
    async with staged(workers, (120, 36)) as stage:
        await at(stage, 60)
        styles = {
            segment.text.strip(): segment.style.color
            for strip in stage.app.screen._compositor.render_strips()
            for segment in strip
            if segment.style is not None and segment.text.strip() in ("worker-1", "worker-2")
        }
        spoken = [
            segment.style.color
            for strip in stage.app.screen._compositor.render_strips()[-14:]
            for segment in strip
            if segment.style is not None and segment.text.strip() == "worker-1"
        ]

        assert styles["worker-1"] != styles["worker-2"]
        assert spoken == [styles["worker-1"]]
