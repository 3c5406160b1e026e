"""The eight views, which share one play head."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.async_tests import async_test
from app.builders import MS, START, RecordingBuilder, three_workers
from app.driver import AppDriver, FakeProgram, open_app, strips_of
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.recording.writing.source_digest import digest_of
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace_tui.app.widgets.bars.view_bar import VIEWS
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes
from asyncctx_trace_tui.view.source_file import read_source


async def go_to(driver: AppDriver, ms: float) -> None:
    """Move the play head to a time."""
    await driver.settle(ms)
    await driver.press("space")


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """Return the finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@async_test
async def test_every_view_can_be_opened_at_every_size(workers: Path, size: tuple[int, int]) -> None:
    """The view fills its place, and the footer stays visible."""
    async with open_app(workers, size) as driver:
        for number in range(1, len(VIEWS) + 1):
            await driver.press(str(number))

            assert all(len(line) == size[0] for line in driver.lines)
            assert "q Quit" in driver.lines[-1]


@async_test
async def test_resources_show_who_holds_each_unit_and_the_queue(tmp_path: Path) -> None:
    """Both units held and one waiter: two bars with names, a curve above, the queue as text."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "pool", "pool", capacity=2)
    for task, name in enumerate(("anna", "bert", "cleo"), 1):
        builder.task(task, name)
    builder.acquisition(1, 1, 0, 0, 100, 101).acquisition(2, 1, 0, 1, 150, 151).acquisition(
        3, 1, 50, 101, 200, 201
    )
    async with open_app(builder.end(220), (100, 30)) as driver:
        await go_to(driver, 60)
        await driver.press("2")
        await driver.press("down")

        assert "1 of 2" in driver.text
        assert "2 of 2" in driver.text
        assert "anna" in next(line for line in driver.lines if "1 of 2" in line)
        assert "held by anna for 60.0 ms" in driver.text
        assert "1. in the queue: cleo, for 10.0 ms" in driver.text


@async_test
async def test_the_next_holder_takes_over_the_unit(tmp_path: Path) -> None:
    """It gets in before the exit of the last holder has ended; no second unit is drawn."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock")
    for task, name in enumerate(("anna", "bert", "cleo"), 1):
        builder.task(task, name)
    builder.acquisition(1, 1, 0, 0, 100, 102).acquisition(2, 1, 10, 101, 200, 202).acquisition(
        3, 1, 20, 201, 300, 301
    )
    async with open_app(builder.end(320), (120, 36)) as driver:
        await go_to(driver, 60)
        await driver.press("2")
        names = [line[:9].strip() for line in driver.lines[4:14]]
        unit = next(line for line in driver.lines if "1 of 1" in line)

        assert [name for name in names if name] == ["▸ lock", "272 ms", "up to 2", "1 of 1"]
        assert unit.index("anna") < unit.index("bert") < unit.index("cleo")


@async_test
async def test_every_unit_has_a_row_even_if_unused(tmp_path: Path) -> None:
    """Of three permits one was acquired; of a thousand, the rest is a number."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "anna")
    builder.resource(1, "few permits", "semaphore", 3).resource(2, "many", "semaphore", 1000)
    builder.acquisition(1, 1, 0, 1, 100, 101).acquisition(1, 2, 110, 120, 200, 201)
    async with open_app(builder.end(320), (120, 80)) as driver:
        await driver.press("2")
        closed = driver.text
        await driver.press("down", "up", "up", "enter")

        assert "3 of 3" in closed
        assert "1 of 1000" in closed
        assert "\n   1  " in driver.text
        assert "999 more" in driver.text


@async_test
async def test_the_height_of_a_queue_is_its_length(tmp_path: Path) -> None:
    """One waiter, then two, then one: half the height, all of it, half again."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock")
    for task, name in enumerate(("anna", "bert", "cleo"), 1):
        builder.task(task, name)
    builder.acquisition(1, 1, 0, 0, 200, 200).acquisition(2, 1, 0, 200, 300, 300).acquisition(
        3, 1, 100, 300, 301, 302
    )
    async with open_app(builder.end(400), (120, 36)) as driver:
        await go_to(driver, 400)
        await driver.press("2")
        top = next(number for number, line in enumerate(driver.lines) if "lock" in line[:12])
        high = [
            sum(driver.lines[top + part][column] == "█" for part in range(4))
            for column in (20, 50, 80, 110)
        ]

        assert high == [2, 4, 2, 0]


