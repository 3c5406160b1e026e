"""The panel that says in words what holds at the play head."""

from __future__ import annotations

import re
from collections.abc import Hashable
from itertools import islice

from rich.text import Text

from asyncctx_trace_tui.app.widgets.palette import task_ink
from asyncctx_trace_tui.app.widgets.scene_view import SceneView
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.display_names import task_name
from asyncctx_trace_tui.view.mark_summary import between
from asyncctx_trace_tui.view.narration import happened, in_line, moments, sentence
from asyncctx_trace_tui.view.state import Scene

__all__ = ["Sentences"]


_NAMED = 40
"""Acquisitions whose tasks are told in their colours."""


class Sentences(SceneView):
    """What just happened, then a sentence per resource that somebody is at."""

    DEFAULT_CSS = """
    Sentences { height: 1fr; padding: 0 1; border-top: solid $foreground 20%;
                border-title-color: $foreground 60%; }
    """

    BORDER_TITLE = "At the play head"

    def __init__(self, scene: Scene, glyphs: Glyphs) -> None:
        super().__init__(id="sentences")
        self.scene = scene
        self.glyphs = glyphs
        self.queue = False
        """Whether the selected resource's queue is told name by name."""

    def look(self) -> Hashable:
        scene = self.scene
        # In motion, more than ten new texts a second are not read.
        moving = scene.playback.playing or scene.playback.following
        moment = max(1, round(100_000_000 * scene.playback.speed)) if moving else 1
        return scene.playback.at // moment, moving, len(scene.timeline.facts), *self._chosen()

    def _chosen(self) -> tuple[Hashable, ...]:
        scene = self.scene
        return self.size, self.queue, scene.selected_resource, *scene.marks.values()

    def render(self) -> Text:
        text = Text()
        if self.scene.loading:
            return text  # there are no lanes yet of what has been read
        for line, ink in self._lines():
            text.append(line + "\n", self.inks.style(ink))
        text.right_crop(1)
        for task in self._there():
            # As a whole word: `worker-1` is not in `worker-12`.
            name = rf"(?<![\w-]){re.escape(task_name(self.scene.timeline, task))}(?![\w-])"
            order = self.scene.tracks.lanes[task].order
            text.highlight_regex(name, self.inks.style(task_ink(order)))
        return text

    def _there(self) -> list[int]:
        """The tasks that are spoken of, by lanes."""
        scene = self.scene
        rows = islice(scene.tracks.open_at(scene.playback.at), _NAMED)
        return list(dict.fromkeys(scene.timeline.task[row] for row in rows))

    def _lines(self) -> list[tuple[str, str]]:
        scene = self.scene
        timeline, at = scene.timeline, scene.playback.at
        if timeline.start is None:
            return [("nothing has been recorded yet", "faint")]
        lines: list[tuple[str, str]] = []
        if not (scene.playback.playing or scene.playback.following):
            lines += [(line, "head") for line in happened(scene.tracks, at)]
        if len(scene.marks) == 2:
            lines.append(
                (between(scene.tracks, scene.marks["A"], scene.marks["B"], scene.now), "wait")
            )
        found = moments(scene.tracks, at)
        if self.queue:
            for moment in found:
                if moment.resource == scene.selected_resource:
                    lines += [(line, "text") for line in in_line(timeline, moment, at)]
                    found = [other for other in found if other is not moment]
                    break
        lines += [(sentence(timeline, moment, at), "text") for moment in found]
        lines = lines or [("no task holds or waits for anything", "faint")]
        height, width = self.content_size.height, max(1, self.content_size.width)
        fit = 0
        while fit < len(lines) and (height := height - -(-len(lines[fit][0]) // width)) >= 0:
            fit += 1
        if fit < len(lines):
            fit = max(1, fit - 1)
            lines = [*lines[:fit], (f"and {len(lines) - fit} more", "faint")]
        return lines
