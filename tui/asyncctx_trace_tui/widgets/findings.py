"""What is worth telling, the gravest first, each leading to its place in time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from textwrap import wrap

from textual.app import ComposeResult
from textual.containers import Vertical

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.findings import Finding, Thresholds, find_in
from asyncctx_trace_tui.drawing import Glyphs
from asyncctx_trace_tui.ruler import clock
from asyncctx_trace_tui.scene import NOT_KNOWN, Scene
from asyncctx_trace_tui.widgets.page import Page, Piece, Words
from asyncctx_trace_tui.widgets.report import Report

__all__ = ["FindingList", "Findings"]

_INKS = {"error": "error", "warning": "wait", "note": "faint"}
_INDENT = 3
_SIGNS = {"error": "!!", "warning": "! ", "note": "· "}


class FindingList(Page):
    """Findings, the gravest first, each in a sentence."""

    def look(self) -> Hashable:
        self.scene.answer(_findings)  # asked for as long as they are seen
        return self.scene.answers.revision, self.size, self.cursor, self.has_focus

    def words(self) -> list[Words]:
        scene = self.scene
        found = scene.answer(_findings)
        if found is None:
            return [Words.of(NOT_KNOWN, "faint")]
        if not found:
            return [Words.of("nothing worth telling was found", "faint")]
        width = max(20, self.scrollable_content_region.width - _INDENT)
        return [words for each in found for words in self._told(each, width)]

    def _told(self, finding: Finding, width: int) -> Iterator[Words]:
        """A heading, then its sentence over as many lines as it takes."""
        row = finding.rows[0] if finding.rows else None
        since = clock(finding.at - self.scene.origin)
        heading = Piece(f"{_SIGNS[finding.severity]} {finding.kind}  ", _INKS[finding.severity])
        times = f"  {finding.count} times" if finding.count > 1 else ""
        yield Words((heading, Piece(since + times, "faint")), row, finding.at)
        for line in wrap(finding.summary, width):
            yield Words((Piece(" " * _INDENT + line),))


class Findings(Vertical):
    """The list above, the table below."""

    DEFAULT_CSS = """
    Findings { height: 1fr; }
    """

    def __init__(self, scene: Scene, glyphs: Glyphs) -> None:
        super().__init__(id="findings")
        self.scene = scene
        self.glyphs = glyphs

    def compose(self) -> ComposeResult:
        yield FindingList(self.scene, self.glyphs, id="finding-list")
        yield Report(self.scene, self.glyphs)


def _findings(case: Case) -> list[Finding]:
    return find_in(case, Thresholds())
