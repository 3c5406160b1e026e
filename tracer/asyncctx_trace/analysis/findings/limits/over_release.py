"""Semaphores that more tasks hold than they allow, because they were released too often."""

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
    """A semaphore was released more often than acquired, and then held by more than its capacity.

    Certain if the task that released once too often had acquired it, too: it released twice what it
    acquired once. Possible if only the counter proves it: every permit was released at two sites.
    Semaphores that others release to let tasks in are not limits, and neither is one whose capacity
    a task raises by releasing what it never acquired.
    """

    kind = "over-release"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each semaphore."""
        for resource in dict.fromkeys(release.resource for release in snapshot.timeline.unmatched):
            definition = snapshot.timeline.resources.get(resource)
            if definition is None or definition.kind != "semaphore" or definition.capacity is None:
                continue
            crowd = _first_crowd(snapshot, resource, definition.capacity)
            if crowd is None:
                yield from cls._counted(snapshot, resource, definition.capacity)
                continue
            extra, certain = _extra_releases(snapshot, resource, crowd.at)
            if not extra:
                yield from cls._counted(snapshot, resource, definition.capacity)
                continue
            tasks = {snapshot.timeline.task[row] for row in crowd.rows}
            certain = certain and is_complete(
                snapshot.timeline,
                tasks | {release.task for release in extra},
                snapshot.start,
                crowd.at + 1,
            )
            first = extra[0]
            where = snapshot.site_label(first.site) if first.site else "an unknown site"
            yield cls.of(
                snapshot,
                crowd.rows,
                f"{crowd.most} tasks were in {snapshot.acquisition_label(crowd.rows[0])} at once, "
                f"which is made for {definition.capacity}: {where} released it in "
                f"{snapshot.task_name(first.task)} although nothing was left to give "
                f"back{times(len(extra))}.",
                certainty="certain" if certain else "possible",
                at=crowd.at,
                count=len(extra),
                tasks=[release.task for release in extra],
                sites=[release.site for release in extra if release.site],
            )

    @classmethod
    def _counted(cls, snapshot: Snapshot, resource: int, capacity: int) -> Iterator[Finding]:
        """Yield one if each permit was released at several sites.

        Each of two sites (a ``finally``, a done callback) releases as many as were acquired. A
        limit that is raised on purpose, or a signal, is released at only one such site.
        """
        timeline = snapshot.timeline
        rows = [row for row in timeline.rows_of_resource.get(resource, ()) if timeline.entered(row)]
        unmatched = [release for release in timeline.unmatched if release.resource == resource]
        released: dict[int, int] = {}
        open_ = 0
        for row in rows:
            if timeline.exit_started[row] == NOT_YET:
                open_ += 1
            site = timeline.exit_site[row]
            released[site] = released.get(site, 0) + (timeline.exit_started[row] != NOT_YET)
        for release in unmatched:
            released[release.site or 0] = released.get(release.site or 0, 0) + 1
        twice = [
            site for site, count in released.items() if site and count >= len(rows) - open_ > 1
        ]
        value = capacity - open_ + len(unmatched)
        if not capacity or len(twice) < 2 or value <= capacity or timeline.dropped:
            return
        sites = " and at ".join(snapshot.site_label(site) for site in sorted(twice))
        yield cls.of(
            snapshot,
            [rows[0]],
            f"{snapshot.acquisition_label(rows[0])} was acquired {len(rows)} times and released "
            f"{sum(released.values())} times, at {sites}: it was made for {capacity} and lets in "
            f"{value} now.",
            certainty="possible",
            at=unmatched[0].at,
            count=len(unmatched),
            sites=sorted(twice),
        )


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The first time at which more tasks held it than its capacity."""

    at: int
    rows: list[int]
    """The rows that held it then."""
    most: int
    """The largest number of holders at any time."""


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
    """Return whether the task that acquired ``row`` releases it itself, and holds it until then."""
    timeline = snapshot.timeline
    if not timeline.by_call[row]:
        return True
    return timeline.exit_started[row] != NOT_YET and timeline.exit_task[row] == timeline.task[row]


def _extra_releases(
    snapshot: Snapshot, resource: int, until: int
) -> tuple[list[ReleaseUnmatched], bool]:
    """Return the excess releases, and whether the one before ``until`` certainly is one."""
    timeline = snapshot.timeline
    rows = timeline.rows_of_resource.get(resource, ())
    acquired = {timeline.task[row] for row in rows}
    giving_back = {
        _line(snapshot, timeline.exit_site[row]) for row in rows if timeline.exit_site[row]
    }
    own, others = [], []
    for release in timeline.unmatched:
        if release.resource != resource:
            continue
        if release.task in acquired:
            own.append(release)
        elif release.site and _line(snapshot, release.site) in giving_back:
            others.append(release)
    if own and own[0].at <= until:
        return own, True
    return (others, False) if others and others[0].at <= until else ([], False)


def _line(snapshot: Snapshot, site: int) -> tuple[str, int] | None:
    definition = snapshot.timeline.sites.get(site)
    return None if definition is None else (definition.file, definition.line)
