"""A service with a task for each request fits on a screen, and everything can be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.async_tests import async_test
from app.builders import MS, START, RecordingBuilder
from app.driver import AppDriver, FakeProgram, open_app
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace_tui.app.widgets.panes.resource_lanes import Resources
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes
from asyncctx_trace_tui.app.widgets.time_rows import names_width

REQUESTS = 300
AT_ONCE = 12


def service(path: Path) -> RecordingBuilder:
    """A request each 5 ms takes 60 ms: a lock of its tenant, a wait, a pool; a job among them."""
    builder = RecordingBuilder(path).resource(1, "pool", "pool", 60).resource(2, "jobs", "queue")
    for tenant in range(20):
        builder.resource(10 + tenant, f'app["tenant"]["t{tenant}"]')
    builder.task(1, "Task-1", coroutine="main").task(2, "rebuild-cache", coroutine="rebuild")
    builder.wait(1, WaitKind.EVENT, 0)
    builder.acquisition(2, 1, 5, 5, 1000, 1001).task_end(2, 1002)
    for number in range(REQUESTS):
        task, at = 100 + number, 5 * number
        builder.task(task, f"Task-{task}", at, "Shop.handle")
        builder.acquisition(task, 10 + number % 20, at, at + 2, at + 50, at + 51)
        builder.wait(task, WaitKind.QUEUE_GET, at + 3, at + 8, subject=2)
        builder.acquisition(task, 1, at + 10, at + 12, at + 40, at + 41)
        builder.task_end(task, at + 59)
    return builder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return the finished recording of a service."""
    return service(tmp_path / "x.actx").end(1700)


def lane_lines(driver: AppDriver) -> list[str]:
    """Return the lines of the view of tasks."""
    region = driver.app.screen.query_one(Lanes).region
    return driver.lines[region.y : region.bottom]


def rows_of(driver: AppDriver) -> int:
    """Return the number of rows of requests on the screen."""
    names = driver.app.screen.query_one(Lanes).names_width
    return sum(
        not line[:names].strip() and bool(line[names:].strip()) for line in lane_lines(driver)
    )


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@async_test
async def test_300_tasks_fit_on_a_screen(recording: Path, size: tuple[int, int]) -> None:
    """Those of one coroutine are a group; tasks with a name of their own keep their lanes."""
    async with open_app(recording, size) as driver:
        await driver.press("space", "end", "up")
        lines = lane_lines(driver)
        shown = "\n".join(lines)

        assert "Shop.handle" in shown or "handle" in shown
        assert f"×{REQUESTS}" in shown
        assert any(line[2:].startswith("Task-1 ") for line in lines)
        assert any(line[2:].startswith("rebuild-cache ") for line in lines)
        assert rows_of(driver) + shown.count("more row") * 1 >= 3
        assert "q Quit" in driver.lines[-1]


@async_test
async def test_a_group_has_as_many_rows_as_run_at_once(recording: Path) -> None:
    """All of them if there is room; each row shows waits, holds and other waits."""
    async with open_app(recording, (120, 60)) as driver:
        await driver.press("space", "end", "up", "up", "up")

        assert rows_of(driver) == AT_ONCE
        assert "more row" not in driver.text


@async_test
async def test_tasks_that_only_wait_take_one_row_at_the_end(tmp_path: Path) -> None:
    """They say little about where time is lost; Enter shows all rows of them."""
    builder = service(tmp_path / "x.actx")
    for number in range(40):
        task = 1_000 + number
        builder.task(task, f"Task-{task}", 0, "Shop.read")
        builder.wait(task, WaitKind.IO, 0, 1_600).task_end(task, 1_650)
    async with open_app(builder.end(1700), (120, 60)) as driver:
        await driver.press("space", "end")
        folded = lane_lines(driver)
        await driver.press("slash", *"task:Task-1000", "enter", "enter")
        opened = lane_lines(driver)

        heading = next(y for y, line in enumerate(folded) if "Shop.read ×40" in line)
        assert heading > next(y for y, line in enumerate(folded) if "Shop.handle ×300" in line)
        assert "39 more rows" in folded[heading + 2]
        assert not any("more rows" in line for line in opened)