@async_test
async def test_waits_show_who_blocks_and_a_key_selects_it(workers: Path) -> None:
    """From the last waiter to the holder."""
    async with open_app(workers) as driver:
        await go_to(driver, 60)
        await driver.press("down", "down", "3")
        tree = driver.text
        await driver.press("u")

        assert "worker-3 waits for `db lock` for 40.0 ms" in tree
        assert "└─ worker-1 holds `db lock` for 60.0 ms" in tree
        assert driver.app.state.task == 1
        assert "worker-1 does not wait" in driver.text


@async_test
async def test_waits_list_the_longest_waits_if_no_task_waits(workers: Path) -> None:
    """The longest first; Enter goes to its start."""
    async with open_app(workers, (120, 36)) as driver:
        await driver.press("space", "end", "3")
        listed = [line.strip() for line in driver.lines[4:10]]
        await driver.press("enter")

        assert listed == [
            "no task waits at the play head",
            "",
            "The longest waits of the run",
            "worker-3 waited 181 ms for `db lock` at app.py:12",
            "worker-2 waited 91.0 ms for `db lock` at app.py:12",
            "",
        ]
        assert driver.at == 20
        assert driver.task_name == "worker-3"


@async_test
async def test_a_run_without_waits_says_so(tmp_path: Path) -> None:
    """Instead of an empty list."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "anna").resource(1, "lock")
    async with open_app(builder.acquisition(1, 1, 0, 1, 10, 11).end(50)) as driver:
        await driver.press("space", "end", "3")

        assert "no task waits at the play head" in driver.text
        assert "The longest waits" not in driver.text


@async_test
async def test_a_cycle_of_waits_is_marked(tmp_path: Path) -> None:
    """Each task holds what the other waits for: the tree returns to its root."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "left").resource(2, "right")
    builder.task(1, "anna").task(2, "bert")
    builder.acquisition(1, 1, 0, 1).acquisition(2, 2, 0, 1).acquisition(1, 2, 10).acquisition(
        2, 1, 20
    )
    async with open_app(builder.end(500)) as driver:
        await go_to(driver, 300)
        await driver.press("3")

        assert "└─ bert holds `right` for 299 ms and waits for `left` for 280 ms" in driver.text
        assert "└─ anna holds `left` for 299 ms: deadlock, the cycle closes" in driver.text


@async_test
async def test_cleanup_numbers_the_exits_and_shows_the_expected_order(tmp_path: Path) -> None:
    """First in, first out is not the order of a stack."""
    builder = (
        RecordingBuilder(tmp_path / "x.actx")
        .task(1, "anna")
        .resource(1, "outer")
        .resource(2, "inner")
    )
    builder.acquisition(1, 1, 0, 1, 50, 60).acquisition(1, 2, 10, 11, 70, 80)
    async with open_app(builder.end(120)) as driver:
        await go_to(driver, 40)
        await driver.press("4")
        open_ = driver.text
        await driver.press("end")

        assert open_.index("inner") < open_.index("outer")
        assert "1  0.050s  outer  in 10.0 ms  expected here: inner" in driver.text
        assert "2  0.070s  inner  in 10.0 ms  expected here: outer" in driver.text


@async_test
async def test_source_marks_the_line_of_each_task(tmp_path: Path) -> None:
    """The script is read from disk and scrolled to the line of the task."""
    script = tmp_path / "app.py"
    script.write_text("\n".join(f"line {number}" for number in range(1, 60)))
    builder = RecordingBuilder(tmp_path / "x.actx", file=str(script), line=40)
    builder.task(1, "anna").resource(1, "lock").acquisition(1, 1, 0, 10, 100, 110)
    async with open_app(builder.end(120)) as driver:
        await go_to(driver, 50)
        await driver.press("5")
        marked = next(line for line in driver.lines if "line 40" in line)

        assert "▸" in marked
        assert "█ anna" in marked
        assert "changed since the recording" not in driver.text


@async_test
async def test_source_shows_no_file_but_as_it_was_recorded(tmp_path: Path) -> None:
    """Lines of another version would be wrong; other files are not shown."""
    script = tmp_path / "app.py"
    script.write_text("before")
    builder = RecordingBuilder(tmp_path / "x.actx", file=str(script), line=1)
    builder.task(1, "anna").resource(1, "lock").acquisition(1, 1, 0, 10, 100, 110)
    path = builder.end(120)
    script.write_text("secret")
    async with open_app(path) as driver:
        await driver.press("5")

        assert "cannot show the file: it is not as it was when it was recorded" in driver.text
        assert "secret" not in driver.text


