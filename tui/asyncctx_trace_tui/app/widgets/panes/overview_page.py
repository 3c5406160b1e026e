"""The first view: the verdict, what cost most time and what to do next, and the health."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from textwrap import wrap
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from asyncctx_trace.analysis.summary.overview.assemble import overview_of
from asyncctx_trace.analysis.summary.overview.model import Item, Overview
from asyncctx_trace.analysis.summary.overview.wording import (
    describe_health,
    describe_history,
    sparkline,
)
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import COMPUTING, ViewState

__all__ = ["OverviewPage"]

_INDENT = 4
_COLORS = {"error": "error", "warning": "wait", "note": "text"}
_WIDE = 110
"""The width from which sparklines are drawn in full."""
_ROOMY = 28
"""The height from which there is a blank line between items."""
_SCROLLBAR = 1


class OverviewPage(TextPage):
    """The overview; the arrow keys choose an item, Enter goes there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", "Show it"),
        Binding("up,k", "cursor(-1)", "Choose", key_display="↑/↓"),
        Binding("down,j", "cursor(1)", "Next", show=False),
    ]

    class Chosen(Message):
        """An item was selected."""

        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    class StoryChosen(Message):
        """The story of the scenario was selected."""

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(state, glyphs, id="overview")
        self.story: tuple[str, int] | None = None
        """The title of the scenario, and the number of steps of its story."""
        self._chosen = 0
        self._blocks: list[tuple[int, int]] = []
        """The first line of each item, and the line after its last one."""

    @property
    def overview(self) -> Overview | None:
        """What is shown, if it is known."""
        return self.state.answer(overview_of)

    def render_key(self) -> Hashable:
        state = self.state
        state.answer(overview_of)  # keep asking while the view is visible
        known = state.timeline.start is not None
        return (
            *(state.answers.revision, state.zero, self.size, known),
            *(self._chosen, self.has_focus, self.story, state.live),
        )

    def anchor_line(self) -> int | None:
        if self._chosen >= len(self._blocks):
            return None
        first, end = self._blocks[self._chosen]
        # The first item is shown with what is above it.
        if self._chosen == 0:
            return 0
        height = self.scrollable_content_region.height
        return first if self.scroll_y > first or end - first > height else end - 1

    def lines(self) -> list[TextLine]:
        self._blocks = []
        width = max(20, self.scrollable_content_region.width - _SCROLLBAR)
        lines: list[TextLine] = []
        if self.story is not None:
            title, steps = self.story
            lines += _wrapped(f"{title}.", width, "head")
            invitation = f"n walks through it in {steps} steps; 1 shows the tasks"
            lines += [*_wrapped(invitation, width, "wait"), TextLine(())]
        if self.state.timeline.start is None:
            wait = "nothing has been recorded yet: the overview appears with the first event"
            return [*lines, TextLine.of(wait, "faint")]
        shown = self.overview
        if shown is None:
            return [*lines, TextLine.of(COMPUTING, "faint")]
        self._chosen = min(self._chosen, max(0, len(shown.items) - 1))
        for number, sentence in enumerate(shown.opening):
            lines += _wrapped(sentence, width, "head" if not number else "text")
        lines += self._health(shown, width)
        for title, items in (
            ("Now", shown.hanging),
            ("What cost most time", shown.culprits),
            ("Busiest resources", shown.busiest),
        ):
            if items:
                lines += [TextLine(()), TextLine.of(title, "faint")]
            for number, item in enumerate(items):
                if number and self.size.height >= _ROOMY:
                    lines.append(TextLine(()))
                lines += self._item(item, len(self._blocks), len(lines), width)
            if title.startswith("What") and shown.more:
                lines.append(TextLine.of(f"    and {shown.more} more: press 6", "faint"))
        return lines

    def _health(self, shown: Overview, width: int) -> Iterator[TextLine]:
        spans: list[Span] = []
        used = 0
        for text, bad in describe_health(shown.health, running=shown.running):
            text = plain(text)
            if used and used + 3 + len(text) > width:
                yield TextLine(tuple(spans))
                spans, used = [], 0
            if used:
                spans.append(Span(" · ", "faint"))
                used += 3
            spans.append(Span(text, "error" if bad else "hold"))
            used += len(text)
        yield TextLine(tuple(spans))

    def _item(self, item: Item, index: int, first: int, width: int) -> list[TextLine]:
        """Return the lines of an item: what happened, its picture, what to do next."""
        here = index == self._chosen and self.has_focus
        background = "selected" if here else ""
        mark = self.glyphs.selected if here else " "
        color = _COLORS[item.severity]
        number = f"{mark}{index + 1} ".rjust(_INDENT)
        kind = "" if item.kind in ("hold", "wait", "resource") else f"{item.kind}: "
        possible = "" if item.certain else "possible "
        said = bool(kind) and item.in_opening
        heading = f"{possible}{kind}"
        text = item.title if said else f"{heading}{item.sentence}"
        heading = item.title if said else heading
        lines: list[tuple[Span, ...]] = []
        for part, line in enumerate(wrap(plain(text), width - _INDENT)):
            lead = number if not part else " " * _INDENT
            # The kind is in color, the sentence is not.
            kept = heading if not part and line.startswith(heading) else ""
            lines.append((Span(lead, color), Span(kept, color), Span(line[len(kept) :])))
        what = describe_history(item) if item.history else ""
        label = ", ".join(filter(None, [what, self._when(item)]))
        free = width - _INDENT - len(label) - 2
        picture = sparkline(
            item.history, min(60 if width >= _WIDE else 30, free), self.glyphs.heights
        )
        if label:
            gap = "  " if picture else ""
            lines.append((Span(" " * _INDENT + picture + gap, color), Span(label, "faint")))
        arrow = " " * _INDENT + "→ "
        for part, line in enumerate(wrap(plain(item.remedy), width - len(arrow))):
            lines.append((Span(arrow if not part else " " * len(arrow), "faint"), Span(line)))
        self._blocks.append((first, first + len(lines)))
        return [
            TextLine(tuple(span._replace(background=background) for span in spans), at=item.at)
            for spans in lines
        ]

    def _when(self, item: Item) -> str:
        """Return when it was worst, with the time of day to compare with a log."""
        if item.kind == "wait" or (item.kind == "resource" and not item.cost):
            return ""
        said = "most waited" if item.kind == "resource" else "worst"
        return f"{said} at {self.state.clock(item.at, 10**8)}{self.state.other_clock(item.at)}"

    def action_cursor(self, by: int) -> None:
        """Choose the next or previous item; scroll if there is none."""
        chosen = min(max(0, self._chosen + (1 if by > 0 else -1)), len(self._blocks) - 1)
        if not self._blocks or chosen == self._chosen:
            self.scroll_relative(y=by, animate=False, force=True)
        else:
            self._chosen = chosen
            self.redraw()

    def action_go(self) -> None:
        """Show the chosen item."""
        if self._blocks:
            self.post_message(self.Chosen(self._chosen))
        elif self.story is not None:
            self.post_message(self.StoryChosen())

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        line = -1 if offset is None else offset.y + self.scroll_offset.y
        for index, (first, end) in enumerate(self._blocks):
            if first <= line < end:
                self._chosen = index
                self.action_go()


def _wrapped(text: str, width: int, foreground: str) -> Iterator[TextLine]:
    for line in wrap(plain(text), width):
        yield TextLine.of(line, foreground)
