"""The Textual app over one recording, live or finished."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

from textual.app import App
from textual.binding import Binding, BindingType

from asyncctx_trace.errors import RecordingError
from asyncctx_trace.export.sources import follow
from asyncctx_trace_tui.drawing import UNICODE, Glyphs
from asyncctx_trace_tui.scene import Scene
from asyncctx_trace_tui.screens.trace import TraceScreen
from asyncctx_trace_tui.themes import DEFAULT, THEMES
from asyncctx_trace_tui.widgets.inks import DEFAULTS
from asyncctx_trace_tui.widgets.title import Title

__all__ = ["RunningProgram", "TraceApp"]

_FRAME = 1 / 30
_SEGMENTS = 4
"""Segments of facts read at a time while a long recording is opened."""


class RunningProgram(Protocol):
    """What the app needs of the program that it follows."""

    pid: int

    def exit_code(self) -> int | None:
        """How it ended, ``None`` while it runs; does not wait."""

    def stop(self) -> int:
        """Ask it to stop, then make it; waits until no process is left."""


class TraceApp(App[None]):
    """Shows a recording; with ``program``, follows it live and ends it on quitting.

    Raises what opening a recording raises, before it touches the terminal.
    """

    TITLE = "asyncctx-trace"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+q", "quit", "Quit", key_display="q", id="quit", priority=False),
        Binding("ctrl+c", "quit", "Quit", show=False, id="interrupt"),
    ]

    def __init__(
        self,
        recording: Path,
        program: RunningProgram | None = None,
        speed: float | None = None,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        glyphs: Glyphs = UNICODE,
    ) -> None:
        self.recording = follow(recording)
        self.program = program
        self.clock = clock
        self.glyphs = glyphs
        self.scene = Scene(following=program is not None, speed=speed or 1.0)
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DEFAULT

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return DEFAULTS

    def on_mount(self) -> None:
        # A terminal that is closed, or a polite kill, ends the app as `q` does.
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for name in ("SIGTERM", "SIGHUP"):
                if hasattr(signal, name) and hasattr(loop, "add_signal_handler"):
                    loop.add_signal_handler(getattr(signal, name), self.exit)
        self.push_screen(TraceScreen(self.scene, self.glyphs))
        self.set_interval(_FRAME, self.tick)

    def on_unmount(self) -> None:
        self.recording.close()

    def tick(self) -> None:
        """One frame: read what has come, move the play head, show it."""
        scene, live = self.scene, self._writing()
        until = time.perf_counter() + _FRAME
        try:
            while True:
                batch = self.recording.poll(_SEGMENTS)
                scene.loading = len(batch) > 0 and time.perf_counter() > until
                scene.feed(batch, self.clock(), live)
                if scene.loading or not len(batch):
                    break
        except RecordingError as error:
            self.exit(return_code=2, message=f"asyncctx-trace: {error}")
            return
        if scene.wall_start is None and scene.timeline.start is not None:
            scene.wall_start = self.recording.anchor.wall(scene.timeline.start) / 1e9
        scene.advance(self.clock())
        screen = self.screen_stack[1] if len(self.screen_stack) > 1 else None
        if isinstance(screen, TraceScreen) and screen.is_mounted:
            screen.follow_scene()

    def _writing(self) -> bool:
        """Whether more may come; asked before reading, so that the last facts are not missed."""
        running = self.program is not None and self.program.exit_code() is None
        return running or self.recording.alive

    async def action_quit(self) -> None:
        """Leave; a program that still runs is ended first, while the app stays answering."""
        if self.program is None or self.program.exit_code() is not None:
            self.exit()
            return
        title = self.screen_stack[1].query_one(Title)
        if title.stopping:
            return
        title.stopping = True
        self.run_worker(self._stop_and_exit, thread=True, name="stop the program")

    def _stop_and_exit(self) -> None:
        if self.program is not None:
            self.program.stop()
        self.call_from_thread(self.exit)
