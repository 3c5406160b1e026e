"""What is being looked at: the timeline so far, the play head, the window, the selection."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TypeVar

from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.events import Event
from asyncctx_trace.recording.batch import Batch
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace_tui.storage.atomic_write import BackgroundSave
from asyncctx_trace_tui.view.answers import Answers
from asyncctx_trace_tui.view.filters import Predicate
from asyncctx_trace_tui.view.lanes.lane_set import Lane, LaneSet
from asyncctx_trace_tui.view.lanes.order import LaneOrder
from asyncctx_trace_tui.view.playback import Playback
from asyncctx_trace_tui.view.problems import problems
from asyncctx_trace_tui.view.viewport import Viewport

__all__ = ["COMPUTING", "ViewState"]

_LIVE_SPAN = 10_000_000_000
"""How much time is in view at first while a program runs, in ns."""
COMPUTING = "computing…"
"""Stands where an answer is still missing."""

T = TypeVar("T")


class ViewState:
    """The one state that all views of the app share; knows no screen."""

    def __init__(self, *, following: bool, speed: float = 1.0) -> None:
        self.timeline = Timeline()
        self.tracks = LaneSet(self.timeline)
        self.answers = Answers(self.timeline)
        self.playback = Playback(speed=speed)
        self.viewport = Viewport(0, 1, 80)
        self.live = following
        """Whether a program still writes."""
        self.now = 0
        """Until when acquisitions in flight are known to be so."""
        self.exit_code: int | None = None
        self.lane_order = LaneOrder()
        self.task: int | None = None
        """The selected task."""
        self.row: int | None = None
        """The acquisition that was chosen, ``None`` for the one at the play head."""
        self.resource: int | None = None
        """The resource that was chosen, ``None`` for the selected acquisition's."""
        self.marks: dict[str, int] = {}
        """``A`` and ``B``."""
        self.anchor: Anchor | None = None
        """The recording's, where it is one of ours."""
        self.wall_start: float | None = None
        """Seconds since 1970 at the origin."""
        self.following_head = True
        """Whether the window goes with the play head."""
        self._following = following
        self.saving: BackgroundSave | None = None
        """What is being written to a file."""
        self.behind = True
        """Whether there is more to read than was read so far."""
        self._begun = False
        self._viewport_chosen = False
        """Whether the viewer chose which window to see."""
        self._named: tuple[tuple[int, ...], int] = ((), 0)

    @property
    def origin(self) -> int:
        """The time that all clocks on the screen count from."""
        return self.timeline.start or 0

    @property
    def loading(self) -> bool:
        """Whether there is nothing to look at yet, but only something to read."""
        return self.behind and not self._begun

    def feed(self, events: Batch | list[Event], clock: int, live: bool) -> None:
        """The recording as it is at ``clock``: what has come, whether one still writes."""
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
        # A clock behind the facts is another machine's, or of another boot.
        before, self.live = self.live, live and clock >= timeline.end
        self.now = clock if self.live and not self.behind else timeline.end
        self.answers.see(self.now, self.live, growing=live or self.behind)
        self.playback.extend(timeline.start, self.now)
        if not self._begun and not self.behind:
            self._begin()
        elif before and not self.live and not self._viewport_chosen:
            self.fit()  # it is over: show all of it, unless the viewer chose what to see
        if self.task is None and self.tracks.lanes:
            self.task = next(iter(self.tracks.lanes))

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
        """The timeline is now ``width`` columns wide; what was all in view stays so."""
        width = max(1, width)
        before = self.viewport
        if width != before.width:
            middle = before.start + before.span - 1
            self.viewport = Viewport.fitting(before.start, middle, width)

    def advance(self, clock: int) -> None:
        """Real time is now ``clock``: the play head moves, and the window with it."""
        moving = self.playback.playing or self.playback.following
        self.playback.advance(clock)
        if moving and self.following_head:
            self.keep_head_in_view()

    def keep_head_in_view(self) -> None:
        """Move the window by as little as shows the play head with some room around it."""
        self.following_head = True
        viewport, at = self.viewport, self.playback.at
        # Where the recording ends there is nothing more to see, so no need for room.
        ends = self.origin if at < viewport.start + viewport.span // 2 else self.now
        margin = 0 if viewport.shows(ends) and viewport.shows(at) else max(1, viewport.width // 20)
        self.viewport = viewport.following(at, margin)

    def go(self, at: int) -> None:
        """Put the play head at ``at`` and have it in view; what is there is selected."""
        self.row = self.resource = None
        self.playback.go(at)
        self.keep_head_in_view()

    def step(self, by: int) -> bool:
        """The play head goes to the next fact, with ``by`` below 0 to the previous one."""
        self.row = self.resource = None
        found = self.playback.step(self.timeline.facts, by)
        self.keep_head_in_view()
        return found

    def nudge(self, columns: int) -> None:
        """Move the play head by so much time as ``columns`` show."""
        self.playback.pause()
        self.go(self.playback.at + columns * self.viewport.per_column)

    def zoom(self, by: int, around: int | None = None) -> None:
        """Closer where ``by`` is above 0, around the play head unless told otherwise."""
        self._viewport_chosen = True
        around = self.playback.at if around is None else around
        if not self.viewport.shows(around):
            self.viewport = self.viewport.around(around)
        move = self.viewport.zoomed_in if by > 0 else self.viewport.zoomed_out
        whole = Viewport.fitting(self.origin, self.now, self.viewport.width)
        if by > 0 or self.viewport.per_column < 4 * whole.per_column:
            self.viewport = move(around)

    def pan(self, columns: int) -> None:
        """Move the window and leave the play head to itself."""
        self._viewport_chosen = True
        self.following_head = False
        self.viewport = self.viewport.panned(columns).kept_near(self.origin, self.now)

    def fit(self) -> None:
        """Have the whole recording in view."""
        self.viewport = Viewport.fitting(self.origin, self.now, self.viewport.width)

    @property
    def longest_name(self) -> int:
        """Characters of the longest name of a task that has a lane, or of a resource."""
        timeline, lanes = self.timeline, self.tracks.lanes
        named = timeline.rows_of_resource
        known = len(timeline.tasks), len(lanes), len(timeline.resources), len(named)
        if known != self._named[0]:
            names = [t.name for task, t in timeline.tasks.items() if task in lanes]
            names += [r.name for id, r in timeline.resources.items() if id in named]
            self._named = known, max(map(len, names), default=0)
        return self._named[1]

    # -- what is selected -------------------------------------------------------------------

    @property
    def lanes(self) -> list[Lane]:
        """The lanes to show, from the top."""
        return self.lane_order.arrange(self.tracks, self.now)

    def select_task(self, by: int) -> None:
        """Select the task ``by`` lanes further down, or up where negative."""
        tasks = [lane.task for lane in self.lanes]
        if tasks:
            index = tasks.index(self.task) + by if self.task in tasks else 0
            self.task = tasks[min(max(index, 0), len(tasks) - 1)]
            self.row = None

    def select_row(self, row: int) -> None:
        """Select an acquisition, and with it its task."""
        self.row = row
        self.task = self.timeline.task[row]
        self.resource = self.timeline.resource[row]

    @property
    def selected_row(self) -> int | None:
        """The acquisition that was chosen, or the selected task's innermost at the play head.

        Between two acquisitions it is the one that has ended last.
        """
        if self.row is not None:
            return self.row
        lane = self.tracks.lanes.get(self.task) if self.task is not None else None
        if lane is None:
            return None
        at = self.playback.at
        for track in reversed(lane.tracks):
            row = track.row_at(at)
            if row is not None:
                return row
        begun = [t.rows[i] for t in lane.tracks if (i := t.index_at(at)) >= 0]
        return max(begun, default=lane.tracks[0].rows[0])

    @property
    def selected_resource(self) -> int | None:
        """The resource that was chosen, or the selected acquisition's."""
        if self.resource is not None:
            return self.resource
        row = self.selected_row
        return None if row is None else self.timeline.resource[row]

    # -- what is worked out -----------------------------------------------------------------

    @property
    def case(self) -> Case:
        """What :meth:`answer` is about; of a growing timeline it may be some seconds old."""
        return self.answers.case

    def answer(self, question: Callable[[Case], T]) -> T | None:
        """The answer of analysis to ``question``; ``None`` while that is being worked out."""
        return self.answers.ask(question)

    def jump(self, by: int) -> str | None:
        """Go to the next problem, with ``by`` below 0 to the previous one; says what is there."""
        places = self.answer(problems)
        if places is None:
            return COMPUTING
        if not self.playback.step([place[0] for place in places], by):
            return None
        _, row, words = next(place for place in places if place[0] == self.playback.at)
        if row is not None:
            self.select_row(row)
        self.keep_head_in_view()
        return words

    def event_times(self, rows: Iterable[int]) -> list[int]:
        """The times of all facts of some acquisitions, in order."""
        t = self.timeline
        columns = (t.enter_started, t.enter_ended, t.exit_started, t.exit_ended)
        return sorted({column[row] for row in rows for column in columns} - {NOT_YET})

    def step_among(self, rows: Iterable[int], by: int) -> bool:
        """The play head goes to the next fact of these acquisitions, or the previous one."""
        found = self.playback.step(self.event_times(rows), by)
        self.keep_head_in_view()
        return found

    def find(self, wanted: Predicate, by: int) -> bool:
        """Select the next acquisition that is ``wanted``, or the previous, and go to its start."""
        timeline, here = self.timeline, self.row
        rows = range(len(timeline))
        if here is None:
            here = bisect_right(timeline.enter_started, self.playback.at) - 1
            here = here - by if by > 0 else here + 1
        order = (
            (rows[here + 1 :], rows[: here + 1])
            if by > 0
            else (rows[:here][::-1], rows[here:][::-1])
        )
        for row in chain.from_iterable(order):
            if wanted(timeline, row, self.now):
                self.playback.pause()
                self.go(timeline.enter_started[row])
                self.select_row(row)
                return True
        return False

    def mark(self) -> str:
        """Put A, then B, at the play head; a third one begins anew. Gives its letter."""
        if len(self.marks) == 2:
            self.marks.clear()
        letter = "B" if "A" in self.marks else "A"
        self.marks[letter] = self.playback.at
        return letter

    def fit_selection(self) -> None:
        """Have the time between the marks in view, or else the selected acquisition."""
        if len(self.marks) == 2:
            first, last = sorted(self.marks.values())
        elif (row := self.selected_row) is not None:
            first = self.timeline.enter_started[row]
            last = self.timeline.acquisition(row).ended or self.now
        else:
            return
        self._viewport_chosen = True
        room = max(1, (last - first) // 20)
        self.following_head = False
        self.viewport = Viewport.fitting(first - room, last + room, self.viewport.width)
