"""The app on a screen that tests can read, with a clock that they set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from app.stories import MS, START
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.storage.app_settings import Settings

__all__ = ["Clock", "FakeProgram", "Stage", "staged"]


class Clock:
    """Real time as the test tells it, in ms since the stories' start."""

    def __init__(self, ms: float = 0) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return START + round(self.ms * MS)


class FakeProgram:
    """A program that runs until it is stopped or told to end."""

    pid = 1

    def __init__(self) -> None:
        self.code: int | None = None
        self.stopped = 0

    def exit_code(self) -> int | None:
        return self.code

    def stop(self) -> int:
        self.stopped += 1
        self.code = -2
        return self.code


class Stage:
    """The running app with what is needed to play and to look."""

    def __init__(self, app: TraceApp, pilot: Pilot[None], clock: Clock) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock

    @property
    def at(self) -> float:
        """Where the play head is, in ms."""
        return (self.app.state.playback.at - START) / MS

    @property
    def lines(self) -> list[str]:
        """The screen as text."""
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines)

    def lane(self, name: str) -> str:
        """The first line of the lane of the task ``name``."""
        return next(line for line in self.lines if line[2:].startswith(name))

    async def press(self, *keys: str) -> None:
        """Press keys, and let the app answer."""
        await self.pilot.press(*keys)
        await self.settle()

    async def settle(self, ms: float | None = None) -> None:
        """Let real time be ``ms``, and let the app show it."""
        if ms is not None:
            self.clock.ms = ms
        self.app.tick()
        await self.pilot.pause()


@asynccontextmanager
async def staged(
    recording: Path,
    size: tuple[int, int] = (80, 24),
    *,
    ms: float = 0,
    settings: Settings | None = None,
    **options: Any,
) -> AsyncIterator[Stage]:
    """The app over ``recording`` at real time ``ms``; replays stand at the start."""
    clock = Clock(ms)
    app = TraceApp(recording, clock=clock, settings=settings or Settings(), **options)
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        stage = Stage(app, pilot, clock)
        await stage.settle()
        yield stage
