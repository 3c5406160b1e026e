"""A long recording: what takes time is worked out aside, and asked for once."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.loops import in_a_loop
from app.screens import staged
from app.stories import three_workers
from asyncctx_trace_tui import scene as scene_module
from asyncctx_trace_tui.chain import ready
from asyncctx_trace_tui.settings import Settings
from asyncctx_trace_tui.snapshot import snapshot


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """The finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


def test_long_answers_come_later_and_are_the_same(
    workers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At first there is none; the thread brings it; the view then shows it."""
    monkeypatch.setattr(scene_module, "_AT_ONCE", 1)

    @in_a_loop
    async def look() -> None:
        async with staged(workers) as stage:
            scene = stage.app.scene
            await stage.settle(60)
            await stage.press("space", "down", "down")
            first = scene.answer(ready)
            await stage.press("3")
            await stage.app.workers.wait_for_complete()
            while scene.questions:
                await stage.settle()
                await stage.app.workers.wait_for_complete()
            await stage.settle()

            assert first is None
            assert scene.answer(ready) is True
            assert "└─ worker-1 holds `db lock` for 60.0 ms" in stage.text

    look()


def test_a_picture_is_taken_in_any_theme(workers: Path) -> None:
    """With its colours in it."""
    light = snapshot(workers, "svg", settings=Settings(theme="asyncctx-light"))

    assert "#fbfaf7" in light.lower()
