"""A walk through moments of a recording, step by step, with the play head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.names import site_name
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.view.source_file import read_source
from asyncctx_trace_tui.view.state import ViewState
from asyncctx_trace_tui.view.time_axis.viewport import Viewport

__all__ = ["Moment", "Step", "Tour", "show_moment", "source_line"]

_LEAST_SHARE = 8
"""What is shown takes at least one part in so many of the width."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in a recording, and what is to be selected there."""

    at: int
    """Monotonic ns."""
    row: int | None = None
    """An acquisition."""
    wait: int | None = None
    """A row of the timeline's waits."""
    stall: int | None = None
    """The id of a stall."""
    resource: int | None = None
    site: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One stop of a tour."""

    text: str
    moment: Moment | None
    """``None`` as long as it has not been recorded."""
    advice: str = ""
    """What to do next."""


class Tour:
    """Steps that are walked through in either direction."""

    def __init__(
        self, title: str, steps: Callable[[], Sequence[Step]], *, index: int = 0, zoom: bool = False
    ) -> None:
        """``steps`` is called again for each step, because a recording may grow.

        ``zoom``: change the scale, so that what a step is about is seen.
        """
        self.title = title
        self.index = index
        self._steps = steps
        self._zoom = zoom

    @property
    def steps(self) -> Sequence[Step]:
        """All steps, as far as they are known."""
        return self._steps()

    @property
    def step(self) -> Step:
        """The current step."""
        return self.steps[self.index]

    def go(self, by: int, state: ViewState) -> bool:
        """Go ``by`` steps forward, and show the moment; returns whether there is such a step."""
        if not 0 <= self.index + by < len(self.steps):
            return False
        self.index += by
        moment = self.step.moment
        if moment is not None:
            show_moment(state, moment, zoom=self._zoom)
        return True


def show_moment(state: ViewState, moment: Moment, *, zoom: bool) -> None:
    """Move the play head to ``moment`` and select what it is about, so that it can be seen."""
    state.playback.pause()
    state.go(moment.at)
    if moment.stall is not None:
        state.select_stall(moment.stall)
    elif moment.row is not None:
        state.select_row(moment.row)
    elif moment.wait is not None:
        state.select_wait(moment.wait)
    elif moment.resource is not None:
        state.resource = moment.resource
    if zoom:
        _zoom_to(state, moment)


def _zoom_to(state: ViewState, moment: Moment) -> None:
    """Change the scale if what is selected is too short or too long to be seen."""
    timeline = state.timeline
    if moment.stall is not None:
        stall = next(each for each in state.stalls if each.started.stall == moment.stall)
        first, last = stall.since, stall.until
    elif moment.row is not None:
        first = timeline.enter_started[moment.row]
        ended = timeline.exit_ended[moment.row]
        if ended == NOT_YET:
            ended = timeline.enter_ended[moment.row] if not timeline.entered(moment.row) else 0
        last = ended if ended > first else state.now
    else:
        return
    length, viewport = last - first, state.viewport
    seen = viewport.shows(first) and viewport.shows(last - 1)
    if not seen or length < viewport.span // _LEAST_SHARE:
        margin = max(1, length * 3 // 2)
        fitted = Viewport.fitting(first - margin, last + margin, viewport.width)
        state.show_viewport(fitted.kept_near(state.origin, state.now))
    state.keep_head_in_view()


def source_line(state: ViewState, site: int | None) -> str:
    """Return a line of the program as ``app.py:12  async with lock:``; ``""`` if unknown."""
    known = None if site is None else state.timeline.sites.get(site)
    if site is None or known is None:
        return ""
    lines = read_source(known.file, known.digest).lines
    text = lines[known.line - 1].strip() if 0 < known.line <= len(lines) else known.text
    return f"{site_name(state.timeline, site)}  {plain(text)}".rstrip()
