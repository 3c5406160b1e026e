"""Whole screens, stored beside the tests: `ASYNCCTX_TRACE_GOLDENS=write` renews them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from app.async_tests import async_test
from app.builders import RecordingBuilder
from app.driver import open_app
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.app.screenshot import picture
from asyncctx_trace_tui.storage.app_settings import Settings

GOLDENS = Path(__file__).parent / "goldens"


def record_pool(path: Path) -> RecordingBuilder:
    """Three tasks, a pool of two, a lock within; an error, a timeout, a task that still holds."""
    builder = RecordingBuilder(path).resource(1, "db pool", "pool", 2).resource(2, "ledger")
    builder.task(1, "anna").task(2, "bert").task(3, "cleo")
    builder.acquisition(1, 1, 0, 5, 120, 125).acquisition(1, 2, 10, 12, 80, 90)
    builder.acquisition(2, 1, 5, 8, 200, 205)
    builder.acquisition(
        2, 2, 20, 90, 150, 155, outcomes=(Outcome.OK, Outcome.ERROR), error=KeyError("no")
    )
    builder.acquisition(3, 1, 10, 125, 180, 190)
    builder.acquisition(3, 2, 210, 240, outcomes=(Outcome.TIMED_OUT,), error=TimeoutError())
    builder.acquisition(1, 1, 160, 205)
    return builder.printed(60, "anna writes").printed(152, "bert fails", "stderr")


@pytest.mark.parametrize(
    ("name", "size", "keys", "settings"),
    [
        ("tasks-80x24", (80, 24), "1", Settings()),
        ("tasks-ascii-80x24", (80, 24), "1", Settings(ascii=True)),
        ("tasks-120x36", (120, 36), "1", Settings()),
        ("resources-80x24", (80, 24), "2", Settings()),
        ("waits-80x24", (80, 24), "3", Settings()),
        ("cleanup-80x24", (80, 24), "4", Settings()),
        ("findings-120x36", (120, 36), "6", Settings()),
        ("details-80x24", (80, 24), "8", Settings()),
    ],
)
@async_test
async def test_a_screen_is_unchanged(
    tmp_path: Path, name: str, size: tuple[int, int], keys: str, settings: Settings
) -> None:
    """Every character, except the first line, which contains our own command."""
    path = record_pool(tmp_path / "x.actx").end(260)
    async with open_app(path, size, settings=settings) as driver:
        await driver.settle(100)
        await driver.press("space", "down", *keys)
        lines = [line.rstrip() for line in driver.lines[1:] if "span id" not in line]
        seen = "\n".join(lines) + "\n"

    assert seen == golden(f"{name}.txt", seen)


@pytest.mark.parametrize(
    ("name", "keys", "theme"),
    [
        ("tasks-dark", "1", "asyncctx-dark"),
        ("resources-light", "2", "asyncctx-light"),
        ("waits-okabe-ito", "3", "asyncctx-okabe-ito"),
    ],
)
@async_test
async def test_a_picture_is_unchanged(tmp_path: Path, name: str, keys: str, theme: str) -> None:
    """Every glyph and color, as a browser draws them."""
    path = record_pool(tmp_path / "x.actx").end(260)
    async with open_app(path, (80, 24), settings=Settings(theme=theme)) as driver:
        await driver.settle(100)
        await driver.press("space", "down", *keys)
        # Its first line has our own command in it.
        seen = re.sub(r"<text [^>]*line-0\)\">[^<]*</text>", "", picture(driver.app))

    assert seen == golden(f"{name}.svg", seen)


def golden(name: str, seen: str) -> str:
    """Return the stored text; when renewing, store ``seen`` first."""
    golden = GOLDENS / name
    if os.environ.get("ASYNCCTX_TRACE_GOLDENS") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(seen, "utf-8")
    return golden.read_text("utf-8")
