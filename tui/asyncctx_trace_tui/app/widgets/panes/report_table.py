"""The tables of the report, one at a time, sortable."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.results.report_tables import TABLES, Line
from asyncctx_trace_tui.view.state import COMPUTING, ViewState

__all__ = ["Report"]


class Report(DataTable[Text], StateWidget):
    """A table of the report; a row leads to its resource."""

    DEFAULT_CSS = """
    Report { height: 1fr; border-top: solid $foreground 20%; scrollbar-size-horizontal: 1;
             border-title-color: $foreground 60%; scrollbar-size-vertical: 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        # That of the base class goes to the first column, which a cursor of whole rows hides.
        Binding("home", "screen.view('overview')", "Overview", show=False),
    ]

    class GoTo(Message):
        """A line was selected that leads somewhere."""

        def __init__(self, line: Line) -> None:
            self.line = line
            super().__init__()

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="report", cursor_type="row", zebra_stripes=True)
        self.state = state
        self.glyphs = glyphs
        self._table = TABLES[0]
        self._sorted_by: int | None = None
        self._lines: list[Line] = []

    def render_key(self) -> Hashable:
        self.state.answer(self._table.lines)  # keep asking while the table is visible
        return self.state.answers.revision, self._table.title, self._sorted_by

    def redraw(self) -> None:
        lines = self.state.answer(self._table.lines)
        by = self._sorted_by
        known = list(lines or [])
        if by is not None:
            # Sort numbers in descending order, names in ascending order.
            descending = bool(known) and not isinstance(known[0].values[by], str)
            known.sort(key=lambda line: line.values[by], reverse=descending)
        self._lines = known
        number = TABLES.index(self._table) + 1
        state = "" if lines is not None else f" · {COMPUTING}"
        self.border_title = (
            f"{self._table.title} · table {number} of {len(TABLES)} (b next, o sorts){state}"
        )
        row = self.cursor_row
        self.clear(columns=True)
        texts = [self._cells(line) for line in known]
        for column, name in enumerate(self._table.columns):
            sign = " " + self.glyphs.arrow_end[1] if column == by else ""
            numeric = bool(known) and not isinstance(known[0].values[column], str)
            widest = max([len(name + sign), *(text[column].cell_len for text in texts)])
            heading = Text(name + sign, justify="right" if numeric else "left")
            self.add_column(heading, width=widest)
        for cells in texts:
            self.add_row(*cells)
        self.move_cursor(row=row)

    def _cells(self, line: Line) -> list[Text]:
        shown = zip(self._table.columns.values(), line.values, strict=True)
        return [
            Text(show(value), no_wrap=True, justify="left" if isinstance(value, str) else "right")
            for show, value in shown
        ]

    def sort_next(self) -> None:
        """Sort by the next column."""
        columns = len(self._table.columns)
        self._sorted_by = 0 if self._sorted_by is None else (self._sorted_by + 1) % columns

    def next_table(self) -> None:
        """Show the next table of the report."""
        self._table = TABLES[(TABLES.index(self._table) + 1) % len(TABLES)]
        self._sorted_by = None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show truncated names in full in the tooltip."""
        row = event.style.meta.get("row", -1)
        whole = range(len(self._lines))
        names = [v for v in self._lines[row].values if isinstance(v, str)] if row in whole else []
        self.show_tooltip(plain(" · ".join(filter(None, names))) or None)

    @on(DataTable.HeaderSelected)
    def _sort(self, event: DataTable.HeaderSelected) -> None:
        self._sorted_by = event.column_index

    @on(DataTable.RowSelected)
    def _go(self, event: DataTable.RowSelected) -> None:
        if event.cursor_row < len(self._lines):
            line = self._lines[event.cursor_row]
            if not (line.resource is line.wait is line.stall is None):
                self.post_message(self.GoTo(line))
