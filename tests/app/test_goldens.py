"""Whole screens, kept beside the tests: `ASYNCCTX_TRACE_GOLDENS=write` renews them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from app.loops import in_a_loop
from app.screens import staged
from app.stories import Story
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.app.screenshot import picture
from asyncctx_trace_tui.storage.app_settings import Settings

GOLDENS = Path(__file__).parent / "goldens"


def a_day_at_the_pool(path: Path) -> Story:
    """Three tasks, a pool of two, a lock within; an error, a timeout, a task that still holds."""
    story = Story(path).resource(1, "db pool", "pool", 2).resource(2, "ledger")
    story.task(1, "anna").task(2, "bert").task(3, "cleo")
    story.pass_(1, 1, 0, 5, 120, 125).pass_(1, 2, 10, 12, 80, 90)
    story.pass_(2, 1, 5, 8, 200, 205)
    story.pass_(2, 2, 20, 90, 150, 155, outcomes=(Outcome.OK, Outcome.ERROR), error=KeyError("no"))
    story.pass_(3, 1, 10, 125, 180, 190)
    story.pass_(3, 2, 210, 240, outcomes=(Outcome.TIMED_OUT,), error=TimeoutError())
    story.pass_(1, 1, 160, 205)
    return story.printed(60, "anna writes").printed(152, "bert fails", "stderr")


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
@in_a_loop
async def test_a_screen_looks_as_it_did(
    tmp_path: Path, name: str, size: tuple[int, int], keys: str, settings: Settings
) -> None:
    """To the character, but for the first line, which has our own command in it."""
    path = a_day_at_the_pool(tmp_path / "x.actx").end(260)
    async with staged(path, size, settings=settings) as stage:
        await stage.settle(100)
        await stage.press("space", "down", *keys)
        lines = [line.rstrip() for line in stage.lines[1:] if "span id" not in line]
        seen = "\n".join(lines) + "\n"

    assert seen == kept(f"{name}.txt", seen)


@pytest.mark.parametrize(
    ("name", "keys", "theme"),
    [
        ("tasks-dark", "1", "asyncctx-dark"),
        ("resources-light", "2", "asyncctx-light"),
        ("waits-okabe-ito", "3", "asyncctx-okabe-ito"),
    ],
)
@in_a_loop
async def test_a_picture_looks_as_it_did(tmp_path: Path, name: str, keys: str, theme: str) -> None:
    """To the colour: every glyph, ink and paper, as a browser draws them."""
    path = a_day_at_the_pool(tmp_path / "x.actx").end(260)
    async with staged(path, (80, 24), settings=Settings(theme=theme)) as stage:
        await stage.settle(100)
        await stage.press("space", "down", *keys)
        # Its first line has our own command in it.
        seen = re.sub(r"<text [^>]*line-0\)\">[^<]*</text>", "", picture(stage.app))

    assert seen == kept(f"{name}.svg", seen)


def kept(name: str, seen: str) -> str:
    """What was seen the last time; if it is to be renewed, what is seen now."""
    golden = GOLDENS / name
    if os.environ.get("ASYNCCTX_TRACE_GOLDENS") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(seen, "utf-8")
    return golden.read_text("utf-8")
