"""The lines of the view of tasks: how many each lane, group and track gets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple, TypeAlias

from asyncctx_trace_tui.view.lanes.arrangement import Arrangement, OpenGroup, ProcessHeading, Row
from asyncctx_trace_tui.view.lanes.lane import Lane
from asyncctx_trace_tui.view.lanes.order import LaneOrder
from asyncctx_trace_tui.view.lanes.packed_lane import PackedLane
from asyncctx_trace_tui.view.lanes.task_groups import LaneGroup
from asyncctx_trace_tui.view.tracks.flat_track import FlatTrack
from asyncctx_trace_tui.view.tracks.track import Track

__all__ = ["LaneLayout", "LaneLine", "lay_out"]

_THICKEST = 3
"""The largest number of lines per track."""
_FEWEST_ROWS = 2
"""The least number of rows of a group that are shown, whether there is room or not."""

Owner: TypeAlias = Lane | PackedLane | LaneGroup | OpenGroup | ProcessHeading


class LaneLine(NamedTuple):
    """One line of the view.

    The lines of a group are its heading, its rows, and, if not all of these are shown, a line with
    the number of hidden ones.
    """

    owner: Owner
    track: Track | FlatTrack | None = None
    """``None`` for headings and for the space between lanes."""
    depth: int = 0
    part: int = 0
    """The index of the line within its track."""
    hidden: int = 0
    """Number of folded tracks below, or of hidden rows of a group."""

    @property
    def row(self) -> Row | None:
        """The row that the line belongs to, if it is not a heading."""
        return self.owner if isinstance(self.owner, Lane | PackedLane) else None


class LaneLayout:
    """Lines from top to bottom."""

    def __init__(self, lines: list[LaneLine], thick: int = 1) -> None:
        self.lines = lines
        self.thick = thick
        """The number of lines per track."""
        self._first: dict[int, int] = {}
        for index, line in enumerate(lines):
            self._first.setdefault(id(line.owner), index)

    def lines_of(self, owner: Owner | None) -> Iterator[tuple[int, LaneLine]]:
        """Yield the lines of a lane or row with their indexes."""
        first = self._first.get(id(owner))
        if first is not None:
            own = takewhile(lambda line: line.owner is owner, islice(self.lines, first, None))
            yield from enumerate(own, first)

    def hides_rows_of(self, group: LaneGroup) -> bool:
        """Return whether not all rows of a group are shown."""
        return any(line.owner is group and line.hidden for line in self.lines)


def lay_out(
    arrangement: Arrangement, order: LaneOrder, height: int, wanted: Collection[Row]
) -> LaneLayout:
    """Return the lines for a widget of ``height`` lines.

    If not all rows of the groups fit, each group shows its first ones, and those in ``wanted``. A
    group whose tasks never acquire anything shows one row, until it is opened, if other groups do.
    """
    if arrangement.is_plain:
        return _lay_out_lanes(
            [row for row in arrangement.rows if isinstance(row, Lane)], order, height
        )
    groups = [item for item in arrangement.items if isinstance(item, LaneGroup)]
    others = [item for item in arrangement.items if not isinstance(item, LaneGroup)]
    used = sum(len(_lines_of_lane(item, order)) if isinstance(item, Lane) else 1 for item in others)
    folded = _folded(groups, order)
    sizes = [
        0 if group.key in order.complete else 1 if group in folded else len(group.rows)
        for group in groups
    ]
    used += len(folded)  # the lines with the numbers of hidden rows
    shown = dict(zip(map(id, groups), _shared(height - used - len(groups), sizes), strict=True))
    lines: list[LaneLine] = []
    for item in arrangement.items:
        if isinstance(item, LaneGroup):
            lines.append(LaneLine(item))
            lines += _lines_of_group(item, order, shown[id(item)], wanted)
        elif isinstance(item, Lane):
            lines += _lines_of_lane(item, order)
        else:
            lines.append(LaneLine(item))
    return LaneLayout(lines)


def _folded(groups: Sequence[LaneGroup], order: LaneOrder) -> list[LaneGroup]:
    """Return the groups of which one row is enough, as long as the user opens none of them.

    Tasks that only wait say little about where time is lost, if others acquire something.
    """
    idle = [group for group in groups if group.only_waits and len(group.rows) > 1]
    if len(idle) == len(groups):
        return []
    return [group for group in idle if group.key not in order.complete]


def _lay_out_lanes(lanes: list[Lane], order: LaneOrder, height: int) -> LaneLayout:
    """Give each track up to three lines, and put space between lanes, as far as there is room."""
    needed = sum(len(_lines_of_lane(lane, order)) for lane in lanes)
    spaced = needed + len(lanes) <= height
    free = height - len(lanes)
    thick = max(1, min(_THICKEST, free // needed)) if spaced and needed else 1
    lines: list[LaneLine] = []
    for lane in lanes:
        lines += _lines_of_lane(lane, order, thick)
        if spaced:
            lines.append(LaneLine(lane, None, len(lane.tracks)))
    return LaneLayout(lines, thick)


def _lines_of_lane(lane: Lane, order: LaneOrder, thick: int = 1) -> list[LaneLine]:
    tracks = lane.tracks[: 1 if lane.task in order.folded else None]
    hidden = len(lane.tracks) - len(tracks)
    return [
        LaneLine(lane, track, depth, part, hidden)
        for depth, track in enumerate(tracks)
        for part in range(thick)
    ]


def _lines_of_group(
    group: LaneGroup, order: LaneOrder, count: int, wanted: Collection[Row]
) -> Iterator[LaneLine]:
    count = len(group.rows) if group.key in order.complete else count
    hidden = 0
    for row in group.rows:
        if row.number >= count and row not in wanted:
            hidden += 1
            continue
        row.collect()
        if group.key in order.unfolded:
            yield from (LaneLine(row, track, depth) for depth, track in enumerate(row.tracks))
        else:
            yield LaneLine(row, row.flat)
    if hidden:
        yield LaneLine(group, hidden=hidden)


def _shared(room: int, sizes: Sequence[int]) -> list[int]:
    """Return how many lines each group gets: all it needs, or a fair share."""
    found = [0] * len(sizes)
    left = max(room, 0)
    for place, index in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        share = max(_FEWEST_ROWS, left // (len(sizes) - place))
        # The line with the number of hidden rows takes one line, too.
        found[index] = sizes[index] if sizes[index] <= share else max(_FEWEST_ROWS, share - 1)
        left = max(0, left - min(sizes[index], share))
    return found
