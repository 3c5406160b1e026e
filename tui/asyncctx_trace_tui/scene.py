"""What is being looked at: the timeline so far, the play head, the window, the selection."""

from __future__ import annotations

from collections.abc import Sequence

from asyncctx_trace.analysis.timeline import Timeline
from asyncctx_trace.events import Event
from asyncctx_trace_tui.playback import Playback
from asyncctx_trace_tui.tracks import Tracks
from asyncctx_trace_tui.viewport import Viewport

__all__ = ["Scene"]

_LIVE_SPAN = 10_000_000_000
"""How much time is in view at first while a program runs, in ns."""


class Scene:
    """The one state that all views of the app share; knows no screen."""

    def __init__(self, *, following: bool, speed: float = 1.0) -> None:
        self.timeline = Timeline()
        self.tracks = Tracks(self.timeline)
        self.playback = Playback(speed=speed)
        self.viewport = Viewport(0, 1, 80)
        self.live = following
        """Whether a program still writes."""
        self.now = 0
        """Until when acquisitions in flight are known to be so."""
        self.exit_code: int | None = None
        self.task: int | None = None
        """The selected task."""
        self.tied = True
        """Whether the window goes with the play head."""
        self._following = following
        self._begun = False

    @property
    def origin(self) -> int:
        """The time that all clocks on the screen count from."""
        return self.timeline.start or 0

    def feed(self, events: Sequence[Event], clock: int, live: bool) -> None:
        """The recording as it is at ``clock``: what has come, whether one still writes."""
        timeline = self.timeline
        timeline.extend(events)
        self.tracks.update()
        for ended in timeline.process_ended if events else ():
            if ended.exit_code is not None:
                self.exit_code = ended.exit_code
        if timeline.start is None or timeline.end is None:
            self.live = live
            return
        # A clock behind the facts is another machine's, or of another boot.
        self.live = live and clock >= timeline.end
        self.now = clock if self.live else timeline.end
        self.playback.extend(timeline.start, self.now)
        if not self._begun:
            self._begin()

    def _begin(self) -> None:
        self._begun = True
        if self.task is None:
            self.task = next(iter(self.tracks.lanes), None)
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
        if moving and self.tied:
            self.keep_head_in_view()

    def keep_head_in_view(self) -> None:
        """Move the window by as little as shows the play head with some room around it."""
        self.tied = True
        self.viewport = self.viewport.following(
            self.playback.at, margin=max(1, self.viewport.width // 20)
        )

    def go(self, at: int) -> None:
        """Put the play head at ``at`` and have it in view."""
        self.playback.go(at)
        self.keep_head_in_view()

    def step(self, by: int) -> bool:
        """The play head goes to the next fact, with ``by`` below 0 to the previous one."""
        found = self.playback.step(self.timeline.facts, by)
        self.keep_head_in_view()
        return found

    def nudge(self, columns: int) -> None:
        """Move the play head by so much time as ``columns`` show."""
        self.playback.pause()
        self.go(self.playback.at + columns * self.viewport.per_column)

    def zoom(self, by: int, around: int | None = None) -> None:
        """Closer where ``by`` is above 0, around the play head unless told otherwise."""
        around = self.playback.at if around is None else around
        if not self.viewport.shows(around):
            self.viewport = self.viewport.around(around)
        move = self.viewport.zoomed_in if by > 0 else self.viewport.zoomed_out
        whole = Viewport.fitting(self.origin, self.now, self.viewport.width)
        if by > 0 or self.viewport.per_column < 4 * whole.per_column:
            self.viewport = move(around)

    def pan(self, columns: int) -> None:
        """Move the window and leave the play head to itself."""
        self.tied = False
        self.viewport = self.viewport.panned(columns).kept_near(self.origin, self.now)

    def fit(self) -> None:
        """Have the whole recording in view."""
        self.viewport = Viewport.fitting(self.origin, self.now, self.viewport.width)

    def select_task(self, by: int) -> None:
        """Select the task ``by`` lanes further down, or up where negative."""
        tasks = list(self.tracks.lanes)
        if tasks:
            index = tasks.index(self.task) if self.task in self.tracks.lanes else 0
            self.task = tasks[min(max(index + by, 0), len(tasks) - 1)]
