"""The state shared by all views: timeline, play head, viewport, selection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.problems import Problem, problems
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.events import Event
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.recording.reading.batch import Batch
from asyncctx_trace_tui.storage.atomic_write import BackgroundSave
from asyncctx_trace_tui.view.filters import Predicate
from asyncctx_trace_tui.view.lanes.arrangement import Arrangement, Row
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.lanes.order import LaneOrder
from asyncctx_trace_tui.view.results.answers import Answers
from asyncctx_trace_tui.view.results.fault_marks import Faults, find_faults
from asyncctx_trace_tui.view.search import find_match, next_problem
from asyncctx_trace_tui.view.selection import Selection
from asyncctx_trace_tui.view.time_axis.playback import Playback
from asyncctx_trace_tui.view.time_axis.ticks import (
    DAY,
    clock,
    midnight_before,
    parse_clock,
    parse_time_of_day,
    time_of_day,
)
from asyncctx_trace_tui.view.time_axis.viewport import Viewport

__all__ = ["COMPUTING", "ViewState"]

_LIVE_SPAN = 10_000_000_000
"""The initial span of the viewport while a program runs, in ns."""
COMPUTING = "computing…"
"""Shown in place of an answer that is not known yet."""

T = TypeVar("T")


class ViewState(Selection):
    """The state of the app over one recording. It does not know Textual."""

    def __init__(self, *, following: bool, speed: float = 1.0) -> None:
        super().__init__(Playback(speed=speed))
        self.answers = Answers(self.timeline)
        self.viewport = Viewport(0, 1, 80)
        self.live = following
        """Whether the program still writes to the recording."""
        self.exit_code: int | None = None
        self.lane_order = LaneOrder()
        self.marks: dict[str, int] = {}
        """Mark (``A``, ``B``) -> its time."""
        self.anchor: Anchor | None = None
        """Converts to times of day, if known."""
        self.wall_start: float | None = None
        """The time of day at the origin, in seconds since 1970."""
        self.midnight: int | None = None
        """The local midnight before the origin, on the clock of the recording, if known."""
        self.shows_time_of_day = False
        """Whether times are shown as local times of day instead of since the start."""
        self.following_head = True
        """Whether the viewport follows the play head."""
        self._following = following
        self.saving: BackgroundSave | None = None
        """The file that is being written, if any."""
        self.behind = True
        """Whether the recording contains more than has been read."""
        self._problem: Problem | None = None
        """The problem that the play head was last moved to."""
        self._problem_text = ""
        """Its number and description."""
        self._begun = False
        self._viewport_chosen = False
        """Whether the user has chosen the viewport."""
        self._named: tuple[object, int] = (None, 0)
        self._zero: int | None = None
        """The time of the first event that was ever read, in ns."""

    @property
    def origin(self) -> int:
        """The time that all displayed times count from, in ns."""
        return self.timeline.start or 0

    @property
    def zero(self) -> int:
        """The time that displayed times count from: the first event, or midnight.

        The first event of a ring is still zero after it has been given up.
        """
        if self.shows_time_of_day and self.midnight is not None:
            return self.midnight
        return self.origin if self._zero is None else self._zero

    def label(self, ns: int, precision: int = 1_000_000) -> str:
        """Format a time since :attr:`zero`; ``precision`` is in ns."""
        by_day = self.shows_time_of_day and self.midnight is not None
        return (time_of_day if by_day else clock)(ns, precision)

    def clock(self, at: int, precision: int = 1_000_000) -> str:
        """Format a time as it is displayed: since the start, or as a time of day."""
        return self.label(at - self.zero, precision)

    def other_clock(self, at: int) -> str:
        """Return the time of day if :meth:`clock` counts from the start, and the reverse.

        It is in brackets, and empty if the time of day is not known.
        """
        if self.midnight is None:
            return ""
        if self.shows_time_of_day:
            return f" ({clock(at - (self.origin if self._zero is None else self._zero), 10**7)})"
        return f" ({time_of_day(at - self.midnight, 10**9)})"

    def time_at(self, text: str) -> int | None:
        """Return the time that ``15:04:05`` or ``1:20`` stands for, ``None`` if it is invalid.

        It is a time of day if that is within the recording, else a time since the start.
        """
        of_day = parse_time_of_day(text)
        if of_day is not None and self.midnight is not None:
            days = max(0, -(-(self.origin - self.midnight - of_day) // DAY))
            at = self.midnight + of_day + days * DAY
            if at <= self.now:
                return at
        since_start = parse_clock(text)
        return None if since_start is None else self.origin + since_start

    def set_wall_clock(self, wall_ns: int) -> None:
        """Set the time of day at the origin, in ns since 1970."""
        self.wall_start = wall_ns / 1e9
        self.midnight = self.origin - (wall_ns - midnight_before(wall_ns))

    @property
    def loading(self) -> bool:
        """Whether the recording is still being read for the first time."""
        return self.behind and not self._begun

    def feed(self, events: Batch | list[Event], clock: int, live: bool) -> None:
        """Add ``events`` read at the time ``clock``; ``live``: the program still writes."""
        timeline = self.timeline
        timeline.extend(events)
        if not self.loading:
            self.tracks.update()
        for ended in timeline.process_ended if len(events) else ():
            if ended.exit_code is not None:
                self.exit_code = ended.exit_code
        if timeline.start is None or timeline.end is None:
            self.live = live
            return
        if self._zero is None:
            self._zero = timeline.start
        # A clock behind the events is that of another machine or another boot.
        before, self.live = self.live, live and clock >= timeline.end
        self.now = clock if self.live and not self.behind else timeline.end
        self.answers.update(self.now, self.live, growing=live or self.behind)
        self.playback.extend(timeline.start, self.now)
        if not self._begun and not self.behind:
            self._begin()
        elif before and not self.live and not self._viewport_chosen:
            self.fit()  # the program has ended: show everything, unless a viewport was chosen
        if self.task is None and self.tracks.lanes:
            self.task = next(iter(self.tracks.lanes))

    def replace(self, timeline: Timeline) -> None:
        """Show ``timeline``: the recording without what a ring has given up meanwhile."""
        shown = None if self.row is None else self.timeline.id[self.row]
        revisions = self.tracks.revision, self.answers.revision
        self.timeline = timeline
        self.tracks = LaneSet(timeline)
        self.answers = Answers(timeline)
        self.tracks.update()
        self.tracks.revision += revisions[0] + 1
        self.answers.revision += revisions[1] + 1
        self.lane_order.start_again()
        self.row = self.wait = self.stall = None
        self._stalls = (), []
        with suppress(ValueError):
            self.row = None if shown is None else timeline.id.index(shown)
        if self.resource not in timeline.rows_of_resource:
            self.resource = None
        if self.task not in self.tracks.lanes:
            self.task = next(iter(self.tracks.lanes), None)

    def _begin(self) -> None:
        self._begun = True
        if self._following:
            first, last = self.origin, max(self.now, self.origin + _LIVE_SPAN)
            self.viewport = Viewport.fitting(first, last, self.viewport.width)
            self.playback.follow()
        else:
            self.fit()
            self.playback.go(self.origin)
            self.playback.play()

    def resize(self, width: int) -> None:
        """Set the width in columns; the visible time stays visible."""
        width = max(1, width)
        before = self.viewport
        if width != before.width:
            middle = before.start + before.span - 1
            self.viewport = Viewport.fitting(before.start, middle, width)

    def advance(self, clock: int) -> None:
        """Advance the play head, and the viewport with it, to the real time ``clock``."""
        moving = self.playback.playing or self.playback.following
        self.playback.advance(clock)
        if moving and self.following_head:
            self.keep_head_in_view()

    def keep_head_in_view(self) -> None:
        """Move the viewport as little as needed to show the play head with a margin."""
        self.following_head = True
        viewport, at = self.viewport, self.playback.at
        # At the ends of the recording no margin is needed.
        ends = self.origin if at < viewport.start + viewport.span // 2 else self.now
        margin = 0 if viewport.shows(ends) and viewport.shows(at) else max(1, viewport.width // 20)
        self.viewport = viewport.following(at, margin)

    def go(self, at: int) -> None:
        """Move the play head to ``at``, clear the selection, and keep the play head in view."""
        self.clear_selection()
        self.playback.go(at)
        self.keep_head_in_view()

    def step(self, by: int) -> bool:
        """Move the play head to the next event, or the previous one if ``by`` is negative.

        Returns whether there was one.
        """
        self.clear_selection()
        found = self.playback.step(self.timeline.facts, by)
        self.keep_head_in_view()
        return found

    def nudge(self, columns: int) -> None:
        """Move the play head by a number of columns."""
        self.playback.pause()
        self.go(self.playback.at + columns * self.viewport.per_column)

    def zoom(self, by: int, around: int | None = None) -> None:
        """Zoom in if ``by`` is positive, else out, around a time (default: the play head)."""
        self._viewport_chosen = True
        around = self.playback.at if around is None else around
        if not self.viewport.shows(around):
            self.viewport = self.viewport.around(around)
        move = self.viewport.zoomed_in if by > 0 else self.viewport.zoomed_out
        whole = Viewport.fitting(self.origin, self.now, self.viewport.width)
        if by > 0 or self.viewport.per_column < 4 * whole.per_column:
            self.viewport = move(around)

    def pan(self, columns: int) -> None:
        """Scroll the viewport without moving the play head."""
        self._viewport_chosen = True
        self.following_head = False
        self.viewport = self.viewport.panned(columns).kept_near(self.origin, self.now)

    def fit(self) -> None:
        """Show the whole recording."""
        self.viewport = Viewport.fitting(self.origin, self.now, self.viewport.width)

    def show_viewport(self, viewport: Viewport) -> None:
        """Show ``viewport``, as if the user had chosen it."""
        self._viewport_chosen = True
        self.viewport = viewport

    @property
    def longest_name(self) -> int:
        """The length of the longest name of a lane, a group or a resource."""
        timeline, arrangement = self.timeline, self.arrangement
        named = timeline.rows_of_resource
        known = arrangement, len(timeline.tasks), len(timeline.resources), len(named)
        if known != self._named[0]:
            names = arrangement.names(timeline)
            names += [r.name for id, r in timeline.resources.items() if id in named]
            self._named = known, max(map(len, names), default=0)
        return self._named[1]

    # -- selection --------------------------------------------------------------------------

    @property
    def arrangement(self) -> Arrangement:
        """The lanes to show, from top to bottom."""
        return self.lane_order.arrange(self.tracks, self.now)

    def row_of(self, task: int) -> Row | None:
        """Return the row that shows a task, if any."""
        return self.arrangement.row_of(task)

    def select_task(self, by: int) -> None:
        """Select a task ``by`` rows below the selected one, or above if negative.

        In a row of several tasks, it is the one at the play head.
        """
        rows = self.arrangement.rows
        if rows:
            here = None if self.task is None else self.arrangement.row_of(self.task)
            index = rows.index(here) + by if here is not None else 0
            row = rows[min(max(index, 0), len(rows) - 1)]
            self.row = self.wait = self.stall = None
            self.task = row.task_at(self.playback.at)

    # -- answers ----------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that :meth:`answer` is about; it may be some seconds old while live."""
        return self.answers.snapshot

    def answer(self, question: Callable[[Snapshot], T]) -> T | None:
        """Return the answer of analysis to ``question``, or ``None`` while it is computed."""
        return self.answers.ask(question)

    @property
    def faults(self) -> Faults:
        """The deadlocks and leaks, as far as they are known."""
        return self.answer(find_faults) or Faults((), ())

    def jump_to_problem(self, by: int) -> str:
        """Go to the next problem, or the previous one if ``by`` is negative; wraps around.

        Returns why there is none, or else ``""``; see :attr:`problem_text`.
        """
        found = self.answer(problems)
        if found is None:
            return COMPUTING
        if not found:
            return "no problems so far" if self.live else "no problems"
        number, total, problem = next_problem(found, self._problem, self.playback.at, by)
        self._problem = problem
        self.playback.pause()
        self.go(problem.at)
        if problem.stall is not None:
            self.select_stall(problem.stall)
        elif problem.row is not None:
            self.select_row(problem.row)
        elif problem.task in self.tracks.lanes:
            self.task = problem.task
        self._problem_text = f"{number} of {total}: {problem.description}"
        return ""

    @property
    def problem_text(self) -> str:
        """The number and description of the problem at the play head, if it was moved to one."""
        here = self._problem is not None and self._problem.at == self.playback.at
        return self._problem_text if here else ""

    def step_among(self, rows: Iterable[int], by: int, others: Iterable[int] = ()) -> bool:
        """Move the play head to the next or previous event of these acquisitions.

        ``others``: further times. Returns whether there was one.
        """
        found = self.playback.step(sorted({*self.event_times(rows), *others}), by)
        self.keep_head_in_view()
        return found

    def find(self, matches: Predicate, matches_wait: Predicate, by: int) -> bool:
        """Select the next or previous acquisition or wait that matches, and go to its start.

        Returns whether there was one; the search wraps around.
        """
        found = find_match(self, matches, matches_wait, by)
        if found is None:
            return False
        at, is_wait, row = found
        self.playback.pause()
        self.go(at)
        (self.select_wait if is_wait else self.select_row)(row)
        return True

    def mark(self) -> str:
        """Set mark A, then B, at the play head; a third mark starts again. Returns its letter."""
        if len(self.marks) == 2:
            self.marks.clear()
        letter = "B" if "A" in self.marks else "A"
        self.marks[letter] = self.playback.at
        return letter

    def fit_selection(self) -> None:
        """Show the time between the marks, or else the selected wait or acquisition."""
        if len(self.marks) == 2:
            first, last = sorted(self.marks.values())
        elif self.row is None and (wait := self.selected_wait) is not None:
            first = self.timeline.waits.started[wait]
            last = self.timeline.waits.ended[wait]
            last = self.now if last == NOT_YET else last
        elif (row := self.selected_row) is not None:
            first = self.timeline.enter_started[row]
            last = self.timeline.acquisition(row).ended or self.now
        else:
            return
        self._viewport_chosen = True
        margin = max(1, (last - first) // 20)
        self.following_head = False
        self.viewport = Viewport.fitting(first - margin, last + margin, self.viewport.width)
