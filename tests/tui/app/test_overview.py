"""The first view: the answer, and the way to where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.async_tests import async_test
from app.builders import RecordingBuilder, queue_and_stall, three_workers
from app.driver import FakeProgram, open_app
from asyncctx_trace_tui.app.widgets.bars.view_bar import ViewBar
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes
from asyncctx_trace_tui.run import bundled_scenarios


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """Return the finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


@pytest.fixture
def two_queues(tmp_path: Path) -> Path:
    """A thousand short tasks; ``refresh`` and then ``audit`` hold a lock that others want."""
    program = tmp_path / "app.py"
    program.write_text("\n" * 11 + "    async with db_lock:\n")
    builder = RecordingBuilder(tmp_path / "x.actx", file=str(program)).resource(1, "cache")
    builder.resource(2, "books")
    for number in range(1000):
        builder.task(100 + number, f"short-{number}")
        builder.acquisition(100 + number, 1, *(20 * number + part for part in (0, 0, 1, 1)))
    builder.task(1, "refresh").task(2, "audit")
    for resource, task, start in ((1, 1, 20_100), (2, 2, 21_100)):
        builder.acquisition(task, resource, start, start, start + 200 * task, start + 200 * task)
        for number in range(3):
            waiter = 10 * task + number
            builder.task(waiter, f"waiter-{waiter}")
            end = start + 200 * task + 2 * number
            builder.acquisition(waiter, resource, start + 50, end, end + 1, end + 1)
    return builder.end(100_000)


@async_test
async def test_the_app_opens_on_the_answer(workers: Path) -> None:
    """The verdict, the health, the culprits with what to do, before any key is pressed."""
    async with open_app(workers, (120, 36), view="overview") as driver:
        text = " ".join(driver.text.split())

        assert "worker (app.py:12) held `db lock` 3 times" in text
        assert "3 tasks · 3 acquisitions" in text
        assert "What cost most time" in text
        assert "1 `worker` at app.py:12 held `db lock` 3 times, up to 101 ms, and kept 2" in text
        assert "→ " in text


@async_test
async def test_home_and_0_return_to_the_overview(two_queues: Path) -> None:
    """From every view, also from a table that has the focus."""
    async with open_app(two_queues, view="overview") as driver:
        bar = driver.app.screen.query_one(ViewBar)
        for key in ("0", "home"):
            for view in "12345678":
                await driver.press(view, key)
                assert bar.view == "overview"
        await driver.press("6", "tab")
        focused = type(driver.app.screen.focused).__name__
        await driver.press("home")

        assert focused == "Report"
        assert bar.view == "overview"


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36), (200, 60)])
@async_test
async def test_the_overview_fits_every_screen(two_queues: Path, size: tuple[int, int]) -> None:
    """Lines are wrapped, not cut, and the footer says how to go on."""
    async with open_app(two_queues, size, view="overview") as driver:
        text = " ".join(driver.text.split())

        assert "kept 3 acquisitions waiting" in text or size[1] < 24
        assert "…" not in "".join(driver.lines[3:-1])
        assert "Show it" in driver.lines[-1]


@async_test
async def test_enter_leads_to_the_lane_the_line_and_the_moment(two_queues: Path) -> None:
    """Of a thousand lanes, that of the holder is in view, at a scale at which its hold is seen."""
    async with open_app(two_queues, (120, 36), view="overview") as driver:
        await driver.press("enter")
        state = driver.app.state
        lanes = driver.app.screen.query_one(Lanes)

        assert driver.app.screen.query_one(ViewBar).view == "tasks"
        assert driver.task_name == "audit"
        assert 21_150 <= driver.at <= 21_500
        assert "audit" in driver.visible_lanes
        assert driver.lane("audit").count("█") > lanes.size.width // 10
        assert state.selected_row is not None
        assert "app.py:12  async with db_lock:" in driver.text


@async_test
async def test_the_arrow_keys_choose_and_n_walks_on(two_queues: Path) -> None:
    """From entry to entry, without going back to the overview."""
    async with open_app(two_queues, (120, 36), view="overview") as driver:
        await driver.press("down", "enter")
        second = driver.task_name
        await driver.press("N")
        first = driver.task_name
        shown = driver.text
        await driver.press("escape")
        closed = driver.text
        await driver.press("0")

        assert (first, second) == ("audit", "refresh")
        assert "Overview: 1 of 4" in shown
        assert "Overview: 1 of 4" not in closed
        assert "What cost most time" in driver.text


@async_test
async def test_a_click_on_an_entry_goes_there(two_queues: Path) -> None:
    """On any of its lines."""
    async with open_app(two_queues, (120, 36), view="overview") as driver:
        line = next(n for n, text in enumerate(driver.lines) if "held `cache`" in text)
        await driver.pilot.click(offset=(20, line + 1))
        await driver.settle()

        assert driver.task_name == "refresh"


@async_test
async def test_a_stall_is_shown_where_the_event_loop_stood_still(tmp_path: Path) -> None:
    """In the lane of the task that blocked it."""
    builder = queue_and_stall(tmp_path / "x.actx")
    builder.writer.stall_started(5_300_000_000, 5_310_000_000, 2, 2, 1, [("app.py", 12, "worker")])
    builder.writer.stall_ended(5_900_000_000, 2, 0, 0)
    async with open_app(builder.end(1_000), (120, 36), view="overview") as driver:
        found = [line for line in driver.lines if "blocked-loop at app.py:12" in line]
        await driver.press("enter")

        assert found
        assert driver.app.state.stall == 2
        assert driver.task_name == "worker"
        assert driver.at == 300


