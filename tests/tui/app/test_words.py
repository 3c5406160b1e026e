"""What the screen says: the legend, errors with their text, views that are empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.async_tests import async_test
from app.builders import RecordingBuilder, three_workers
from app.driver import FakeProgram, open_app
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.app.palette_commands import commands_of


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """Return a recording of a body that fails at 40 ms and an exit that fails at 60 ms."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock").task(1, "anna")
    outcomes = Outcome.OK, Outcome.ERROR, Outcome.ERROR
    builder.acquisition(1, 1, 0, 1, 40, 60, outcomes=outcomes, error=ValueError("no such item"))
    return builder.end(100)


@async_test
async def test_the_legend_can_be_hidden(tmp_path: Path) -> None:
    """It is shown where there are lanes, with as much as fits."""
    path = three_workers(tmp_path / "x.actx").end(320)
    async with open_app(path, (80, 24)) as driver:
        shown = driver.text
        await driver.press("3")
        elsewhere = driver.text
        await driver.press("1", "i")

        assert "░ waits  █ holds  ╱ cleans up  ╌ awaits  ✗ error" in shown
        assert "█ holds  ╱ cleans up" not in elsewhere
        assert "█ holds  ╱ cleans up" not in driver.text
        assert not driver.app.settings.legend


@async_test
async def test_errors_are_shown_with_their_text_where_they_happened(failed: Path) -> None:
    """At the play head, in the list of problems, and beside the exit."""
    async with open_app(failed, (120, 36)) as driver:
        await driver.press("space", "e")
        noted = driver.problem
        body = driver.text
        await driver.press("full_stop", "4")

        assert "error: anna at `lock`, ValueError: no such item" in noted
        assert "anna leaves `lock` after 39.0 ms, with ValueError: no such item" in body
        assert "anna failed to clean up `lock` in 20.0 ms: ValueError: no such item" in driver.text
        assert "failed: ValueError: no such item" in driver.text


@async_test
async def test_a_task_group_says_for_how_many_children_it_waits(tmp_path: Path) -> None:
    """Those that have not ended yet; it cleans up nothing."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "cooks", "task group", None)
    writer = builder.task(1, "parent").writer
    for task, name in ((2, "anna"), (3, "bert")):
        writer.task_defined(5_010_000_000, task, name, "asyncio", 1, "MainThread")
        builder.resource(task, f"key of {name}").acquisition(task, task, 20, 21, 80, 81)
    builder.acquisition(1, 1, 0, 0, 30, 90).write()
    writer.task_ended(5_050_000_000, 2)
    async with open_app(builder.end(100), (120, 36)) as driver:
        await driver.settle(40)
        await driver.press("space")
        both = driver.text
        await driver.press("t", *"60ms", "enter")

        assert "parent waits for 2 children of `cooks`" in both
        assert "parent waits for 1 child of `cooks`" in driver.text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("0", "the overview appears with the first event"),
        ("1", "each task that acquires or waits for something has a lane here"),
        ("2", "each lock, pool or other manager that is acquired is shown here"),
        ("3", "here is who waits for whom"),
        ("4", "here is what the selected task has to clean up"),
        ("5", "here is the source file of the selected acquisition"),
        ("6", "Nothing was acquired"),
        ("7", "nothing printed so far"),
        ("8", "here are the exact times, errors and spans of what is selected"),
    ],
)
@async_test
async def test_an_empty_view_says_what_would_be_there(tmp_path: Path, key: str, text: str) -> None:
    """Before anything is recorded."""
    path = RecordingBuilder(tmp_path / "x.actx").path
    async with open_app(path, (120, 36), program=FakeProgram()) as driver:
        await driver.press(key)

        assert text in driver.text


@async_test
async def test_a_task_without_exits_gives_way_to_the_slowest_of_the_run(tmp_path: Path) -> None:
    """Instead of an empty page; each leads to its place."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock").resource(2, "file")
    builder.task(1, "idle").task(2, "anna").acquisition(1, 1, 0)
    builder.acquisition(2, 2, 10, 11, 20, 70).acquisition(2, 2, 80, 81, 90, 95)
    async with open_app(builder.end(200), (120, 36)) as driver:
        await driver.press("space", "4")
        shown = driver.text
        await driver.press("enter")

        assert "anna cleaned up `file` in 50.0 ms at app.py:12" in shown
        assert shown.index("in 50.0 ms") < shown.index("in 5.00 ms")
        assert (driver.task_name, driver.at) == ("anna", 20)


@pytest.mark.parametrize(
    "word",
    [
        *("zoom", "jump", "export", "dark", "help", "deadlock", "story", "culprit", "legend"),
        *("glyphs", "code", "play", "search", "filter", "exit"),
    ],
)
@async_test
async def test_the_palette_knows_plain_words(tmp_path: Path, word: str) -> None:
    """In the titles of its commands."""
    path = three_workers(tmp_path / "x.actx").end(320)
    async with open_app(path) as driver:
        titles = [each.title for each in commands_of(driver.app, driver.app.trace_screen)]
        titles += [each.title for each in driver.app.get_system_commands(driver.app.trace_screen)]

        assert any(word in title.lower() for title in titles)
