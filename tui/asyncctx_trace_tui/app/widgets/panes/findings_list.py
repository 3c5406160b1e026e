"""The view of findings: the verdict, the groups of findings, the tables of the report."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from textwrap import wrap

from textual.app import ComposeResult
from textual.containers import Vertical

from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.findings import Thresholds, find_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.culprit import culprit_of
from asyncctx_trace.analysis.summary.grouping import FindingGroup, group_findings
from asyncctx_trace.analysis.summary.resource_groups import group_resources
from asyncctx_trace.analysis.summary.verdict import Headline, headline
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.panes.report_table import Report
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import COMPUTING, ViewState

__all__ = ["FindingList", "Findings"]

_COLORS = {"error": "error", "warning": "wait", "note": "faint"}
_INDENT = 3
_SCROLLBAR = 1
"""Width of the scrollbar, which is not part of the region before the lines are known."""
_SIGNS = {"error": "!!", "warning": "! ", "note": "· "}


class FindingList(TextPage):
    """The verdict, then the groups of findings, most severe first, with their consequences."""

    def render_key(self) -> Hashable:
        self.state.answer(_verdict)  # keep asking while the view is visible
        return self.state.answers.revision, self.size, self.cursor, self.has_focus, self.state.zero

    def lines(self) -> list[TextLine]:
        result = self.state.answer(_verdict)
        if result is None:
            return [TextLine.of(COMPUTING, "faint")]
        first, groups, row, at = result
        width = max(20, self.scrollable_content_region.width - _INDENT - _SCROLLBAR)
        lines = [TextLine.of(line, row=row, at=at) for line in wrap(plain(first.sentence), width)]
        for group in groups:
            lines += self._group_lines(group, width, has_sentence=group is not first.group)
        return lines

    def _group_lines(
        self, group: FindingGroup, width: int, *, has_sentence: bool
    ) -> Iterator[TextLine]:
        """Yield a heading, the wrapped sentence if ``has_sentence``, and the consequences."""
        shown = group.findings[0]
        row = shown.rows[0] if shown.rows else None
        since = self.state.clock(group.first)
        heading = Span(f"{_SIGNS[group.severity]} {group.kind}  ", _COLORS[group.severity])
        times = f"  {group.count:,} times" if group.count > 1 else ""
        certainty = "" if group.certainty == "certain" else "  possible"
        yield TextLine((heading, Span(since + times + certainty, "faint")), row, shown.at)
        for line in wrap(plain(group.sentence), width) if has_sentence else []:
            yield TextLine((Span(" " * _INDENT + line),))
        for effect in group.consequences:
            first = effect.findings[0]
            sentence = f"follows from it: {effect.kind}, {effect.count:,} times"
            yield TextLine(
                (Span(" " * _INDENT + sentence, "faint"),),
                first.rows[0] if first.rows else None,
                first.at,
            )


class Findings(Vertical):
    """The list of findings above a table of the report."""

    DEFAULT_CSS = """
    Findings { height: 1fr; }
    """

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="findings")
        self.state = state
        self.glyphs = glyphs

    def compose(self) -> ComposeResult:
        yield FindingList(self.state, self.glyphs, id="finding-list")
        yield Report(self.state, self.glyphs)


def _verdict(snapshot: Snapshot) -> tuple[Headline, list[FindingGroup], int | None, int | None]:
    """Return the headline, all groups, and the acquisition and time of the headline."""
    groups = group_findings(snapshot, find_in(snapshot, Thresholds()))
    resources = group_resources(snapshot, list(snapshot.timeline.rows_of_resource))
    blames = {resource: blame(snapshot, resource) for resource in snapshot.limited}
    culprit = culprit_of(snapshot, blames, resources)
    first = headline(snapshot, groups, culprit)
    if first.group is not None:
        worst = first.group.findings[0]
        return first, groups, worst.rows[0] if worst.rows else None, worst.at
    if culprit is None:
        return first, groups, None, None
    return first, groups, culprit.row, snapshot.timeline.enter_ended[culprit.row]
