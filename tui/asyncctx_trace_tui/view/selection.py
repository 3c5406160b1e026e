"""What is selected in a recording, and what is at the play head."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from asyncctx_trace.analysis.loop_stalls import Stall, stalls_of
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.time_axis.playback import Playback

__all__ = ["Selection"]


class Selection:
    """A timeline with its play head, and the selected task, acquisition, wait, stall, resource.

    At most one of acquisition, wait and stall is selected. If none is, they are what the selected
    task does at the play head.
    """

    def __init__(self, playback: Playback) -> None:
        self.timeline = Timeline()
        self.tracks = LaneSet(self.timeline)
        self.playback = playback
        self.now = 0
        """The time until which the recording is known, in ns."""
        self.task: int | None = None
        """The selected task."""
        self.row: int | None = None
        """The selected acquisition; ``None`` means the one at the play head."""
        self.resource: int | None = None
        """The selected resource; ``None`` means that of the selected acquisition."""
        self.wait: int | None = None
        """The selected wait, a row of ``timeline.waits``; ``None`` means that at the play head."""
        self.stall: int | None = None
        """The id of the selected stall; ``None`` means that at the play head."""
        self._stalls: tuple[tuple[int, ...], list[Stall]] = ((), [])

    def clear_selection(self) -> None:
        """Select what is at the play head, in the selected task."""
        self.row = self.resource = self.wait = self.stall = None

    def select_wait(self, wait: int) -> None:
        """Select a wait for something other than a manager, with its task."""
        self.clear_selection()
        self.wait = wait
        self.task = self.timeline.waits.task[wait]

    def select_stall(self, stall: int) -> None:
        """Select a stall of an event loop, with the task that ran."""
        self.clear_selection()
        self.stall = stall
        task = self.timeline.stalls[stall].task
        if task in self.tracks.lanes:
            self.task = task

    def select_row(self, row: int) -> None:
        """Select an acquisition with its task and resource."""
        self.clear_selection()
        self.row = row
        self.task = self.timeline.task[row]
        self.resource = self.timeline.resource[row]

    @property
    def selected_row(self) -> int | None:
        """The selected acquisition, or the innermost of the selected task at the play head.

        Between two acquisitions, it is the one that ended last.
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
        first = lane.tracks[0].rows[:1]
        return max(begun, default=first[0] if first else None)

    @property
    def selected_wait(self) -> int | None:
        """The selected wait, or that of the selected task at the play head."""
        if self.wait is not None:
            return self.wait
        if self.stall is not None or self.task is None:
            return None
        return self.timeline.waits.at(self.task, self.playback.at)

    @property
    def selected_site(self) -> int | None:
        """The site of the selected stall, wait or acquisition."""
        timeline = self.timeline
        if self.stall is not None:
            return timeline.stalls[self.stall].site
        wait = self.selected_wait
        if wait is not None and self.row is None:
            return timeline.waits.site[wait]
        row = self.selected_row
        return None if row is None else timeline.site[row]

    @property
    def stalls(self) -> list[Stall]:
        """The stalls of event loops, in order of time."""
        timeline = self.timeline
        known = len(timeline.stalls), len(timeline.stalls_ended), self.now
        if known != self._stalls[0]:
            self._stalls = known, stalls_of(timeline, self.now)
        return self._stalls[1]

    @property
    def selected_stall(self) -> Stall | None:
        """The selected stall, or that at the play head."""
        at = self.playback.at
        for stall in self.stalls:
            number = stall.started.stall
            if number == self.stall or (self.stall is None and stall.covers(at)):
                return stall
        return None

    @property
    def selected_resource(self) -> int | None:
        """The selected resource, or that of the selected acquisition."""
        if self.resource is not None:
            return self.resource
        row = self.selected_row
        return None if row is None else self.timeline.resource[row]

    def event_times(self, rows: Iterable[int]) -> list[int]:
        """Return the times of all events of some acquisitions, sorted."""
        t = self.timeline
        columns = (t.enter_started, t.enter_ended, t.exit_started, t.exit_ended)
        return sorted({column[row] for row in rows for column in columns} - {NOT_YET})

    def waits_around(self, task: int) -> set[int]:
        """Return the starts and ends of the waits of ``task`` next to the play head. O(log n)."""
        waits = self.timeline.waits
        rows = waits.rows_of_task.get(task, ())
        here = bisect_right(rows, self.playback.at, key=waits.started.__getitem__)
        near = rows[max(0, here - 2) : here + 1]
        return {column[row] for row in near for column in (waits.started, waits.ended)} - {NOT_YET}