@async_test
async def test_enter_opens_a_group_and_closes_it(recording: Path) -> None:
    """First the rows that have no room, then a lane for each task, then as before."""
    async with open_app(recording, (80, 24)) as driver:
        await driver.press("space", "end", "slash", *"task:Task-100", "enter")
        closed = driver.lines
        await driver.press("enter")
        all_rows = driver.text
        await driver.press("enter")
        opened = driver.text
        await driver.press("enter")
        closed_again = driver.lines

        assert "more rows" in "\n".join(closed)
        assert "more rows" not in all_rows
        assert "▸ Task-100" in opened
        assert "Task-101 " in opened.split("At the play head")[0]
        assert [line[:18] for line in closed_again] == [line[:18] for line in closed]


@async_test
async def test_what_is_found_in_a_hidden_row_is_in_view(recording: Path) -> None:
    """By a search, and by walking; the rest of the rows is counted."""
    async with open_app(recording, (80, 24)) as driver:
        await driver.press("space", "slash", *"task:Task-111", "enter")
        found = driver.text.split("At the play head")[0]
        names = [driver.task_name]
        for _ in range(30):
            await driver.press("up")
            names.append(driver.task_name)
            assert f"▸ {names[-1]} " in driver.text.split("At the play head")[0]

        assert "▸ Task-111 " in found
        assert names[-1] == "Task-1"
        assert len(set(names)) == 1 + AT_ONCE  # one task of each row, and the lane above


@async_test
async def test_errors_in_packed_rows_are_reached_in_turn(tmp_path: Path) -> None:
    """The task is in view and bracketed, also where it is one of many in a hidden row."""
    builder = service(tmp_path / "x.actx")
    for number in (37, 38, 200, 255):
        at = 5 * number
        outcomes = (Outcome.OK, Outcome.ERROR, Outcome.OK)
        times = (at + 41, at + 42, at + 44, at + 45)
        builder.acquisition(100 + number, 1, *times, outcomes=outcomes, error=ValueError("no"))
    async with open_app(builder.end(1700), (80, 24)) as driver:
        await driver.press("space")
        seen = []
        for _ in range(5):
            await driver.press("e")
            while "error" not in driver.problem:
                await driver.press("e")
            upper = driver.text.split("At the play head")[0]
            assert f"▸ {driver.task_name} " in upper
            assert "[" in upper or "]" in upper
            seen.append(driver.task_name)

        assert seen == [f"Task-{100 + n}" for n in (37, 38, 200, 255, 37)]


@async_test
async def test_a_click_selects_the_task_of_that_time(recording: Path) -> None:
    """Tasks of one row follow each other."""
    async with open_app(recording, (120, 60)) as driver:
        await driver.press("space", "end")
        lanes, state = driver.app.screen.query_one(Lanes), driver.app.state
        y = next(i for i, line in enumerate(lane_lines(driver)) if "×300" in line) + 1
        names = []
        for ms in (20, 80, 140):
            x = names_width(state, 120) + state.viewport.column_of(START + ms * MS)
            await driver.pilot.click(Lanes, offset=(x, y))
            await driver.settle()
            names.append(driver.task_name)

        assert names == ["Task-100", "Task-112", "Task-124"]
        assert lanes.selected_lines() == range(y, y + 1)


@async_test
async def test_a_group_is_sorted_filtered_pinned_and_unfolded(recording: Path) -> None:
    """By the time that its tasks waited; a pinned task has a lane of its own at the top."""
    async with open_app(recording, (120, 60)) as driver:
        await driver.press("space", "o")
        by_wait = next(line for line in lane_lines(driver) if line.strip())
        await driver.press("slash", *"task:Task-205", "enter", "p")
        pinned = lane_lines(driver)[0]
        await driver.press("p", "c")
        unfolded = rows_of(driver)
        await driver.press("c", "ampersand", *"task:Task-20*", "enter")
        await driver.settle()
        filtered = driver.text

        assert "Shop.handle ×300" in by_wait
        assert "Task-205" in pinned[:14]
        assert unfolded > AT_ONCE
        assert "Shop.handle" not in filtered.split("At the play head")[0]
        assert "(10 of 302)" in filtered


