"""The report's table of resources, sortable, each row leading to the longest queue."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from rich.text import Text
from textual import on
from textual.message import Message
from textual.widgets import DataTable

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.contention import ResourceUse, contention
from asyncctx_trace_tui.drawing import Glyphs
from asyncctx_trace_tui.scene import Scene
from asyncctx_trace_tui.text import duration, shorten
from asyncctx_trace_tui.widgets.view import SceneView

__all__ = ["Report"]


_COLUMNS: tuple[tuple[str, Any, Any], ...] = (
    ("resource", lambda u: shorten(u.name, 30), lambda u: u.name),
    ("kind", lambda u: shorten(u.kind, 16), lambda u: u.kind),
    ("acquisitions", lambda u: u.acquisitions, lambda u: u.acquisitions),
    ("contended", lambda u: u.contended, lambda u: u.contended),
    ("wait p50", lambda u: duration(u.wait.p50), lambda u: u.wait.p50),
    ("wait max", lambda u: duration(u.wait.max), lambda u: u.wait.max),
    ("hold p50", lambda u: duration(u.hold.p50), lambda u: u.hold.p50),
    ("hold max", lambda u: duration(u.hold.max), lambda u: u.hold.max),
    ("most waiters", lambda u: u.most_waiters, lambda u: u.most_waiters),
)
"""Heading, what is shown, what is sorted by."""


class Report(DataTable[Text], SceneView):
    """A row per resource; a click on a heading, or `o`, sorts."""

    DEFAULT_CSS = """
    Report { height: 1fr; border-top: solid $foreground 20%;
             border-title-color: $foreground 60%; }
    """

    class GoTo(Message):
        """A resource was chosen, and the time of its longest queue."""

        def __init__(self, resource: int, at: int | None) -> None:
            self.resource = resource
            self.at = at
            super().__init__()

    def __init__(self, scene: Scene, glyphs: Glyphs) -> None:
        super().__init__(id="report", cursor_type="row", zebra_stripes=True)
        self.scene = scene
        self.glyphs = glyphs
        self.border_title = "By resource (o sorts)"
        self._uses: dict[int, ResourceUse] = {}
        self._sorted_by: int | None = None

    def on_mount(self) -> None:
        self.add_columns(*(name for name, _, _ in _COLUMNS))

    def look(self) -> Hashable:
        self.scene.answer(_uses)  # asked for as long as they are seen
        return self.scene.answers.revision, self._sorted_by

    def redraw(self) -> None:
        uses = self.scene.answer(_uses) or []
        if self._sorted_by is not None:
            uses = sorted(uses, key=_COLUMNS[self._sorted_by][2], reverse=self._sorted_by > 1)
        self._uses = dict(enumerate(uses))
        row = self.cursor_row
        self.clear()
        for use in uses:
            self.add_row(*(Text(str(show(use)), no_wrap=True) for _, show, _ in _COLUMNS))
        self.move_cursor(row=row)

    def sort_next(self) -> None:
        """Sort by the next column."""
        self._sorted_by = 0 if self._sorted_by is None else (self._sorted_by + 1) % len(_COLUMNS)

    @on(DataTable.HeaderSelected)
    def _sort(self, event: DataTable.HeaderSelected) -> None:
        self._sorted_by = event.column_index

    @on(DataTable.RowSelected)
    def _go(self, event: DataTable.RowSelected) -> None:
        use = self._uses.get(event.cursor_row)
        if use is not None:
            self.post_message(self.GoTo(use.resource, use.most_waiters_at))


def _uses(case: Case) -> list[ResourceUse]:
    return contention(case.timeline, case.now)
