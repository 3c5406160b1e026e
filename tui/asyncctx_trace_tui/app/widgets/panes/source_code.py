"""The script, with the line at which each task stands at the play head."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage
from asyncctx_trace_tui.view.display_names import task_name
from asyncctx_trace_tui.view.source_file import Word, read_source

__all__ = ["Source"]

_NUMBER = 5


class Source(TextPage):
    """The file of the selected acquisition's site; a mark in its colour for every task."""

    DEFAULT_CSS = """
    Source { border-top: solid $foreground 20%; border-title-color: $foreground 60%; }
    """

    _marked: int | None = None

    def words(self) -> list[TextLine]:
        state = self.state
        self._marked = None
        row = state.selected_row
        site = state.timeline.sites.get(state.timeline.site[row]) if row is not None else None
        if site is None:
            return [TextLine.of("no place in the source is known here", "faint")]
        script = read_source(site.file)
        changed = state.wall_start is not None and script.modified > state.wall_start
        note = " (changed since the recording: lines may not fit)" if changed else ""
        name = shorten(site.file, max(20, self.size.width - len(note) - 4))
        self.border_title = Content(name + note)
        if script.trouble:
            return [TextLine.of(f"cannot be shown: {script.trouble}", "wait")]
        lines: list[TextLine] = []
        standing = self._standing(site.file)
        for number, words in enumerate(script.words, 1):
            tasks = standing.get(number, [])
            if any(task == state.task for task, _, _ in tasks):
                self._marked = len(lines)
            lines.append(self._line(number, words, tasks))
        return lines

    def fit(self, text: str, width: int) -> str:
        # Source is read from its beginning: what is too long loses its end.
        return text if cell_len(text) <= width else set_cell_size(text, max(0, width))

    def anchor_line(self) -> int | None:
        return self._marked

    def _standing(self, file: str) -> dict[int, list[tuple[int, str, str]]]:
        """Line -> the tasks that stand there at the play head: task, ink, phase."""
        state, timeline = self.state, self.state.timeline
        found: dict[int, list[tuple[int, str, str]]] = {}
        for order, lane in enumerate(state.tracks.lanes.values()):
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
        self, number: int, words: Sequence[Word], tasks: list[tuple[int, str, str]]
    ) -> TextLine:
        mark = self.glyphs.selected if tasks else " "
        foreground = tasks[0][1] if tasks else "faint"
        background = "selected" if tasks else ""
        spans = [Span(f"{mark}{number:>{_NUMBER}}  ", foreground, background)]
        names = self._names(tasks)
        room = self.scrollable_content_region.width - sum(cell_len(each.text) for each in names)
        room -= cell_len(spans[0].text)
        for text, sort in words:
            text = plain(text)
            if names and cell_len(text) > room:  # who stands here is told, whatever stands here
                text = set_cell_size(text, max(0, room - 1)) + "…"
            spans.append(Span(text, sort, background))
            room -= cell_len(text)
            if room <= 0:
                break
        return TextLine((*spans, *names))

    def _names(self, tasks: list[tuple[int, str, str]]) -> list[Span]:
        """Who stands on a line, and what each does there; so many as half of it has room for."""
        phases = dict(zip(("enter", "body", "exit"), self.glyphs.full, strict=True))
        room = self.scrollable_content_region.width // 2
        spans: list[Span] = []
        for result, (task, foreground, phase) in enumerate(tasks):
            name = f"  {phases[phase]} {task_name(self.state.timeline, task)}"
            more = f"  +{len(tasks) - result}"
            if cell_len(name) + (len(more) if result + 1 < len(tasks) else 0) > room:
                return [*spans, Span(more, "faint", "selected")]
            spans.append(Span(name, foreground, "selected"))
            room -= cell_len(name)
        return spans
