"""Waits for other things than managers, and stalls, in the app."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.async_tests import async_test
from app.builders import MS, START, RecordingBuilder, queue_and_stall
from app.driver import AppDriver, open_app
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes
from asyncctx_trace_tui.app.widgets.time_rows import names_width
from asyncctx_trace_tui.view.results.answers import frozen_copy
from asyncctx_trace_tui.view.state import ViewState


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a finished recording with all kinds of things to see."""
    return queue_and_stall(tmp_path / "x.actx").end(310)


async def go_to(driver: AppDriver, ms: float) -> None:
    """Pause at ``ms``."""
    await driver.settle(ms)
    await driver.press("space")


async def click(driver: AppDriver, task: str, ms: float) -> None:
    """Click on the lane of a task at a time."""
    lanes, state = driver.app.screen.query_one(Lanes), driver.app.state
    column = state.viewport.column_of(START + round(ms * MS))
    x = names_width(state, driver.app.size.width) + column
    y = driver.lines.index(driver.lane(task)) - lanes.region.y
    await driver.pilot.click(Lanes, offset=(x, y))
    await driver.settle()


@async_test
async def test_lanes_show_what_each_task_waits_for(recording: Path) -> None:
    """Dashed, with a name or a letter; lighter while it holds; and the stall."""
    async with open_app(recording) as driver:
        await driver.press("space", "end")

        assert "\u254cget jobs" in driver.lane("worker")
        assert "blocks the event" in driver.lane("worker")
        assert "\u254csleep" in driver.lane("producer")
        assert "TaskGroup\u2593\u2593" in driver.lane("parent")
        assert "\u2571" not in driver.lane("parent")
        assert "!!!!!" in driver.lines[3]


@async_test
async def test_no_view_calls_the_exit_of_a_task_group_cleanup(recording: Path) -> None:
    """It waits for its children, in the views of resources and of cleanup, too."""
    async with open_app(recording, (120, 40)) as driver:
        await go_to(driver, 150)
        await driver.press("2")
        await driver.settle()
        resources = driver.text
        await driver.press("4")
        await driver.settle()
        cleanup = driver.text

        group = next(line for line in resources.splitlines() if "\u2588parent\u2593" in line)
        assert "\u2571" not in group
        assert "parent waits for its children for 130 ms" in resources
        assert "TaskGroup  150 ms so far · waits for its children" in cleanup
        assert "TaskGroup  waits for its children for 130 ms so far" in cleanup


@async_test
async def test_a_selected_wait_has_details_and_an_arrow_from_who_woke_it(recording: Path) -> None:
    """A click selects it; the arrow is at its end."""
    async with open_app(recording) as driver:
        await driver.press("space")
        await click(driver, "worker", 30)
        end = names_width(driver.app.state, 80) + driver.app.state.viewport.column_of(
            START + 60 * MS
        )
        arrow = [driver.lane("worker")[end], driver.lane("producer")[end]]
        await driver.press("8")

        assert driver.app.state.wait is not None
        assert arrow == ["\u25bc", "\u2577"]
        for expected in (
            "waits for  an item of `jobs`",
            "kind  queue get",
            "site  app.py:12 in worker",
            "waited  50.0 ms, from 0.010000000s to 0.060000000s \u00b7 ok",
            "woken by  producer",
        ):
            assert expected in driver.text


@async_test
async def test_a_stall_can_be_selected(recording: Path) -> None:
    """The details say which line blocked the loop, and for how long."""
    async with open_app(recording) as driver:
        await driver.press("space")
        await click(driver, "worker", 200)
        await driver.press("8")

        assert driver.app.state.stall is not None
        assert "blocked  the event loop" in driver.text
        assert "by  worker" in driver.text
        assert "for  130 ms, from 0.110000000s to 0.240000000s" in driver.text
        assert "worker has blocked the event loop for" in driver.text


@async_test
async def test_the_play_head_tells_who_waits_for_what(recording: Path) -> None:
    """And whose end of a wait it stands at."""
    async with open_app(recording, (120, 40)) as driver:
        await go_to(driver, 30)
        during = driver.text
        await driver.press("down", "down", "greater_than_sign")

        assert "worker waits for an item of `jobs` at app.py:12 for 20.0 ms" in during
        assert "parent waits for the children of `TaskGroup`" in during
        assert driver.at == 60
        assert "worker goes on after 50.0 ms, woken by producer" in driver.text


