"""Everything that is known about a wait for something other than a manager, or about a stall."""

from __future__ import annotations

from asyncctx_trace.analysis.loop_stalls import Stall
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.text import plain
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine
from asyncctx_trace_tui.view.descriptions.wait_text import describe_length, waker_of
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["detail_line", "site_lines", "stall_details", "wait_details"]

_SHOWN = 20
"""Number of awaited tasks, and of frames, that are listed."""
_OUTCOMES = {Outcome.OK: "ok", Outcome.ERROR: "error", Outcome.CANCELLED: "cancelled"}


def detail_line(
    name: str,
    value: str,
    foreground: str = "text",
    *,
    row: int | None = None,
    at: int | None = None,
) -> TextLine:
    """Return a line with a name on the left, and what it leads to."""
    return TextLine((Span(f"{name:>12}  ", "faint"), Span(plain(value), foreground)), row, at)


def site_lines(state: ViewState, site: int, source: str | None = None) -> list[TextLine]:
    """Return file, line, function and source text of a site."""
    known = state.timeline.sites.get(site)
    if known is None:
        return []
    within = f" in {known.function}" if known.function else ""
    text = known.text if source is None else source
    return [
        detail_line("site", f"{known.file}:{known.line}{within}"),
        detail_line("source", text),
    ]


def wait_details(state: ViewState, wait: int) -> list[TextLine]:
    """Return what a task waits for, where, since when, for how long, and who ended it."""
    timeline = state.timeline
    waits = timeline.waits
    kind = WaitKind(waits.kind[wait])
    started, ended = waits.started[wait], waits.ended[wait]
    known = timeline.sites.get(waits.site[wait])
    lines = [
        detail_line("task", task_name(timeline, waits.task[wait])),
        detail_line("waits for", describe_subject(timeline, wait)),
        detail_line("kind", kind.label),
        *site_lines(state, waits.site[wait], f"await {known.text}" if known else None),
        TextLine.of(""),
    ]
    over = ended != NOT_YET
    until = state.clock(ended, 1) if over else "now"
    outcome = _OUTCOMES.get(Outcome(waits.outcome[wait]), "") if over else "still going on"
    length = describe_length(timeline, wait, state.now)
    times = f"{length}, from {state.clock(started, 1)} to {until} · {outcome}"
    fine = outcome != "error"
    lines.append(detail_line("waited", times, "text" if fine else "error", at=started))
    if over:
        waker = waker_of(timeline, wait)
        how = "cancelled by" if outcome == "cancelled" else "woken by"
        lines.append(detail_line(how, waker or "not known", at=ended))
    awaited = waits.tasks_awaited(wait)
    for task in awaited[:_SHOWN]:
        end = timeline.task_ended.get(task)
        seen = "has not ended" if end is None else f"ended by {state.clock(end)}"
        lines.append(detail_line("awaits", f"{task_name(timeline, task)}, {seen}", at=end))
    if len(awaited) > _SHOWN:
        lines.append(detail_line("", f"and {len(awaited) - _SHOWN:,} more tasks", "faint"))
    lane = state.tracks.lanes.get(waits.task[wait])
    for track in lane.tracks if lane is not None else ():
        row = track.row_at(started)
        if row is not None:
            within = resource_name(timeline, timeline.resource[row])
            lines.append(detail_line("within", within, row=row))
    return lines


def stall_details(state: ViewState, stall: Stall) -> list[TextLine]:
    """Return what blocked an event loop, since when, and for how long."""
    timeline, started = state.timeline, stall.started
    task = "a callback" if started.task is None else task_name(timeline, started.task)
    until = state.clock(stall.until, 1) if stall.ended else "now"
    times = f"{format_duration(stall.length)}, from {state.clock(stall.since, 1)} to {until}"
    lines = [
        TextLine((Span(f"{'blocked':>12}  ", "faint"), Span("the event loop", "error"))),
        detail_line("by", task),
        *(site_lines(state, started.site) if started.site is not None else ()),
        detail_line("for", times, at=stall.since),
    ]
    if stall.collections:
        count = f"{stall.collections} full garbage collections ran meanwhile"
        lines.append(detail_line("", count, "wait"))
    for number, (file, line, function) in enumerate(started.stack[:_SHOWN]):
        lines.append(detail_line("" if number else "stack", f"{file}:{line} in {function}"))
    if len(started.stack) > _SHOWN:
        lines.append(detail_line("", f"and {len(started.stack) - _SHOWN} more frames", "faint"))
    return lines
