"""More tasks in than a semaphore was made for, because it was released too often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asyncctx_trace.analysis.findings.finding import Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import is_complete
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.events import ReleaseUnmatched

__all__ = ["OverRelease"]


class OverRelease(Finding):
    """A semaphore was released more often than acquired, and then let in more than its capacity.

    Certain where the task that released once too often had acquired it, too: it gave back twice
    what it took once. Possible where only the counter proves it: every permit was released at two
    places. Semaphores that others release to let tasks in are no limits, and neither
    is one whose capacity a task raises by releasing what it never acquired.
    """

    kind = "over-release"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each semaphore."""
        for resource in dict.fromkeys(each.resource for each in snapshot.timeline.unmatched):
            known = snapshot.timeline.resources.get(resource)
            if known is None or known.kind != "semaphore" or known.capacity is None:
                continue
            crowd = _first_crowd(snapshot, resource, known.capacity)
            if crowd is None:
                yield from cls._counted(snapshot, resource, known.capacity)
                continue
            extra, certain = _extra_releases(snapshot, resource, crowd.at)
            if not extra:
                yield from cls._counted(snapshot, resource, known.capacity)
                continue
            tasks = {snapshot.timeline.task[row] for row in crowd.rows}
            certain = certain and is_complete(
                snapshot.timeline,
                tasks | {each.task for each in extra},
                snapshot.start,
                crowd.at + 1,
            )
            first = extra[0]
            where = snapshot.place(first.site) if first.site else "an unknown site"
            yield cls.of(
                snapshot,
                crowd.rows,
                f"{crowd.most} tasks were in {snapshot.where(crowd.rows[0])} at once, which is "
                "made "
                f"for {known.capacity}: "
                f"{where} released it in {snapshot.task(first.task)} although nothing was left to "
                f"give back{times(len(extra))}.",
                certainty="certain" if certain else "possible",
                at=crowd.at,
                count=len(extra),
                tasks=[each.task for each in extra],
                sites=[each.site for each in extra if each.site],
            )

    @classmethod
    def _counted(cls, snapshot: Snapshot, resource: int, capacity: int) -> Iterator[Finding]:
        """Yield one if each permit was released at several places.

        Each of two places (a ``finally``, a done callback) gives back as many as were acquired.
        A limit that is raised on purpose, or a signal, is released at one such place at most.
        """
        timeline = snapshot.timeline
        rows = [row for row in timeline.rows_of_resource.get(resource, ()) if timeline.entered(row)]
        unmatched = [each for each in timeline.unmatched if each.resource == resource]
        released: dict[int, int] = {}
        open_ = 0
        for row in rows:
            if timeline.exit_started[row] == NOT_YET:
                open_ += 1
            site = timeline.exit_site[row]
            released[site] = released.get(site, 0) + (timeline.exit_started[row] != NOT_YET)
        for each in unmatched:
            released[each.site or 0] = released.get(each.site or 0, 0) + 1
        twice = [
            site for site, count in released.items() if site and count >= len(rows) - open_ > 1
        ]
        value = capacity - open_ + len(unmatched)
        if not capacity or len(twice) < 2 or value <= capacity or timeline.dropped:
            return
        places = " and at ".join(snapshot.place(site) for site in sorted(twice))
        yield cls.of(
            snapshot,
            [rows[0]],
            f"{snapshot.where(rows[0])} was acquired {len(rows)} times and released "
            f"{sum(released.values())} times, at {places}: it was made for {capacity} and lets in "
            f"{value} now.",
            certainty="possible",
            at=unmatched[0].at,
            count=len(unmatched),
            sites=sorted(twice),
        )


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The first moment at which there were more in than the capacity."""

    at: int
    rows: list[int]
    """Who was in then."""
    most: int
    """How many there ever were at once."""


def _first_crowd(snapshot: Snapshot, resource: int, capacity: int) -> _Crowd | None:
    timeline = snapshot.timeline
    moves: list[tuple[int, int, int]] = []
    for row in timeline.rows_of_resource.get(resource, ()):
        if not timeline.entered(row) or not _own(snapshot, row):
            continue
        moves.append((timeline.enter_ended[row], 1, row))
        if timeline.exit_started[row] != NOT_YET:
            moves.append((timeline.exit_started[row], 0, row))  # within one tick first
    inside: dict[int, None] = {}
    rows: list[int] = []
    at = most = 0
    for moment, enters, row in sorted(moves):
        if enters:
            inside[row] = None
        else:
            inside.pop(row, None)
        most = max(most, len(inside))
        if len(inside) > capacity and not rows:
            at, rows = moment, list(inside)
    return _Crowd(at, rows, most) if rows else None


def _own(snapshot: Snapshot, row: int) -> bool:
    """Whether who acquired in ``row`` gives it back itself: only then it is in until it does."""
    timeline = snapshot.timeline
    if not timeline.by_call[row]:
        return True
    return timeline.exit_started[row] != NOT_YET and timeline.exit_task[row] == timeline.task[row]


def _extra_releases(
    snapshot: Snapshot, resource: int, until: int
) -> tuple[list[ReleaseUnmatched], bool]:
    """The releases that were too many, and whether the one before ``until`` surely was."""
    timeline = snapshot.timeline
    rows = timeline.rows_of_resource.get(resource, ())
    acquired = {timeline.task[row] for row in rows}
    giving_back = {
        _line(snapshot, timeline.exit_site[row]) for row in rows if timeline.exit_site[row]
    }
    own, others = [], []
    for each in timeline.unmatched:
        if each.resource != resource:
            continue
        if each.task in acquired:
            own.append(each)
        elif each.site and _line(snapshot, each.site) in giving_back:
            others.append(each)
    if own and own[0].at <= until:
        return own, True
    return (others, False) if others and others[0].at <= until else ([], False)


def _line(snapshot: Snapshot, site: int) -> tuple[str, int] | None:
    known = snapshot.timeline.sites.get(site)
    return None if known is None else (known.file, known.line)
