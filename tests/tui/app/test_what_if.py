"""The page with a slider for each capacity."""

from __future__ import annotations

from pathlib import Path

from app.async_tests import async_test
from app.builders import RecordingBuilder, three_workers
from app.driver import AppDriver, FakeProgram, open_app
from asyncctx_trace_tui.app.screens.what_if_screen import WhatIfScreen


def pool_and_lock(path: Path) -> Path:
    """Six tasks share two connections for 100 ms each."""
    builder = RecordingBuilder(path).resource(1, "db pool", "pool", 2)
    for number in range(6):
        builder.task(number + 1, f"worker-{number + 1}")
        start = 100 * (number // 2)
        asked = number / 10
        builder.acquisition(number + 1, 1, asked, start + asked, start + asked + 99, start + 100)
    return builder.end(400)


async def open_page(driver: AppDriver) -> WhatIfScreen:
    """Press the key, and wait until the recording has been replayed."""
    await driver.press("v")
    screen = driver.app.screen
    assert isinstance(screen, WhatIfScreen)
    await driver.app.workers.wait_for_complete()
    await driver.pilot.pause()
    return screen


@async_test
async def test_a_capacity_is_changed_by_keys_beside_the_queue_that_follows(tmp_path: Path) -> None:
    """With three connections instead of two, the longest wait is one hold instead of two."""
    async with open_app(pool_and_lock(tmp_path / "x.actx"), (80, 24)) as driver:
        screen = await open_page(driver)
        before = driver.text
        await driver.press("right")
        await driver.app.workers.wait_for_complete()
        await driver.pilot.pause()
        after = driver.text
        await driver.press("r")

        assert "> db pool" in before
        assert "- 2 +" in before
        assert "- 2 → 3 +" in after
        [line] = [each for each in after.splitlines() if "db pool" in each and "→ 3" in each]
        assert "200 ms" in line
        assert " 99.9 ms" in line or " 100 ms" in line
        assert "Whole program: 300 ms → 200 ms" in after
        assert screen.what_if is not None
        assert screen.what_if.chosen == (2,)
        await driver.press("escape")
        assert driver.app.screen is driver.app.trace_screen


@async_test
async def test_a_lock_has_a_limit_or_none(tmp_path: Path) -> None:
    """A second holder would make it another thing."""
    async with open_app(three_workers(tmp_path / "x.actx").end(301), (120, 36)) as driver:
        screen = await open_page(driver)
        assert screen.what_if is not None

        chosen: list[int | None] = []
        for key in ("right", "right", "left"):
            await driver.press(key)
            chosen += screen.what_if.chosen

        assert chosen == [None, None, 1]


@async_test
async def test_without_waits_the_page_says_that_there_is_nothing_to_gain(tmp_path: Path) -> None:
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock").task(1, "anna")
    async with open_app(builder.acquisition(1, 1, 0, 0, 10, 11).end(20)) as driver:
        await open_page(driver)

        assert "no task waited for a resource with a capacity" in " ".join(driver.text.split())
        await driver.press("right", "down", "n", "r")  # nothing to change, and no harm


@async_test
async def test_while_the_program_runs_the_page_asks_to_come_back(tmp_path: Path) -> None:
    builder = three_workers(tmp_path / "x.actx").write()
    async with open_app(builder.path, ms=400, program=FakeProgram()) as driver:
        await open_page(driver)

        assert "the program still runs" in driver.text