@async_test
async def test_few_tasks_have_lanes_of_their_own(tmp_path: Path) -> None:
    """As long as there are not more than fit."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock")
    for task in range(1, 9):
        builder.task(task, f"Task-{task}", coroutine="work")
        builder.acquisition(task, 1, task, 10 * task, 10 * task + 5, 10 * task + 6)
    async with open_app(builder.end(100), (80, 36)) as driver:
        assert {f"Task-{task}" for task in range(1, 9)} <= driver.visible_lanes


@async_test
async def test_a_running_service_is_packed_as_it_grows(tmp_path: Path) -> None:
    """A task that begins gets the row of one that has ended."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock")
    for task in range(1, 41):
        at = 10 * task
        builder.task(task, f"Task-{task}", at, "serve").task_end(task, at + 9)
        builder.acquisition(task, 1, at, at + 1, at + 8, at + 9)
    builder.write()
    async with open_app(builder.path, (120, 36), ms=420, program=FakeProgram()) as driver:
        first = driver.text
        for task in range(41, 81):
            at = 10 * task
            builder.task(task, f"Task-{task}", at, "serve").task_end(task, at + 9)
            builder.acquisition(task, 1, at, at + 1, at + 8, at + 9)
        builder.write()
        await driver.settle(820)
        second = driver.text

        assert "serve ×40" in first
        assert "serve ×80" in second
        assert [len(group.rows) for group in driver.app.state.arrangement.items] == [1]  # type: ignore[union-attr]  # one group


@async_test
async def test_a_deadlock_is_red_while_the_program_hangs(tmp_path: Path) -> None:
    """On the lanes of its tasks, and on the time ruler where it began."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "first").resource(2, "second")
    builder.task(1, "anna").task(2, "bert").task(3, "cleo")
    builder.acquisition(1, 1, 0, 0).acquisition(2, 2, 0, 0).acquisition(1, 2, 2000)
    builder.acquisition(2, 1, 2500).acquisition(3, 1, 3000).write()
    async with open_app(builder.path, (120, 36), ms=2600, program=FakeProgram()) as driver:
        for ms in (5_200, 8_000):
            await driver.settle(ms)
        await driver.settle()
        state = driver.app.state

        assert {part.task for part in state.faults.parts} >= {1, 2}
        assert all(part.since >= START + 2000 * MS for part in state.faults.parts)
        assert [round((at - START) / MS) for at in state.faults.times] == [2500]
        assert "✗" in driver.lines[3]


@async_test
async def test_similar_resources_are_one_entry_that_opens(recording: Path) -> None:
    """Ranked by the time lost; a large capacity is a curve until it is opened."""
    async with open_app(recording, (120, 60)) as driver:
        await driver.press("space", "end", "2")
        closed = driver.text
        while not driver.selected_resource_name.startswith("app"):
            await driver.press("up")
        await driver.press("enter")
        opened = driver.text
        await driver.press("enter")
        again = driver.text
        while driver.selected_resource_name != "pool":
            await driver.press("down")
        await driver.press("enter")
        units = driver.text

        assert '20 app["ten' in closed
        assert "held up to 7 of 60" in closed
        assert "1 of 60" not in closed
        assert 't0"]' in opened
        assert again.count("held up to") == closed.count("held up to")
        assert "1 of 60" in units
        assert "53 never held" in units


@async_test
async def test_a_resource_of_a_closed_group_that_is_found_is_shown(recording: Path) -> None:
    """With the group still closed."""
    async with open_app(recording, (120, 60)) as driver:
        await driver.press("space", "2", "slash", *"resource:t7", "enter")
        resources = driver.app.screen.query_one(Resources)
        entries = [
            line.entry for line in resources.lines if line.part == 0 and line.kind == "queue"
        ]

        assert driver.selected_resource_name == 'app["tenant"]["t7"]'
        assert len(entries) == 3
        assert len(resources.selected_lines()) > 0