@async_test
async def test_e_selects_a_stall_in_its_lane(tmp_path: Path) -> None:
    """And the task of a finding that is about no acquisition."""
    builder = queue_and_stall(tmp_path / "x.actx")
    builder.writer.stall_started(5_300_000_000, 5_310_000_000, 2, 2, 1, [("app.py", 12, "worker")])
    builder.writer.stall_ended(5_900_000_000, 2, 0, 0)
    async with open_app(builder.end(1_000), (120, 36)) as driver:
        await driver.press("space", "g")
        for _ in range(20):
            await driver.press("e")
            if "blocked-loop" in driver.problem:
                break

        assert "blocked-loop" in driver.problem
        assert driver.app.state.stall == 2
        assert driver.task_name == "worker"


@async_test
async def test_live_it_says_what_hangs_now(tmp_path: Path) -> None:
    """And how long, while the program runs; the holder is where Enter leads."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "db lock")
    builder.task(1, "holder").task(2, "waiter").acquisition(1, 1, 0, 1).acquisition(2, 1, 100)
    builder.write()
    async with open_app(
        builder.path, (120, 36), ms=5_000, view="overview", program=FakeProgram()
    ) as driver:
        text = " ".join(driver.text.split())
        await driver.press("enter")

        assert "1 waiting now" in text
        assert (
            "waiter waits for `db lock` at app.py:12, for 4.90 s, held by holder for 5.00" in text
        )
        assert driver.task_name == "holder"


@async_test
async def test_before_the_first_event_it_says_what_will_be_here(tmp_path: Path) -> None:
    """Not an empty screen."""
    builder = RecordingBuilder(tmp_path / "x.actx")
    async with open_app(builder.path, view="overview", program=FakeProgram()) as driver:
        assert "the overview appears with the first event" in driver.text


@async_test
async def test_a_program_without_faults_shows_its_busiest_resources(tmp_path: Path) -> None:
    """It says that nothing was found; Enter shows the resource."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "anna").resource(1, "lock")
    path = builder.acquisition(1, 1, 0, 1, 60, 61).end(100)
    async with open_app(path, (120, 36), view="overview") as driver:
        text = " ".join(driver.text.split())
        await driver.press("enter")

        assert "No findings: no task waited for another one." in text
        assert "Busiest resources" in text
        assert "`lock` (lock) was acquired once and in use 60 % of the time" in text
        assert driver.selected_resource_name == "lock"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Return a recording of the scenario lock up to its third step, as told by a manual clock."""
    builder = RecordingBuilder(tmp_path / "x.actx", file=str(bundled_scenarios.find("lock")))
    builder.resource(1, "db lock")
    for number in (1, 2, 3):
        builder.task(number, f"worker-{number}")
    builder.acquisition(1, 1, 0, 0, 300, 301).acquisition(3, 1, 100, 302, 600, 601)
    builder.acquisition(2, 1, 400, 602, 900, 901)
    return builder.end(1_000)


@async_test
async def test_a_scenario_is_walked_through_step_by_step(scenario: Path) -> None:
    """The lanes, the play head at the moment, the task selected, and what is to be seen."""
    async with open_app(scenario, (80, 24), view="overview") as driver:
        invitation = driver.text
        seen = []
        for _ in range(3):
            await driver.press("n")
            seen.append((driver.task_name, driver.at))
        shown = driver.text
        await driver.press("N")

        assert "Three workers and an auditor share one lock." in invitation
        assert "n walks through it in 6 steps" in invitation
        assert seen == [("worker-1", 100), ("worker-2", 500), ("worker-2", 602)]
        assert "Story: 3 of 6" in shown
        assert "worker-3 has left, so worker-2 gets in." in shown
        assert "[" in next(line for line in shown.splitlines() if line.startswith("▸ worker-2"))
        assert (driver.task_name, driver.at) == ("worker-2", 500)


@async_test
async def test_a_step_that_has_not_happened_says_so(scenario: Path) -> None:
    """The play head stays; the first step has no step before it."""
    async with open_app(scenario, (80, 24), view="overview") as driver:
        await driver.press("n", "n", "n", "n")
        shown, at = driver.text, driver.at
        await driver.press("escape")
        await driver.press("n")
        await driver.press("N")

        assert "This has not happened yet." in shown
        assert at == 602
        assert "Story: 1 of 6" in driver.text


@async_test
async def test_a_search_takes_the_keys_back(scenario: Path) -> None:
    """Once the panel is closed, n goes to the next match."""
    async with open_app(scenario, (80, 24), view="overview") as driver:
        await driver.press("n", "escape", "slash", *"worker-3", "enter")
        await driver.press("n")

        assert "Story" not in driver.text
        assert driver.task_name == "worker-3"


@async_test
async def test_the_overview_hides_the_panel_and_n_returns_to_the_lanes(scenario: Path) -> None:
    """At the step after the one that was left."""
    async with open_app(scenario, (80, 24), view="overview") as driver:
        await driver.press("n", "0")
        overview = driver.text
        await driver.press("n")

        assert "Story:" not in overview
        assert "Story: 2 of 6" in driver.text
        assert driver.app.screen.query_one(ViewBar).view == "tasks"
