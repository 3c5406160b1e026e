"""A picture of a recording, rendered without a terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

from textual.pilot import Pilot

from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.screenshot import picture, text
from asyncctx_trace_tui.storage.app_settings import Settings

__all__ = ["render_offscreen"]


def render_offscreen(
    recording: Path,
    kind: Literal["svg", "text"],
    size: tuple[int, int] = (120, 36),
    settings: Settings | None = None,
) -> str:
    """Return all of ``recording`` as the app shows it at its end.

    ``size`` is in columns and lines. Raises RecordingError or OSError.
    """
    app = TraceApp(recording, settings=settings or Settings(), view="tasks")
    taken: list[str] = []

    async def take(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        while app.state.loading:
            app.tick()
        app.state.playback.pause()
        app.state.go(app.state.playback.last)
        app.tick()
        await pilot.pause()
        taken.append(picture(app, recording.name) if kind == "svg" else text(app))
        app.exit()

    asyncio.run(app.run_async(headless=True, size=size, auto_pilot=take))
    return taken[0]
