"""The timeline of tasks: a lane for each, its acquisitions stacked, three phases told apart."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from asyncctx_trace_tui.drawing import Glyphs, draw
from asyncctx_trace_tui.moment import resource_name
from asyncctx_trace_tui.scene import Scene
from asyncctx_trace_tui.text import shorten
from asyncctx_trace_tui.tracks import Track
from asyncctx_trace_tui.widgets.inks import task_ink
from asyncctx_trace_tui.widgets.view import SceneView

__all__ = ["Lanes", "names_width"]

_NARROWEST, _WIDEST = 10, 26
"""Columns for the names of the lanes."""
_THICKEST = 3
"""Lines that one track takes up where there is room."""
_LABEL = 24
"""Columns that a resource's name may take inside a bar."""


class Line(NamedTuple):
    """One line of the timeline."""

    task: int
    track: Track | None
    """None for the space between lanes."""
    depth: int
    order: int
    """Which lane from the top it belongs to."""
    part: int = 0
    """Which line of several that a track takes up where there is room."""


class Drawn(NamedTuple):
    """A line as it was drawn for a window: what the play head has passed, and what is to come."""

    stamp: Hashable
    past: Strip
    future: Strip


def names_width(scene: Scene, width: int) -> int:
    """Columns left of the timeline for the names of the lanes, in a terminal of ``width``."""
    longest = max(
        (len(t.name) for task, t in scene.timeline.tasks.items() if task in scene.tracks.lanes),
        default=0,
    )
    return max(_NARROWEST, min(longest + 3, _WIDEST, width // 4))


class Lanes(SceneView, ScrollView, can_focus=True, inherit_bindings=False):
    """A lane per task; scrolls up and down, while left and right are the scene's viewport."""

    DEFAULT_CSS = """
    Lanes { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    class Clicked(Message):
        """A place on the timeline was chosen with the mouse."""

        def __init__(self, task: int, at: int | None) -> None:
            self.task = task
            self.at = at
            super().__init__()

    def __init__(self, scene: Scene, glyphs: Glyphs) -> None:
        super().__init__(id="lanes")
        self.scene = scene
        self.glyphs = glyphs
        self.names_width = _NARROWEST
        self._lines: list[Line] = []
        self._line_drawn: dict[tuple[int, int, int], Drawn] = {}
        self._thick = 1
        self._shown: dict[int, Hashable] = {}
        """Line on screen -> how it looked when last drawn, the play head aside."""
        self._head: int | None = None
        self._setting: Hashable = None

    # -- layout -----------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self._measure()

    def _measure(self) -> None:
        scene, width = self.scene, self.scrollable_content_region.width
        self.names_width = names_width(scene, self.app.size.width)
        scene.resize(width - self.names_width)
        lines = self._lay_out()
        if lines != self._lines:
            self._lines = lines
            self.virtual_size = Size(width, len(lines))
            self._shown.clear()

    def _lay_out(self) -> list[Line]:
        lanes = [*self.scene.tracks.lanes.values()]
        needed = sum(len(lane.tracks) for lane in lanes)
        height = self.scrollable_content_region.height
        spaced = needed + len(lanes) <= height
        free = height - len(lanes)
        self._thick = max(1, min(_THICKEST, free // needed)) if spaced and needed else 1
        lines = []
        for order, lane in enumerate(lanes):
            lines += [
                Line(lane.task, track, depth, order, part)
                for depth, track in enumerate(lane.tracks)
                for part in range(self._thick)
            ]
            if spaced:
                lines.append(Line(lane.task, None, len(lane.tracks), order))
        return lines

    # -- following the scene ----------------------------------------------------------------

    def look(self) -> Hashable:
        scene = self.scene
        return (
            scene.viewport,
            scene.viewport.column_of(scene.playback.at),
            scene.now,
            len(scene.timeline),
            len(scene.timeline.facts),
            len(scene.timeline.tasks),
            scene.task,
            self.size,
        )

    def redraw(self) -> None:
        self._measure()
        scene = self.scene
        setting = scene.viewport, scene.task, self.names_width, self.app.theme
        head = scene.viewport.column_of(scene.playback.at)
        if setting != self._setting:
            self._setting, self._head = setting, head
            self.refresh()
            return
        top, width = self.scroll_offset.y, self.size.width
        regions = [
            Region(0, y, width, 1)
            for y, line in enumerate(self._lines[top : top + self.size.height])
            if self._shown.get(y) != self._stamp(line)
        ]
        if head != self._head:
            left, right = sorted((head, self._head or 0))
            left, right = max(0, left), min(scene.viewport.width - 1, right)
            if left <= right:
                regions.append(
                    Region(self.names_width + left, 0, right - left + 1, self.size.height)
                )
            self._head = head
        if regions:
            self.refresh(*regions)

    def _stamp(self, line: Line) -> Hashable:
        if line.track is None:
            return ()
        scene = self.scene
        ended = scene.timeline.task_ended.get(line.task)
        # What grows is drawn anew for every eighth of a column.
        now = 8 * (scene.now - scene.viewport.start) // scene.viewport.per_column
        return line.track.stamp(now), now // 8 if ended is None else ended

    # -- drawing ----------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if index >= len(self._lines):
            self._shown[y] = None
            return Strip.blank(width, self.inks.style("text"))
        line = self._lines[index]
        drawn = self._draw(line)
        self._shown[y] = drawn.stamp[0] if isinstance(drawn.stamp, tuple) else None
        return Strip.join([self._name_of(line), *self._with_head(line, drawn)])

    def _name_of(self, line: Line) -> Strip:
        scene = self.scene
        selected = line.task == scene.task
        text = ""
        middle = (self._thick - 1) // 2
        if line.depth == 0 and line.track is not None and line.part == middle:
            task = scene.timeline.tasks.get(line.task)
            text = task.name if task is not None else f"task {line.task}"
            text = shorten(text, self.names_width - 3)
        mark = self.glyphs.selected if selected and text else " "
        ink = task_ink(line.order) if text else "faint"
        padding = " " * (self.names_width - 2 - cell_len(text))
        paper = "selected" if selected and line.track is not None else ""
        return Strip(
            [
                Segment(mark + " ", self.inks.style("head", paper)),
                Segment(text + padding, self.inks.style(ink, paper)),
            ],
            self.names_width,
        )

    def _draw(self, line: Line) -> Drawn:
        scene = self.scene
        stamp = self._stamp(line), scene.viewport, self._thick, self.app.theme
        key = line.task, line.depth, line.part
        drawn = self._line_drawn.get(key)
        if drawn is not None and drawn.stamp == stamp:
            return drawn
        width = scene.viewport.width
        if line.track is None:
            past = future = Strip.blank(width, self.inks.style("idle"))
        else:
            strokes = draw(
                line.track,
                scene.viewport,
                scene.now,
                self.glyphs,
                alive=self._life(line),
                label=self._label if line.part == (self._thick - 1) // 2 else None,
            )
            past, future = (
                Strip(
                    [
                        Segment(s.text, self.inks.style(s.ink, s.paper, future=later))
                        for s in strokes
                    ],
                    width,
                )
                for later in (False, True)
            )
        if len(self._line_drawn) > 4 * max(50, self.size.height):
            self._line_drawn.clear()
        drawn = self._line_drawn[key] = Drawn(stamp, past, future)
        return drawn

    def _with_head(self, line: Line, drawn: Drawn) -> list[Strip]:
        scene = self.scene
        column, width = scene.viewport.column_of(scene.playback.at), scene.viewport.width
        if column < 0:
            return [drawn.future]
        if column >= width:
            return [drawn.past]
        under = drawn.past.crop(column, column + 1)
        char = under.text or " "
        segment = next(iter(under), None)
        style = self.inks.style("head")
        if (
            char in (" ", self.glyphs.alive, self.glyphs.alive_low)
            or segment is None
            or segment.style is None
        ):
            char = self.glyphs.head
        else:
            # Over a bar the head keeps the bar's colour behind it.
            full = char in (self.glyphs.full[1], *self.glyphs.heights[4:])
            back = segment.style.color if full or char.isalnum() else segment.style.bgcolor
            if char.isalnum():
                back = segment.style.bgcolor
            style = style.from_color(style.color, back) if back is not None else style
            char = self.glyphs.head
        return [
            drawn.past.crop(0, column),
            Strip([Segment(char, style)], 1),
            drawn.future.crop(column + 1, width),
        ]

    def _life(self, line: Line) -> tuple[int, int, str] | None:
        """The line of a task's life, halfway down its outermost track."""
        if line.depth or line.part != (self._thick - 1) // 2:
            return None
        timeline = self.scene.timeline
        first = timeline.enter_started[timeline.rows_of_task[line.task][0]]
        defined = timeline.tasks.get(line.task)
        if defined is not None:
            first = min(first, defined.at)
        ended = timeline.task_ended.get(line.task, self.scene.now)
        glyph = self.glyphs.alive if self._thick % 2 else self.glyphs.alive_low
        return max(first, self.scene.origin), ended, glyph

    def _label(self, row: int) -> str:
        timeline = self.scene.timeline
        name = shorten(resource_name(timeline, timeline.resource[row]), _LABEL)
        return name if cell_len(name) == len(name) else ""

    # -- the mouse --------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = offset.y + self.scroll_offset.y
        if index < len(self._lines):
            column = offset.x - self.names_width
            at = self.scene.viewport.time_of(column) if column >= 0 else None
            self.post_message(self.Clicked(self._lines[index].task, at))

    def show_selected(self) -> None:
        """Scroll so far that the selected lane is in view."""
        ours = [y for y, line in enumerate(self._lines) if line.task == self.scene.task]
        if ours:
            region = Region(0, ours[0], 1, len(ours))
            self.scroll_to_region(region, animate=False)
