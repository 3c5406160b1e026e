"""The title bar: playback state, command line, state of the program."""

from __future__ import annotations

from collections.abc import Hashable

from rich.segment import Segment
from textual.strip import Strip

from asyncctx_trace.analysis.summary.dump_origin import describe_dump
from asyncctx_trace.model.command_line import program_processes, short_command
from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["Title"]

_MOST = 8
"""The largest number of processes in the tooltip."""
_WIDE = 100
"""The width from which both the time of day and the time since the start are shown."""
_LONGEST = 500
"""The largest length of a command line in the tooltip, in characters."""


class Title(StateWidget):
    """One line: playback on the left, the command line, the program's state on the right."""

    DEFAULT_CSS = """
    Title { height: 1; background: $panel; }
    """

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="title")
        self.state = state
        self.glyphs = glyphs
        self.stopping = False

    def render_key(self) -> Hashable:
        return self._left(), self._right(), self.size.width

    def on_mouse_move(self) -> None:
        """Show the whole command line of each process in the tooltip."""
        processes = program_processes(self.state.timeline.processes.values())
        dump = self.state.timeline.dump
        lines = [] if dump is None else [describe_dump(dump, self.state.anchor)]
        lines += [plain(each.title[:_LONGEST]) for each in processes[:_MOST]]
        if len(processes) > _MOST:
            lines.append(f"and {len(processes) - _MOST} more processes")
        self.show_tooltip("\n".join(lines) or None)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        left, right = self._left(), self._right()
        middle = shorten(self._program(), max(0, width - len(left) - len(right) - 4))
        style = self.palette.style("text")
        ended = self.state.exit_code
        right_style = self.palette.style("error" if ended else "text")
        space = width - len(left) - len(middle) - len(right) - 2
        return Strip(
            [
                Segment(left, self.palette.style("head")),
                Segment("  " + middle + " " * max(0, space), style),
                Segment(right, right_style),
            ]
        ).adjust_cell_length(width, style)

    def _left(self) -> str:
        playback, state = self.state.playback, self.state
        if state.loading:
            return f" reading… {len(state.timeline.facts):,} events"
        if playback.following:
            playing = "live" if state.live else "end"
        elif playback.playing:
            playing = "playing back" if playback.backwards else "playing"
        else:
            playing = "paused"
        sign = self.glyphs.states[playing]
        speed = f" ×{playback.speed:g}" if not playback.following else ""
        precision = min(10**7, max(1, 10 ** (len(str(state.viewport.per_column)) - 1)))
        times = f"{state.clock(playback.at, precision)} / {state.clock(playback.last, 10**7)}"
        of_day = "" if self.size.width < _WIDE else state.other_clock(playback.at)
        return f" {sign} {playing} {times}{speed}{of_day}"

    def _right(self) -> str:
        state = self.state
        if self.stopping:
            return "stopping the program… "
        if self.state.saving is not None:
            return f"{self.state.saving.progress} · Escape cancels "
        dropped = sum(each.acquisitions for each in state.timeline.dropped)
        lost = f"{dropped} dropped · " if dropped else ""
        if state.exit_code is not None:
            code = state.exit_code
            return f"{lost}exit code {code} " if code >= 0 else f"{lost}ended by signal {-code} "
        if state.live:
            return f"{lost}running, still reading " if state.behind else f"{lost}running "
        if state.timeline.dump is not None:
            return f"{lost}dump "
        return f"{lost}ended " if state.timeline.process_ended else f"{lost}no end recorded "

    def _program(self) -> str:
        """Return the command line of the program, with the number of its processes if several."""
        processes = program_processes(self.state.timeline.processes.values())
        program = short_command(processes[0].title) if processes else ""
        if self.state.timeline.dump is not None:
            program = f"dump for {plain(self.state.timeline.dump.trigger)} · {program}"
        return program if len(processes) < 2 else f"{program} · {len(processes)} processes"
