"""The view of details: everything that is known about the selected acquisition."""

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


class Details(TextPage):
    """Phases with exact times, outcome, error, site, resource, parents and children."""

    _relatives: tuple[Hashable, int | None, list[int]] = (None, None, [])
    """The key of the acquisition, the row around it, the rows within it."""

    def lines(self) -> list[TextLine]:
        state = self.state
        timeline = state.timeline
        row = state.selected_row
        if row is None:
            return [TextLine.of("no acquisition is selected", "faint")]
        a = timeline.acquisition(row)
        resource = timeline.resources.get(a.resource)
        site = timeline.sites.get(a.site)
        lines = [
            _line("task", task_name(timeline, a.task)),
            _line("resource", resource_name(timeline, a.resource)),
        ]
        if resource is not None:
            capacity = "not known" if resource.capacity is None else str(resource.capacity)
            lines.append(_line("kind", f"{resource.kind}, capacity {capacity}"))
        lines.append(_line("manager", a.manager))
        if site is not None:
            within = f" in {site.function}" if site.function else ""
            lines.append(_line("site", f"{site.file}:{site.line}{within}"))
            lines.append(_line("source", _statement(site.text)))
        lines.append(TextLine.of(""))
        lines += self._phase(a, "enter", a.enter_outcome, a.enter_error)
        lines += self._phase(a, "body", a.body_outcome, a.body_error)
        lines += self._phase(a, "exit", a.exit_outcome, a.exit_error)
        if a.suppressed:
            lines.append(_line("", "the exit suppressed the error of the body", "wait"))
        if a.exit_task != a.task:
            lines.append(_line("", f"cleaned up by {task_name(timeline, a.exit_task)}", "wait"))
        lines += self._family(a)
        if state.anchor is not None:
            lines += self._spans(a, state.anchor)
        return lines

    def _phase(
        self, a: Acquisition, phase: Phase, outcome: Outcome | None, error: ErrorText | None
    ) -> list[TextLine]:
        span = a.span_of(phase, self.state.now)
        name = _NAMES[phase]
        if span is None:
            return [_line(name, "not yet" if a.ended is None else "never", "faint")]
        start, end = span
        ending = self.state.clock(end, 1) if outcome is not None else "now"
        times = f"{format_duration(end - start)}, from {self.state.clock(start, 1)} to {ending}"
        shown = "still going on" if outcome is None else _OUTCOMES[outcome]
        foreground = "text" if outcome in (None, Outcome.OK) else "error"
        lines = [_line(name, f"{times} · {shown}", foreground, at=start)]
        if error is not None:
            lines.append(_line("", plain(f"{error.type}: {error.message}"), "error"))
        return lines

    def _spans(self, a: Acquisition, anchor: Anchor) -> list[TextLine]:
        """Return the ids and attributes of its spans, as an export of this recording has them."""
        *phases, lifecycle = spans_of_acquisition(self.state.timeline, a.row, anchor)
        lines = [TextLine.of(""), _line("span id", f"{lifecycle.id:016x}")]
        lines += [_line(span.name, f"{span.id:016x}") for span in phases]
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
            lines.append(_line("", f"and {len(inner) - _SHOWN:,} more", "faint"))
        return lines

    def _relative(self, how: str, row: int) -> TextLine:
        timeline = self.state.timeline
        return _line(how, resource_name(timeline, timeline.resource[row]), row=row)


def _statement(text: str) -> str:
    """Return the first line of an ``async with``; Python 3.11 reports the whole statement."""
    if not text.startswith("async with "):
        return f"async with {text}:" if text else ""
    for colon in (place for place, sign in enumerate(text) if sign == ":"):
        with suppress(SyntaxError):
            ast.parse(f"async def f():\n {text[: colon + 1]} pass")
            return text[: colon + 1]
    return text


def _line(
    name: str,
    value: str,
    foreground: str = "text",
    *,
    row: int | None = None,
    at: int | None = None,
) -> TextLine:
    return TextLine((Span(f"{name:>12}  ", "faint"), Span(plain(value), foreground)), row, at)
