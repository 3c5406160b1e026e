"""The view of cleanup: the open acquisitions of a task, and its exits in order."""

from __future__ import annotations

from heapq import nlargest

from asyncctx_trace.analysis.cleanup import Unwinding, unwindings
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Acquisition
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.names import error_summary, resource_name, task_name
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage
from asyncctx_trace_tui.view.state import COMPUTING

__all__ = ["Cleanup"]

_SHOWN = 30
"""Number of past exits that are listed."""
_SLOWEST = 10
"""Number of the slowest exits of the run that are listed."""
_EMPTY = 5
"""Number of lines if the task has neither something open nor an exit."""
_ERROR_WIDTH = 80
"""The largest width of an error, in cells."""
_NOTHING_YET = (
    "nothing has been recorded yet: here is what the selected task has to clean up, and in which "
    "order it did"
)


class Cleanup(TextPage):
    """The stack of open acquisitions, innermost first; then the exits, numbered in order."""

    def lines(self) -> list[TextLine]:
        state = self.state
        if state.task is None:
            return [TextLine.of(_NOTHING_YET, "faint")]
        name = task_name(state.timeline, state.task)
        at = min(state.playback.at, state.snapshot.now)
        found = state.answer(_all_unwindings)
        if found is None:
            return [TextLine.of(COMPUTING, "faint")]
        opened = [state.timeline.acquisition(row) for row in state.snapshot.held_by(state.task, at)]
        lines = [TextLine.of(f"Open in {name}, innermost first", "faint")]
        lines += [self._open(each, at) for each in reversed(opened)]
        if not opened:
            lines.append(TextLine.of("nothing is open", "text"))
        lines += [
            TextLine.of(""),
            TextLine.of(f"Cleaned up by {name}, latest first", "faint"),
        ]
        lines += self._exits(state.task, at, found)
        return lines if opened or len(lines) > _EMPTY else lines + self._slowest()

    def _slowest(self) -> list[TextLine]:
        """Return the slowest exits of the run, as the task has none to show."""
        state, slowest = self.state, self.state.answer(_slowest_exits)
        if not slowest:
            return []
        lines = [TextLine.of(""), TextLine.of("The slowest cleanups of the run", "faint")]
        for row in slowest:
            a = state.timeline.acquisition(row)
            took = format_duration((a.exit_ended or state.snapshot.now) - (a.exit_started or 0))
            spans = (
                Span(f"{task_name(state.timeline, a.exit_task)} cleaned up "),
                Span(f"`{resource_name(state.timeline, a.resource)}`"),
                Span(f" in {took} at {state.snapshot.site_label(a.site)}"),
            )
            lines.append(TextLine(spans, row=row, at=a.exit_started))
        return lines

    def _open(self, a: Acquisition, at: int) -> TextLine:
        timeline = self.state.timeline
        what = resource_name(timeline, a.resource)
        since = format_duration(at - (a.enter_ended or a.enter_started))
        leaving = a.phase_at(at) == "exit"
        of_group = timeline.is_group(a.resource)
        glyph, foreground = (
            (self.glyphs.full[2], "cleanup")
            if leaving and not of_group
            else (self.glyphs.full[1], "hold")
        )
        waiting = " · waits for its children" if leaving and of_group else ""
        spans = [
            Span("   " * a.depth + glyph + " ", foreground),
            Span(what),
            Span(f"  {since} so far{waiting} · {self.state.snapshot.site_label(a.site)}", "faint"),
        ]
        if leaving and a.body_error is not None:
            spans.append(Span(f"  {error_summary(a.body_error, _ERROR_WIDTH)}", "error"))
        return TextLine(tuple(spans), row=a.row)

    def _exits(self, task: int, at: int, found: list[Unwinding]) -> list[TextLine]:
        state = self.state
        timeline = state.timeline
        done = [row for started, row in state.snapshot.exits.get(task, []) if started <= at]
        if not done:
            return [TextLine.of("nothing yet", "text")]
        expected = {
            row: expected
            for unwinding in found
            if unwinding.task == task and not unwinding.in_order
            for row, expected in zip(unwinding.left, reversed(unwinding.entered), strict=True)
        }
        lines = []
        for number, row in reversed(list(enumerate(done, 1))[-_SHOWN:]):
            a = timeline.acquisition(row)
            lines.append(self._exit(number, a, at, expected.get(row)))
        return lines

    def _exit(self, number: int, a: Acquisition, at: int, expected: int | None) -> TextLine:
        state = self.state
        timeline = state.timeline
        started = a.exit_started or 0
        of_group = timeline.is_group(a.resource)
        if a.exit_ended is None or a.exit_ended > at:
            took = f"for {format_duration(at - started)} so far"
            took = f"waits for its children {took}" if of_group else took
        else:
            took = format_duration(a.exit_ended - started)
            took = f"waited for its children for {took}" if of_group else f"in {took}"
        spans = [
            Span(f"{number:>4}  ", "head"),
            Span(f"{state.clock(started)}  ", "faint"),
            Span(resource_name(timeline, a.resource)),
            Span(f"  {took}", "faint"),
        ]
        if expected is not None and expected != a.row:
            name = resource_name(timeline, timeline.resource[expected])
            spans.append(Span(f"  expected here: {name}", "wait"))
        if a.body_error is not None:
            error = error_summary(a.body_error, _ERROR_WIDTH)
            spans.append(Span(f"  error passing through: {error}", "cancelled"))
        if a.suppressed:
            spans.append(Span("  suppressed", "wait"))
        if a.exit_outcome not in (None, Outcome.OK) and a.exit_error is not None:
            error = error_summary(a.exit_error, _ERROR_WIDTH)
            spans.append(Span(f"  failed: {error}", "error"))
        return TextLine(tuple(spans), row=a.row, at=started if started != NOT_YET else None)


def _all_unwindings(snapshot: Snapshot) -> list[Unwinding]:
    _ = snapshot.exits, snapshot.parents  # compute them here, on the background thread
    return list(unwindings(snapshot))


def _slowest_exits(snapshot: Snapshot) -> list[int]:
    """Return the acquisitions whose exits took longest; those of task groups wait for tasks."""
    timeline = snapshot.timeline
    groups = set(filter(timeline.is_group, timeline.rows_of_resource))
    rows = (row for row in range(len(timeline)) if timeline.resource[row] not in groups)
    slowest = nlargest(_SLOWEST, rows, key=snapshot.exit_length)
    return [row for row in slowest if snapshot.exit_length(row)]
