"""The panel below the view: a description of what happens at the play head."""

from __future__ import annotations

import re
from collections.abc import Hashable
from itertools import islice

from rich.text import Text

from asyncctx_trace.model.names import task_name
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.descriptions.mark_summary import between
from asyncctx_trace_tui.view.descriptions.narration import (
    describe,
    describe_queue,
    describe_stall,
    describe_waits,
    events_at,
    occupants_at,
)
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["Sentences"]


_NAMED = 40
"""Number of acquisitions whose tasks are colored."""


class Sentences(StateWidget):
    """The events at the play head, then a sentence per resource that is held or waited for."""

    DEFAULT_CSS = """
    Sentences { height: 1fr; padding: 0 1; border-top: solid $foreground 20%;
                border-title-color: $foreground 60%; }
    """

    BORDER_TITLE = "At the play head"

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="sentences")
        self.state = state
        self.glyphs = glyphs
        self.queue = False
        """Whether the queue of the selected resource is listed by name."""

    def render_key(self) -> Hashable:
        state = self.state
        # Nobody reads more than ten new texts per second.
        moving = state.playback.playing or state.playback.following
        moment = max(1, round(100_000_000 * state.playback.speed)) if moving else 1
        return state.playback.at // moment, moving, len(state.timeline.facts), *self._chosen()

    def _chosen(self) -> tuple[Hashable, ...]:
        state = self.state
        return self.size, self.queue, state.selected_resource, *state.marks.values()

    def render(self) -> Text:
        text = Text()
        if self.state.loading:
            return text  # there are no lanes yet
        for line, foreground in self._lines():
            text.append(line + "\n", self.palette.style(foreground))
        text.right_crop(1)
        for task in self._covers():
            # Match whole names: `worker-1` is not part of `worker-12`.
            name = rf"(?<![\w-]){re.escape(task_name(self.state.timeline, task))}(?![\w-])"
            order = self.state.tracks.lanes[task].order
            text.highlight_regex(name, self.palette.style(task_color(order)))
        return text

    def _covers(self) -> list[int]:
        """Return tasks that hold or wait at the play head."""
        state = self.state
        at = state.playback.at
        rows = islice(state.tracks.open_at(at), _NAMED)
        lanes = islice(state.tracks.lanes.values(), _NAMED)
        waiting = [lane.task for lane in lanes if lane.waits.row_at(at) is not None]
        return list(dict.fromkeys([*(state.timeline.task[row] for row in rows), *waiting]))

    def _lines(self) -> list[tuple[str, str]]:
        state = self.state
        timeline, at = state.timeline, state.playback.at
        if timeline.start is None:
            return [
                ("nothing has been recorded yet: here is who holds what, and who waits", "faint")
            ]
        lines: list[tuple[str, str]] = []
        if not (state.playback.playing or state.playback.following):
            lines += [(line, "head") for line in events_at(state.tracks, at)]
        if len(state.marks) == 2:
            lines.append(
                (between(state.tracks, state.marks["A"], state.marks["B"], state.now), "wait")
            )
        found = occupants_at(state.tracks, at)
        if self.queue:
            for moment in found:
                if moment.resource == state.selected_resource:
                    lines += [(line, "text") for line in describe_queue(timeline, moment, at)]
                    found = [other for other in found if other is not moment]
                    break
        lines += [(describe(timeline, moment, at), "text") for moment in found]
        stall = state.selected_stall
        if stall is not None and stall.covers(at):
            lines.insert(0, (describe_stall(timeline, stall, at), "error"))
        lines += [(line, "faint") for line in describe_waits(state.tracks, at)]
        lines = lines or [("no task holds or waits for anything", "faint")]
        height, width = self.content_size.height, max(1, self.content_size.width)
        fit = 0
        while fit < len(lines) and (height := height - -(-len(lines[fit][0]) // width)) >= 0:
            fit += 1
        if fit < len(lines):
            fit = max(1, fit - 1)
            lines = [*lines[:fit], (f"and {len(lines) - fit} more", "faint")]
        return lines