@pytest.mark.parametrize("name", ["shadow", "key.pem", ".netrc"])
def test_a_recording_without_digests_names_python_files_only(tmp_path: Path, name: str) -> None:
    """It is an older recording, or was forged to have a file shown."""
    (tmp_path / name).write_text("secret")
    (tmp_path / "app.py").write_text("import asyncio")

    assert read_source(str(tmp_path / name)).problem == "not known to be a file of the program"
    assert read_source(str(tmp_path / "app.py")).lines == ("import asyncio",)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_no_pseudo_file_is_read(tmp_path: Path) -> None:
    """Neither directly nor through a link, whatever the recording claims."""
    link = tmp_path / "app.py"
    link.symlink_to("/proc/self/environ")
    for path in ("/proc/self/environ", "/dev/zero", "/sys/kernel/profiling", str(link)):
        for digest in ("", digest_of(b"")):
            source = read_source(path, digest)
            assert (source.lines, source.problem) == ((), "not a source file")


@async_test
async def test_source_says_what_it_cannot_show(tmp_path: Path) -> None:
    """A folder, or a file that does not exist here, is not opened."""
    builder = (
        RecordingBuilder(tmp_path / "x.actx", file=str(tmp_path))
        .task(1, "anna")
        .resource(1, "lock")
    )
    builder.acquisition(1, 1, 0, 10, 100, 110)
    async with open_app(builder.end(120)) as driver:
        await driver.press("5")

        assert "cannot show the file: not known to be a file of the program" in driver.text


@async_test
async def test_enter_on_a_finding_goes_to_its_task_and_time(tmp_path: Path) -> None:
    """Enter in the list shows the lanes at that time, with that task selected."""
    builder = (
        RecordingBuilder(tmp_path / "x.actx").resource(1, "lock").task(1, "anna").task(2, "bert")
    )
    builder.acquisition(1, 1, 0, 1, 10, 11)
    builder.acquisition(2, 1, 20, 30, 50, 60, outcomes=(Outcome.OK, Outcome.OK, Outcome.ERROR),
                error=ValueError("no way out"))  # fmt: skip
    async with open_app(builder.end(120), (120, 36)) as driver:
        await driver.press("space", "6")
        listed = driver.text
        await driver.press("enter")

        assert "cleanup-error" in listed
        assert driver.app.state.task == 2
        assert driver.at in (50, 60)
        assert "░" in driver.lane("bert")


@async_test
async def test_the_report_is_sorted_by_a_key(tmp_path: Path) -> None:
    """By name, by kind, by count."""
    builder = (
        RecordingBuilder(tmp_path / "x.actx")
        .task(1, "anna")
        .resource(1, "zebra")
        .resource(2, "ant")
    )
    builder.acquisition(1, 1, 0, 1, 10, 11).acquisition(1, 2, 20, 21, 30, 31)
    async with open_app(builder.end(50), (120, 36)) as driver:
        await driver.press("6", "o")

        assert driver.text.index("ant ") < driver.text.index("zebra")


@async_test
async def test_b_shows_the_next_table(workers: Path) -> None:
    """Blame, cleanup and the critical path; each can be sorted."""
    async with open_app(workers, (120, 36)) as driver:
        await driver.press("6")
        seen = [driver.text]
        for _ in range(7):
            await driver.press("b")
            seen.append(driver.text)
        await driver.press("b", "o", "o", "o", "o")
        tables = [text.split("table ")[1] for text in seen]

        assert "Resources · table 1 of 7" in seen[0]
        assert "worker-1  app.py:12" in tables[1]
        assert "exits" in tables[2]
        assert re.search(r"holding +db lock +app.py:12 +298 ms +99 %", tables[3])
        assert tables[7] == tables[0]
        assert "waited ▼" in driver.text


@async_test
async def test_selecting_a_line_of_output_moves_the_play_head(workers: Path) -> None:
    """Up and down select a line."""
    async with open_app(workers) as driver:
        await driver.press("space", "7", "down", "down")
        second = driver.at
        await driver.press("up")

        assert (second, driver.at) == (250, 50)
        assert "! second line" in driver.text


