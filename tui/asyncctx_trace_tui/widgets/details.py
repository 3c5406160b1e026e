"""Everything that is known of the selected acquisition."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline import Acquisition, Phase
from asyncctx_trace.events import ErrorText, Outcome
from asyncctx_trace.export.surroundings import lifecycle_span
from asyncctx_trace_tui.moment import resource_name, task_name
from asyncctx_trace_tui.ruler import clock
from asyncctx_trace_tui.text import duration, plain
from asyncctx_trace_tui.widgets.page import Page, Piece, Words

__all__ = ["Details"]

_NAMES = {"enter": "waited", "body": "held", "exit": "cleaned up"}
_OUTCOMES = {
    Outcome.OK: "ok",
    Outcome.ERROR: "error",
    Outcome.CANCELLED: "cancelled",
    Outcome.TIMED_OUT: "timed out",
}


class Details(Page):
    """Phases with exact times, outcome, error, site, resource, parents and children."""

    def words(self) -> list[Words]:
        scene = self.scene
        timeline = scene.timeline
        row = scene.selected_row
        if row is None:
            return [Words.of("no acquisition is selected", "faint")]
        a = timeline.acquisition(row)
        resource = timeline.resources.get(a.resource)
        site = timeline.sites.get(a.site)
        lines = [
            _line("acquisition", f"{a.id}"),
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
            lines.append(_line("source", f"async with {site.text}:" if site.text else ""))
        lines.append(Words.of(""))
        lines += self._phase(a, "enter", a.enter_outcome, a.enter_error)
        lines += self._phase(a, "body", a.body_outcome, a.body_error)
        lines += self._phase(a, "exit", a.exit_outcome, a.exit_error)
        if a.suppressed:
            lines.append(_line("", "the exit suppressed the error of the body", "wait"))
        if a.exit_task != a.task:
            lines.append(_line("", f"cleaned up by {task_name(timeline, a.exit_task)}", "wait"))
        if scene.anchor is not None:
            span = f"{lifecycle_span(scene.anchor, a.id):016x}"
            lines.append(_line("span id", f"{span} wherever this recording is exported to"))
        return lines + self._family(a)

    def _phase(
        self, a: Acquisition, phase: Phase, outcome: Outcome | None, error: ErrorText | None
    ) -> list[Words]:
        span = a.span_of(phase, self.scene.now)
        name = _NAMES[phase]
        if span is None:
            return [_line(name, "not yet" if a.ended is None else "never", "faint")]
        start, end = span
        origin = self.scene.origin
        ending = clock(end - origin, 1) if outcome is not None else "now"
        words = f"{duration(end - start)}, from {clock(start - origin, 1)} to {ending}"
        said = "goes on" if outcome is None else _OUTCOMES[outcome]
        ink = "text" if outcome in (None, Outcome.OK) else "error"
        lines = [_line(name, f"{words} · {said}", ink, at=start)]
        if error is not None:
            lines.append(_line("", plain(f"{error.type}: {error.message}"), "error"))
        return lines

    def _family(self, a: Acquisition) -> list[Words]:
        timeline, case = self.scene.timeline, self.scene.case
        lines = [Words.of("")]
        parent = case.parent_of(a.row)
        if parent is not None:
            name = resource_name(timeline, timeline.resource[parent])
            lines.append(_line("within", name, row=parent))
        for child in timeline.rows_of_task.get(a.task, ()):
            if timeline.parent[child] == a.id:
                name = resource_name(timeline, timeline.resource[child])
                lines.append(_line("around", name, row=child))
        return lines


def _line(
    name: str, value: str, ink: str = "text", *, row: int | None = None, at: int | None = None
) -> Words:
    return Words((Piece(f"{name:>12}  ", "faint"), Piece(plain(value), ink)), row, at)
