"""The app over one recording, live or finished."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from asyncctx_trace.analysis.deadlocks.live import DeadlockAlarm
from asyncctx_trace.errors import RecordingError
from asyncctx_trace.model.events import Event
from asyncctx_trace.model.text import plain
from asyncctx_trace.recording.reading.batch import Batch
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.sources import follow
from asyncctx_trace_tui.app.background_thread import run_in_thread
from asyncctx_trace_tui.app.heap import limit_heap
from asyncctx_trace_tui.app.palette_commands import commands_of
from asyncctx_trace_tui.app.ring_turnover import SEGMENTS, has_turned_over, read_all
from asyncctx_trace_tui.app.running_program import RunningProgram
from asyncctx_trace_tui.app.screens.quit_dialog import QuitChoice, QuitDialog
from asyncctx_trace_tui.app.screens.trace_screen import TraceScreen, sections
from asyncctx_trace_tui.app.screenshot import picture, text
from asyncctx_trace_tui.app.themes import THEMES
from asyncctx_trace_tui.app.widgets.bars.title_bar import Title
from asyncctx_trace_tui.app.widgets.bars.view_bar import VIEWS
from asyncctx_trace_tui.app.widgets.palette import DEFAULTS
from asyncctx_trace_tui.run.termination import Termination
from asyncctx_trace_tui.storage.app_settings import (
    DEFAULT_THEME,
    RENAMED_COMMANDS,
    KeymapError,
    Settings,
    load,
    load_keymap,
    save,
)
from asyncctx_trace_tui.storage.atomic_write import BackgroundSave, WriteCancelled, open_atomic
from asyncctx_trace_tui.view.cells.glyphs import ASCII, UNICODE
from asyncctx_trace_tui.view.results.answers import Job, frozen_copy
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["TraceApp"]

_FRAME = 1 / 30
_ALARM = 0.5
"""Seconds between two checks for deadlocks."""
_PROGRESS = 0.1
"""Seconds between two updates of the progress of reading."""


class TraceApp(App[None]):
    """The app over a recording; with ``program``, it follows it and asks about it on quitting.

    The constructor raises RecordingError or OSError if the recording cannot be opened.
    """

    TITLE = "asyncctx-trace"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+q", "quit", "Quit", key_display="q", id="quit", priority=False),
        Binding("ctrl+c", "quit", "Quit", show=False, id="interrupt"),
        Binding("colon,ctrl+p", "command_palette", "Commands", key_display=":", id="commands",
                tooltip="Open the command palette"),
        Binding("T", "next_theme", "Theme", id="theme", tooltip="Use the next theme"),
        Binding("A", "ascii", "ASCII", show=False, id="ascii",
                tooltip="Use ASCII or Unicode glyphs"),
        Binding("i", "legend", "Legend", show=False, id="legend",
                tooltip="Show or hide the line that says what the glyphs mean"),
        Binding("x", "save('svg')", "Picture", show=False, id="save-svg",
                tooltip="Save the screen as an SVG picture"),
        Binding("X", "save('txt')", "Text", show=False, id="save-text",
                tooltip="Save the screen as plain text"),
        Binding("ctrl+x", "save_page", "Page", show=False, id="save-page",
                tooltip="Save the whole recording as one HTML page; Escape cancels"),
    ]  # fmt: skip

    def __init__(
        self,
        recording: Path,
        program: RunningProgram | None = None,
        speed: float | None = None,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        settings: Settings | None = None,
        termination: Termination | None = None,
        view: str = VIEWS[0],
    ) -> None:
        """``view`` is shown first. ``termination`` ends the app from outside.

        ``settings`` are never saved; by default, the user's are loaded and saved on changes.
        """
        if program is not None:
            limit_heap()  # it follows for hours; opening a recording would take longer
        self.recording = follow(recording)
        self._termination = termination
        self._first_view = view
        self._unreadable = False
        """Whether the recording could be read, and no longer can."""
        self._persist_settings = settings is None
        self.settings = settings or load()
        self.path = recording
        self.program = program
        self.clock = clock
        self.glyphs = ASCII if self.settings.ascii else UNICODE
        self.state = ViewState(following=program is not None, speed=speed or 1.0)
        self._last_drawn = 0.0
        self._reading_again = False
        """Whether a ring is being read from its beginning, or could not be."""
        self._deadlocks = DeadlockAlarm()
        if isinstance(self.recording, Recording):
            self.state.anchor = self.recording.anchor
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        known = self.settings.theme in self.available_themes
        self.theme = self.settings.theme if known else DEFAULT_THEME

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return DEFAULTS

    def on_mount(self) -> None:
        if self._termination is not None:
            loop = asyncio.get_running_loop()
            self._termination.app_started(partial(loop.call_soon_threadsafe, self.exit))
        self.trace_screen = TraceScreen(self.state, self.glyphs, self._first_view)
        self.trace_screen.set_class(self.settings.legend, "-legend")
        self.push_screen(self.trace_screen)
        try:
            self._use_keymap(load_keymap() if self._persist_settings else {})
        except KeymapError as error:
            self.notify(str(error), severity="error", timeout=10, markup=False)
        self.theme_changed_signal.subscribe(self, lambda _: self._save_settings())
        self.set_interval(_FRAME, self._go_on)
        self.set_interval(_ALARM, self.notify_deadlocks)

    def _use_keymap(self, keymap: dict[str, str]) -> None:
        keymap = {RENAMED_COMMANDS.get(name, name): keys for name, keys in keymap.items()}
        known = {binding.id for _, bindings in sections(self) for binding in bindings}
        unknown = [name for name in keymap if name not in known]
        self.set_keymap({name: keys for name, keys in keymap.items() if name in known})
        if unknown:
            raise KeymapError(
                f"unknown command in the keymap: {', '.join(unknown)}; docs/app.md lists all"
            )

    def on_unmount(self) -> None:
        if self.state.saving is not None:
            self.state.saving.cancel(wait=1)
        self.recording.close()

    async def _go_on(self) -> None:
        self.tick()
        while self.state.loading:
            await asyncio.sleep(0)  # let keys and the title be handled first
            self.tick()

    async def run_action(self, *arguments: Any, **options: Any) -> bool:
        """Run an action, and show its effect at once."""
        handled = await super().run_action(*arguments, **options)
        if handled:
            self._show_state()
        return handled

    def tick(self) -> None:
        """Draw one frame: read new events, advance the play head, update the widgets."""
        state, live = self.state, self._writing()
        until = time.perf_counter() + _FRAME
        try:
            while True:
                batch = self._new_events()
                state.behind = self.recording.behind and not self._unreadable
                state.feed(batch, self.clock(), live)
                if not len(batch) or time.perf_counter() > until:
                    break
        except (RecordingError, OSError) as error:
            self.exit(return_code=2, message=f"asyncctx-trace: {plain(str(error))}")
            return
        if state.wall_start is None and state.timeline.start is not None:
            state.set_wall_clock(self.recording.anchor.wall(state.timeline.start))
        state.advance(self.clock())
        if not state.loading or time.perf_counter() > self._last_drawn + _PROGRESS:
            self._last_drawn = time.perf_counter()
            self._show_state()
        if not state.loading and (work := state.answers.next_job()) is not None:
            self.run_worker(self._answer(work))
        if self._must_read_again():
            self._reading_again = True
            self.run_worker(self._read_again())

    def _new_events(self) -> Batch | list[Event]:
        """Read on; what was read stays on screen if the recording can no longer be read."""
        if self._unreadable:
            return []
        try:
            return self.recording.poll(SEGMENTS)
        except (RecordingError, OSError) as error:
            if self.state.timeline.start is None:  # there is nothing to show
                raise
            self._unreadable = True
            message = f"nothing more is read: {error}"
            self.notify(message, severity="error", timeout=60, markup=False)
            return []

    def _must_read_again(self) -> bool:
        """Whether the ring has given up half of what was read, which takes memory and time."""
        busy = self._reading_again or self._unreadable or self.state.behind
        return not busy and has_turned_over(self.recording, self.state.timeline)

    async def _read_again(self) -> None:
        """Read the recording from its beginning, on a background thread, and show that."""
        assert isinstance(self.recording, Recording)
        again = self.recording.reopened()
        before = sys.getswitchinterval()
        sys.setswitchinterval(_FRAME / 100)
        try:
            timeline = await run_in_thread(partial(read_all, again))
        except (RecordingError, OSError):  # the reader in use notices it as well
            again.close()
            return
        finally:
            sys.setswitchinterval(before)
        self.recording.close()
        self.recording = again
        self.state.replace(timeline)
        self._reading_again = False
        self.tick()  # before anything is drawn: what is shown may be gone

    def _show_state(self) -> None:
        if self.trace_screen.is_mounted:
            self.trace_screen.update_from_state()

    def notify_deadlocks(self) -> None:
        """Show a notification for each new deadlock of the running program."""
        state = self.state
        if state.live and not state.loading:
            for line in self._deadlocks.new_deadlocks(state.timeline, self.clock()):
                self.notify(line, severity="error", timeout=20, markup=False)

    def _writing(self) -> bool:
        """Whether more events may come; checked before reading, so that none are missed."""
        running = self.program is not None and self.program.exit_code() is None
        return running or self.recording.alive

    async def action_quit(self) -> None:
        """Quit; while the program runs, ask what is to happen to it."""
        program = self.program
        if program is None or program.exit_code() is not None:
            self.exit()
        elif not self.trace_screen.query_one(Title).stopping:
            dialog = QuitDialog(program.pid, can_leave=program.can_leave_running)
            self.push_screen(dialog, partial(self._quit, program))

    def _quit(self, program: RunningProgram, choice: QuitChoice | None) -> None:
        title = self.trace_screen.query_one(Title)
        match choice:
            case "stop" if not title.stopping:
                title.stopping = True
                self.run_worker(self._stop_and_exit(program), name="stop the program")
            case "leave" if not title.stopping:
                self.run_worker(self._leave_and_exit(program), name="leave the program")

    async def _leave_and_exit(self, program: RunningProgram) -> None:
        try:
            await run_in_thread(program.leave_running)
        except OSError as error:
            message = f"cannot leave the program running: {error}"
            self.notify(message, severity="error", markup=False)
        else:
            self.exit()

    async def _stop_and_exit(self, program: RunningProgram) -> None:
        await run_in_thread(program.stop)
        # Last, because the end of the app cancels workers that still run.
        self.exit()

    async def _answer(self, work: Job) -> None:
        """Run a job on a background thread, so that the app stays responsive."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(_FRAME / 100)
        try:
            await run_in_thread(lambda: work.run(lambda: self.is_running))
        finally:
            sys.setswitchinterval(before)
        self.state.answers.accept(work)

    # -- commands ---------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield a command to choose a theme, and one per key binding."""
        yield SystemCommand("Choose a theme (dark, light, colors)", "", self.action_change_theme)
        if screen is self.trace_screen:
            yield from commands_of(self, screen)

    @property
    def keys(self) -> dict[str, str]:
        """Command id -> keys, as far as the user has changed them."""
        return dict(self._keymap)

    def action_next_theme(self) -> None:
        """Switch to the next theme."""
        names = [theme.name for theme in THEMES]
        here = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(here + 1) % len(names)]
        self.notify(self.theme.removeprefix("asyncctx-"), timeout=2)

    def action_ascii(self) -> None:
        """Switch between ASCII and Unicode glyphs."""
        self.glyphs = UNICODE if self.glyphs is ASCII else ASCII
        self.trace_screen.glyphs = self.glyphs
        self.trace_screen.redraw_all()
        self._save_settings()

    def action_legend(self) -> None:
        """Show or hide the legend."""
        self.trace_screen.toggle_class("-legend")
        self._save_settings()

    def _save_settings(self) -> None:
        self.settings = Settings(
            theme=self.theme,
            ascii=self.glyphs is ASCII,
            legend=self.trace_screen.has_class("-legend"),
        )
        if self._persist_settings:
            try:
                save(self.settings)
            except OSError as error:
                self.notify(f"cannot save the settings: {error}", severity="warning", markup=False)

    def action_save(self, suffix: str) -> None:
        """Save the screen in the current folder; in a browser, download it."""
        content = picture(self) if suffix == "svg" else text(self)
        if self.is_web:  # nothing is written on the server for a visitor
            self.deliver_text(
                StringIO(content), save_filename=self._file_name(suffix), open_method="download"
            )
            return
        path = self._free_path(suffix)
        try:
            with open_atomic(path) as file:
                file.write(content)
        except OSError as error:
            self.notify(f"cannot save: {error}", severity="error", markup=False)
        else:
            self.notify(f"saved {path.name}", timeout=4, markup=False)

    def action_save_page(self) -> None:
        """Save the recording as an HTML page in the background; Escape cancels."""
        if self.state.saving is None and not self.state.loading:
            name = Path(self._file_name("html")) if self.is_web else self._free_path("html")
            self.state.saving = BackgroundSave(name)
            self.run_worker(self._save_page(self.state.saving))

    async def _save_page(self, saving: BackgroundSave) -> None:
        from asyncctx_trace_tui.html_page.page import write

        state = self.state
        timeline = frozen_copy(state.timeline) if state.live else state.timeline
        page = partial(write, timeline, running=state.live, anchor=state.anchor)
        try:
            if self.is_web:
                written = await run_in_thread(lambda: saving.write_anonymously(page))
                self.deliver_binary(
                    written,
                    save_filename=saving.path.name,
                    open_method="download",
                    mime_type="text/html",
                )
                message = f"sent {saving.path.name}"
            else:
                await run_in_thread(lambda: saving.write(page))
                message = f"saved {saving.path.name}"
        except WriteCancelled:
            message = f"cancelled: {saving.path.name} was not written"
        except OSError as error:
            message = f"cannot save: {error}"
        if state.saving is saving:
            state.saving = None
        self.notify(message, timeout=4, markup=False)

    def _file_name(self, suffix: str) -> str:
        return f"{self.path.stem or 'recording'}.{suffix}"

    def _free_path(self, suffix: str) -> Path:
        """Return the path of a new file in the current folder."""
        stem = self.path.stem or "recording"
        path, number = Path(f"{stem}.{suffix}"), 1
        while path.exists():
            number += 1
            path = Path(f"{stem}-{number}.{suffix}")
        return path
