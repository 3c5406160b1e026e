"""The view of the source file, with the line of each task at the play head."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from asyncctx_trace.model.names import task_name
from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage
from asyncctx_trace_tui.view.source_file import Token, read_source

__all__ = ["Source"]

_NUMBER = 5


class Source(TextPage):
    """The source file of the selected acquisition or wait, with a colored mark for every task."""

    DEFAULT_CSS = """
    Source { border-top: solid $foreground 20%; border-title-color: $foreground 60%; }
    """

    _line_to_show: int | None = None

    def lines(self) -> list[TextLine]:
        state = self.state
        self._line_to_show = None
        site = state.timeline.sites.get(state.selected_site or 0)
        if site is None:
            unknown = (
                "nothing has been recorded yet: here is the source file of the selected acquisition"
                if state.task is None
                else "the recording does not say in which file the selected acquisition is"
            )
            return [TextLine.of(unknown, "faint")]
        script = read_source(site.file, site.digest)
        # With a digest, what is shown is what was recorded.
        changed = (
            not site.digest and state.wall_start is not None and script.modified > state.wall_start
        )
        note = " (changed since the recording: lines may not match)" if changed else ""
        name = shorten(site.file, max(20, self.size.width - len(note) - 4))
        self.border_title = Content(name + note)
        if script.problem:
            return [TextLine.of(f"cannot show the file: {script.problem}", "wait")]
        lines: list[TextLine] = []
        standing = self._tasks_by_line(site.file)
        for number, tokens in enumerate(script.tokens, 1):
            tasks = standing.get(number, [])
            if any(task == state.task for task, _, _ in tasks):
                self._line_to_show = len(lines)
            lines.append(self._line(number, tokens, tasks))
        return lines

    def fit(self, text: str, width: int) -> str:
        # Cut the end of a long line, not its middle.
        return text if cell_len(text) <= width else set_cell_size(text, max(0, width))

    def anchor_line(self) -> int | None:
        return self._line_to_show

    def _tasks_by_line(self, file: str) -> dict[int, list[tuple[int, str, str]]]:
        """Return line -> (task, color, phase) of the tasks that are there at the play head."""
        state, timeline = self.state, self.state.timeline
        found: dict[int, list[tuple[int, str, str]]] = {}
        for order, lane in enumerate(state.tracks.lanes.values()):
            wait = lane.waits.row_at(state.playback.at)
            if wait is not None:
                site = timeline.sites.get(timeline.waits.site[wait])
                if site is not None and site.file == file:
                    found.setdefault(site.line, []).append((lane.task, task_color(order), "await"))
                continue
            for track in reversed(lane.tracks):
                row = track.row_at(state.playback.at)
                if row is None:
                    continue
                site = timeline.sites.get(timeline.site[row])
                if site is not None and site.file == file:
                    phase = timeline.acquisition(row).phase_at(state.playback.at) or "enter"
                    entry = lane.task, task_color(order), phase
                    found.setdefault(site.line, []).append(entry)
                break
        return found

    def _line(
        self, number: int, tokens: Sequence[Token], tasks: list[tuple[int, str, str]]
    ) -> TextLine:
        mark = self.glyphs.selected if tasks else " "
        foreground = tasks[0][1] if tasks else "faint"
        background = "selected" if tasks else ""
        spans = [Span(f"{mark}{number:>{_NUMBER}}  ", foreground, background)]
        names = self._names(tasks)
        free = self.scrollable_content_region.width - sum(cell_len(each.text) for each in names)
        free -= cell_len(spans[0].text)
        for text, kind in tokens:
            text = plain(text)
            if names and cell_len(text) > free:  # leave space for the names
                text = set_cell_size(text, max(0, free - 1)) + "…"
            spans.append(Span(text, kind, background))
            free -= cell_len(text)
            if free <= 0:
                break
        return TextLine((*spans, *names))

    def _names(self, tasks: list[tuple[int, str, str]]) -> list[Span]:
        """Return the tasks on a line with their phases, in at most half of the line."""
        phases = dict(zip(("enter", "body", "exit"), self.glyphs.full, strict=True))
        phases["await"] = self.glyphs.awaits[0]
        free = self.scrollable_content_region.width // 2
        spans: list[Span] = []
        for index, (task, foreground, phase) in enumerate(tasks):
            name = f"  {phases[phase]} {task_name(self.state.timeline, task)}"
            more = f"  +{len(tasks) - index}"
            if cell_len(name) + (len(more) if index + 1 < len(tasks) else 0) > free:
                return [*spans, Span(more, "faint", "selected")]
            spans.append(Span(name, foreground, "selected"))
            free -= cell_len(name)
        return spans