@async_test
async def test_missing_output_is_explained(tmp_path: Path) -> None:
    """It may be that the program printed nothing, or that it ran with --headless."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "anna").resource(1, "lock")
    builder.acquisition(1, 1, 0, 1, 10, 11).write()
    async with open_app(builder.path, ms=20, program=FakeProgram()) as driver:
        await driver.press("7")
        live = driver.text
    async with open_app(builder.end(20)) as driver:
        await driver.press("7")

        assert "nothing printed so far" in live
        assert "no output was recorded; --headless leaves it on the terminal" in driver.text


@async_test
async def test_details_show_all_fields_of_an_acquisition(workers: Path) -> None:
    """Phases in ns, outcomes, site."""
    async with open_app(workers, (120, 36)) as driver:
        await go_to(driver, 60)
        await driver.press("down", "8")
        with Recording(workers) as recording:
            builder = SpanBuilder(recording.anchor)
            spans = [*builder.add(recording.poll()), *builder.finish()]

        assert any(f"span id  {span.id:016x}" in driver.text for span in spans)
        assert "waited  91.0 ms, from 0.010000000s to 0.101000000s · ok" in driver.text
        assert "held  99.0 ms" in driver.text
        assert "app.py:12 in worker" in driver.text
        assert "lock, capacity 1" in driver.text


@async_test
async def test_an_arrow_connects_an_exit_to_the_enter_it_unblocked(workers: Path) -> None:
    """When the second worker gets in, from the first one's lane to its own."""
    async with open_app(workers, (100, 36)) as driver:
        await driver.press("space")
        driver.app.state.select_row(1)
        await driver.settle()
        lanes, viewport = driver.app.screen.query_one(Lanes), driver.app.state.viewport
        column = lanes.names_width + viewport.column_of(START + 101 * MS)
        cells = [line[column] for line in driver.lines[4:]]

        assert cells.index("╷") < cells.index("┆") < cells.index("▼")


@async_test
async def test_a_deadlock_is_shown_while_the_program_hangs(tmp_path: Path) -> None:
    """Live, without further events."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "left").resource(2, "right")
    builder.task(1, "anna").task(2, "bert")
    builder.acquisition(1, 1, 0, 1).acquisition(2, 2, 0, 1).acquisition(1, 2, 10).acquisition(
        2, 1, 20
    ).write()
    async with open_app(builder.path, ms=500, program=FakeProgram()) as driver:
        await driver.press("3")
        await driver.settle(9000)

        assert "deadlock, the cycle closes" in driver.text
        assert "waits for `right` for 8.99 s" in driver.text


@async_test
async def test_truncated_text_is_complete_in_the_tooltip(tmp_path: Path) -> None:
    """Names in a tree, a line of output, the resource in a table."""
    builder = (
        RecordingBuilder(tmp_path / "x.actx").task(1, "t" * 50 + "[red]").resource(1, "r" * 90)
    )
    builder.acquisition(1, 1, 0, 1, 100, 101).printed(5, "begin " + "x" * 90 + " end")
    async with open_app(builder.end(220)) as driver:
        await go_to(driver, 60)
        screen = driver.app.screen
        await driver.press("4")
        await driver.pilot.hover("#cleanup", (20, 1))
        opened = str(screen.query_one("#cleanup").tooltip)
        await driver.press("7")
        await driver.pilot.hover("#output-page", (20, 1))
        printed = str(screen.query_one("#output-page").tooltip)
        await driver.press("6")
        await driver.pilot.hover("#report", (5, 2))
        listed = str(screen.query_one("#report").tooltip)

        assert opened.splitlines() == ["t" * 50 + "[red]", "r" * 90, "app.py:12"]
        assert printed == "begin " + "x" * 90 + " end"
        assert listed.startswith("r" * 90)


@async_test
async def test_names_of_tasks_have_the_color_of_their_lane(workers: Path) -> None:
    """In sentences and left of the lane."""
    async with open_app(workers, (120, 36)) as driver:
        await go_to(driver, 60)
        styles = {
            segment.text.strip(): segment.style.color
            for strip in strips_of(driver.app)
            for segment in strip
            if segment.style is not None and segment.text.strip() in ("worker-1", "worker-2")
        }
        spoken = [
            segment.style.color
            for strip in strips_of(driver.app)[-14:]
            for segment in strip
            if segment.style is not None and segment.text.strip() == "worker-1"
        ]

        assert styles["worker-1"] != styles["worker-2"]
        assert spoken == [styles["worker-1"]]