@async_test
async def test_the_view_of_waits_leads_to_the_wait(recording: Path) -> None:
    """Enter selects it where it is; long lines are wrapped."""
    async with open_app(recording) as driver:
        await go_to(driver, 30)
        await driver.press("down", "down", "3")
        lines = " ".join(driver.text.split())
        await driver.press("enter")

        assert "worker waits for an item of `jobs` at app.py:12 for 20.0 ms of 50.0 ms" in lines
        assert "then woken by producer" in lines
        assert driver.app.state.wait == 1
        assert driver.at == 30


@async_test
async def test_the_longest_waits_are_listed_if_no_task_waits(tmp_path: Path) -> None:
    """Of acquisitions and of other things, but not of timers."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock")
    builder.resource(2, "jobs", "queue", None).task(1, "anna").task(2, "bert")
    builder.acquisition(1, 1, 0, 1, 50, 51).acquisition(2, 1, 10, 51, 60, 61)
    builder.wait(2, WaitKind.QUEUE_GET, 100, 130, subject=2, woken_by=1)
    builder.wait(1, WaitKind.SLEEP, 100, 190)
    async with open_app(builder.end(200)) as driver:
        await driver.press("space", "end", "3")
        text = driver.text
        await driver.press("down", "down", "enter")

        assert "bert waited 41.0 ms for `lock` at app.py:12" in text
        assert "bert waited 30.0 ms for an item of `jobs` at app.py:12" in text
        assert "timer" not in text
        assert (driver.app.state.wait, driver.at) == (0, 100)


@async_test
async def test_the_tables_of_the_report_lead_to_the_longest_wait(recording: Path) -> None:
    """And to the longest stall; both in the view of tasks."""
    async with open_app(recording, (120, 40)) as driver:
        await driver.press("space", "6", *"bbbb", "tab", "enter")
        wait = driver.app.state.wait
        await driver.press("6", "b", "b", "tab", "enter")

        assert wait is not None
        assert driver.at == 110
        assert driver.app.state.stall == 1
        assert "blocks the event loop" in driver.lane("worker")


@async_test
async def test_waits_are_found_and_filter_lanes(recording: Path) -> None:
    """By what is waited for, among acquisitions in order of time."""
    async with open_app(recording) as driver:
        await driver.press("space", "slash", *"jobs", "enter")
        first = driver.app.state.wait, driver.at
        await driver.press("escape", "slash", *"task:worker", "enter")
        found = []
        for _ in range(3):
            found.append(driver.at)
            await driver.press("n")
        await driver.press("ampersand", *"kind:event", "enter")

        assert first == (1, 10)
        assert found == [10, 65, 75]
        assert driver.visible_lanes == {"producer"}


@async_test
async def test_the_source_shows_the_line_of_a_wait(tmp_path: Path) -> None:
    """Also of a task that acquires nothing."""
    source = tmp_path / "app.py"
    source.write_text("\n" * 11 + "await jobs.get()\n")
    builder = RecordingBuilder(tmp_path / "x.actx", file=str(source)).task(1, "worker")
    builder.wait(1, WaitKind.QUEUE_GET, 0, 100)
    async with open_app(builder.end(200)) as driver:
        await go_to(driver, 50)
        await driver.press("5")

        assert any("await jobs.get()" in line and "worker" in line for line in driver.lines)


def test_a_frozen_copy_does_not_grow_with_the_waits(tmp_path: Path) -> None:
    """Answers are computed of it on another thread, while the original grows."""
    builder = queue_and_stall(tmp_path / "x.actx")
    timeline = builder.timeline(310)
    copied = frozen_copy(timeline)
    known = len(copied.waits), dict(copied.waits.open)
    timeline.waits.start(START, 99, 1, WaitKind.SLEEP, 0, 1)

    assert (len(copied.waits), copied.waits.open) == known


def test_stalls_that_a_ring_has_given_up_are_forgotten(recording: Path) -> None:
    """They are not part of the timeline that replaces the old one."""
    state = ViewState(following=False)
    state.feed(list(read(recording)), START, live=False)
    before = [stall.started.stall for stall in state.stalls]
    state.replace(Timeline())

    assert before == [1]
    assert state.stalls == []
