"""The tracks of a task, one for each nesting depth, and the track of its waits."""

from __future__ import annotations

from array import array
from collections.abc import Sequence, Set

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace_tui.view.tracks.track import Track
from asyncctx_trace_tui.view.tracks.wait_track import WaitTrack

__all__ = ["Lane", "TrackStack"]


class TrackStack:
    """Tracks by nesting depth, the outermost first, and waits for other things than managers."""

    def __init__(self, timeline: Timeline, tracks: list[Track], waits: WaitTrack) -> None:
        self.timeline = timeline
        self.tracks = tracks
        self.waits = waits

    def depths_at(self, times: Sequence[int]) -> list[int]:
        """Return for each of ``times`` the depth of the innermost open acquisition; 0 for none."""
        found = [0] * len(times)
        for depth, track in enumerate(self.tracks[1:], 1):
            for index, is_open in enumerate(track.open_at(times)):
                if is_open:
                    found[index] = depth
        return found

    def track_at(self, depth: int, groups: Set[int]) -> Track:
        """Return the track of a depth, which is added if there is none yet."""
        while len(self.tracks) <= depth:
            self.tracks.append(Track(self.timeline, groups=groups))
        return self.tracks[depth]


class Lane(TrackStack):
    """The tracks of one task: one per nesting depth, the outermost first."""

    def __init__(
        self, timeline: Timeline, task: int, order: int, groups: Set[int], started: int
    ) -> None:
        """``groups``: the resources whose exit waits for tasks."""
        self.task = task
        self.order = order
        """The index of the lane, in order of first appearance of tasks."""
        self.started = started
        """When the task first acquired or waited, in ns."""
        self._groups = groups
        self._rows = timeline.rows_of_task.get(task, array("q"))
        self._assigned = 0
        """Number of rows assigned to tracks by depth; 0 while one track has all rows."""
        tracks = [Track(timeline, self._rows, groups)]
        super().__init__(timeline, tracks, WaitTrack(timeline, task))

    def task_at(self, _at: int) -> int:
        """Return the task."""
        return self.task

    def adopt_rows(self) -> None:
        """Use the acquisitions of a task that only waited when its lane was made."""
        self._rows = self.timeline.rows_of_task[self.task]
        self.tracks = [Track(self.timeline, self._rows, self._groups)]

    def assign_by_depth(self) -> None:
        """Assign each new row to the track of its depth."""
        if not self._assigned:
            self.tracks = [Track(self.timeline, groups=self._groups)]
        depths = self.timeline.depth
        for row in self._rows[self._assigned :]:
            self.track_at(depths[row], self._groups).rows.append(row)
        self._assigned = len(self._rows)
