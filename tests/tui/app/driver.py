"""Drive the app in tests: press keys, read the screen, set the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.strip import Strip

from app.builders import MS, START
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.widgets.panes.problem_panel import ProblemPanel
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes
from asyncctx_trace_tui.storage.app_settings import Settings

__all__ = [
    "AppDriver",
    "Clock",
    "FakeProgram",
    "notifications_of",
    "open_app",
    "strips_of",
]


class Clock:
    """Real time as the test sets it, in ms since START."""

    def __init__(self, ms: float = 0) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return START + round(self.ms * MS)


class FakeProgram:
    """A program that runs until it is stopped or a test sets its exit code."""

    pid = 1
    can_leave_running = True

    def __init__(self) -> None:
        self.code: int | None = None
        self.stopped = 0
        self.left = 0

    def exit_code(self) -> int | None:
        return self.code

    def stop(self) -> int:
        self.stopped += 1
        self.code = -2
        return self.code

    def leave_running(self) -> None:
        self.left += 1


def strips_of(app: App[Any]) -> list[Strip]:
    """Return the lines of the screen, with their styles."""
    return app.screen._compositor.render_strips()  # noqa: SLF001 - Textual offers no other way


def notifications_of(app: App[Any]) -> list[str]:
    """Return the messages shown so far, oldest first."""
    return [each.message for each in app._notifications]  # noqa: SLF001 - the same


class AppDriver:
    """The running app, its clock, and its screen as text."""

    def __init__(self, app: TraceApp, pilot: Pilot[None], clock: Clock) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock

    @property
    def at(self) -> float:
        """The time of the play head, in ms since START."""
        return (self.app.state.playback.at - START) / MS

    @property
    def lines(self) -> list[str]:
        """The screen as text."""
        return [strip.text for strip in strips_of(self.app)]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines)

    def lane(self, name: str) -> str:
        """Return the first line of the lane of the task ``name``."""
        return next(line for line in self.lines if line[2:].startswith(name))

    @property
    def visible_lanes(self) -> set[str]:
        """The names of the tasks whose lanes are on the screen."""
        lanes = self.app.screen.query_one(Lanes).region
        names = (line[2:].split(" ", 1)[0] for line in self.lines[lanes.y : lanes.bottom])
        return {name for name in names if name}

    @property
    def task_name(self) -> str:
        """The name of the selected task."""
        state = self.app.state
        return state.timeline.tasks[state.task].name if state.task is not None else ""

    @property
    def selected_resource_name(self) -> str:
        """The name of the selected resource."""
        state = self.app.state
        resource = state.selected_resource
        return state.timeline.resources[resource].name if resource is not None else ""

    @property
    def notified(self) -> list[str]:
        """The messages shown so far, oldest first."""
        return notifications_of(self.app)

    @property
    def problem(self) -> str:
        """Number and description of the problem that was jumped to, as on the screen."""
        panel = self.app.screen.query_one(ProblemPanel)
        return str(panel.render()) if panel.is_on_screen else ""

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until the app has handled them."""
        await self.pilot.press(*keys)
        await self.settle()

    async def settle(self, ms: float | None = None) -> None:
        """Set real time to ``ms`` if given, and draw a frame."""
        if ms is not None:
            self.clock.ms = ms
        self.app.tick()
        await self.pilot.pause()


@asynccontextmanager
async def open_app(
    recording: Path,
    size: tuple[int, int] = (80, 24),
    *,
    ms: float = 0,
    settings: Settings | None = None,
    view: str = "tasks",
    **options: Any,
) -> AsyncIterator[AppDriver]:
    """Open the app over ``recording`` at real time ``ms``; replays start at the start.

    ``view`` is shown first; for users, that is the overview.
    """
    clock = Clock(ms)
    app = TraceApp(recording, clock=clock, settings=settings or Settings(), view=view, **options)
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        driver = AppDriver(app, pilot, clock)
        await driver.settle()
        yield driver
