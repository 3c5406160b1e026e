"""The view of details: everything about the selected acquisition, wait or stall."""

from __future__ import annotations

import ast
import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Hashable
from contextlib import suppress

from asyncctx_trace.analysis.timeline.table import Acquisition, Phase
from asyncctx_trace.export.acquisition_spans import spans_of_acquisition
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import ErrorText, Outcome
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.text import plain
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace_tui.app.widgets.panes.wait_details import (
    detail_line,
    site_lines,
    stall_details,
    wait_details,
)
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage

__all__ = ["Details"]

_NAMES = {"enter": "waited", "body": "held", "exit": "cleaned up"}
_SHOWN = 20
"""Number of nested acquisitions that are listed."""
_OUTCOMES = {
    Outcome.OK: "ok",
    Outcome.ERROR: "error",
    Outcome.CANCELLED: "cancelled",
    Outcome.TIMED_OUT: "timed out",
}


_NOTHING_YET = (
    "nothing has been recorded yet: here are the exact times, errors and spans of what is selected"
)


class Details(TextPage):
    """Phases with exact times, outcome, error, site, resource, parents and children."""

    _relatives: tuple[Hashable, int | None, list[int]] = (None, None, [])
    """The key of the acquisition, the row around it, the rows within it."""

    def lines(self) -> list[TextLine]:
        """Return what is selected; if it is the play head, all that goes on there."""
        state = self.state
        wait, stall, row = state.selected_wait, state.selected_stall, state.selected_row
        parts: list[list[TextLine]] = []
        if stall is not None and (state.stall is not None or stall.started.task == state.task):
            parts.append(stall_details(state, stall))
        if wait is not None:
            parts.append(wait_details(state, wait))
        if row is not None and state.wait is None and state.stall is None:
            parts.insert(0 if state.row is not None else len(parts), self._acquisition(row))
        if not parts:
            return [TextLine.of(_NOTHING_YET, "faint")]
        lines = parts[0]
        for part in parts[1:]:
            lines += [TextLine.of(""), *part]
        return lines

    def _acquisition(self, row: int) -> list[TextLine]:
        state, timeline = self.state, self.state.timeline
        a = timeline.acquisition(row)
        resource = timeline.resources.get(a.resource)
        site = timeline.sites.get(a.site)
        text = _statement(site.text) if site is not None else ""
        lines = [
            detail_line("task", task_name(timeline, a.task)),
            detail_line("resource", resource_name(timeline, a.resource)),
        ]
        if resource is not None:
            capacity = "not known" if resource.capacity is None else str(resource.capacity)
            lines.append(detail_line("kind", f"{resource.kind}, capacity {capacity}"))
        lines.append(detail_line("manager", a.manager))
        lines += site_lines(state, a.site, text)
        lines.append(TextLine.of(""))
        lines += self._phase(a, "enter", a.enter_outcome, a.enter_error)
        lines += self._phase(a, "body", a.body_outcome, a.body_error)
        lines += self._phase(a, "exit", a.exit_outcome, a.exit_error)
        if a.suppressed:
            lines.append(detail_line("", "the exit suppressed the error of the body", "wait"))
        if a.exit_task != a.task:
            did = "left" if a.resource in state.tracks.groups else "cleaned up"
            lines.append(detail_line("", f"{did} by {task_name(timeline, a.exit_task)}", "wait"))
        lines += self._family(a)
        if state.anchor is not None:
            lines += self._spans(a, state.anchor)
        return lines

    def _phase(
        self, a: Acquisition, phase: Phase, outcome: Outcome | None, error: ErrorText | None
    ) -> list[TextLine]:
        span = a.span_of(phase, self.state.now)
        is_group = phase == "exit" and a.resource in self.state.tracks.groups
        name = "children" if is_group else _NAMES[phase]
        if span is None:
            return [detail_line(name, "not yet" if a.ended is None else "never", "faint")]
        start, end = span
        ending = self.state.clock(end, 1) if outcome is not None else "now"
        times = f"{format_duration(end - start)}, from {self.state.clock(start, 1)} to {ending}"
        shown = "still going on" if outcome is None else _OUTCOMES[outcome]
        foreground = "text" if outcome in (None, Outcome.OK) else "error"
        lines = [detail_line(name, f"{times} · {shown}", foreground, at=start)]
        if error is not None:
            lines.append(detail_line("", plain(f"{error.type}: {error.message}"), "error"))
        return lines

    def _spans(self, a: Acquisition, anchor: Anchor) -> list[TextLine]:
        """Return the ids and attributes of its spans, as an export of this recording has them."""
        *phases, lifecycle = spans_of_acquisition(self.state.timeline, a.row, anchor)
        lines = [TextLine.of(""), detail_line("span id", f"{lifecycle.id:016x}")]
        lines += [detail_line(span.name, f"{span.id:016x}") for span in phases]
        lines.append(TextLine.of(""))
        for name, value in lifecycle.attributes.items():
            shown = json.dumps(value, ensure_ascii=False)
            lines.append(TextLine((Span(f"  {name} = ", "faint"), Span(plain(shown)))))
        return lines

    def _family(self, a: Acquisition) -> list[TextLine]:
        timeline = self.state.timeline
        its = timeline.rows_of_task.get(a.task, array("q"))
        here = bisect_left(its, a.row)
        ended = self.state.now if a.ended is None else a.ended
        until = bisect_right(its, ended, lo=here, key=timeline.enter_started.__getitem__)
        if self._relatives[0] != (a.row, until):
            outer = None
            with suppress(ValueError):  # no parent, or it started before the recording
                outer = timeline.id.index(a.parent or 0)
            inner = [row for row in its[here + 1 : until] if timeline.parent[row] == a.id]
            self._relatives = (a.row, until), outer, inner
        _, outer, inner = self._relatives
        lines = [TextLine.of("")]
        if outer is not None:
            lines.append(self._relative("within", outer))
        lines += [self._relative("around", row) for row in inner[:_SHOWN]]
        if len(inner) > _SHOWN:
            lines.append(detail_line("", f"and {len(inner) - _SHOWN:,} more", "faint"))
        return lines

    def _relative(self, how: str, row: int) -> TextLine:
        timeline = self.state.timeline
        return detail_line(how, resource_name(timeline, timeline.resource[row]), row=row)


def _statement(text: str) -> str:
    """Return the first line of an ``async with``; Python 3.11 reports the whole statement."""
    if not text.startswith("async with "):
        return f"async with {text}:" if text else ""
    for colon in (place for place, sign in enumerate(text) if sign == ":"):
        with suppress(SyntaxError):
            ast.parse(f"async def f():\n {text[: colon + 1]} pass")
            return text[: colon + 1]
    return text
