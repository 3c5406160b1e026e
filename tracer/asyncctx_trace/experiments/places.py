"""Where a task can be held before it enters something: its suspensions on the way there."""

from __future__ import annotations

from pathlib import Path

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.steering.order import Place

__all__ = ["file_of", "place_of", "places_before", "places_towards"]


def file_of(path: str, folder: Path) -> str:
    """Return ``path`` relative to ``folder`` if it is inside: an order is for other machines too.

    A path that is relative already is returned as it is.
    """
    if not Path(path).is_absolute():
        return path
    try:
        return str(Path(path).relative_to(folder))
    except ValueError:
        return path


def place_of(
    snapshot: Snapshot, site: int, folder: Path, *, holding: str = "", in_exit: bool = False
) -> Place | None:
    """Return the place of ``site``, ``None`` if the recording does not say where it is."""
    known = snapshot.timeline.sites.get(site)
    if known is None or not known.file or not known.line:
        return None
    return Place(file_of(known.file, folder), known.line, in_exit, " ".join(holding.split()))


def places_before(
    snapshot: Snapshot, inner: int, outer: int, folder: Path, *, holding: str
) -> list[Place]:
    """Return where the task of ``inner`` suspended since it began to acquire ``outer``.

    The best place to hold it comes first: the one right before it asked for ``inner``. The last one
    is the enter of ``outer``, which may have been contended.

    Args:
        snapshot: What was recorded.
        inner: The row of the acquisition that the task asked for.
        outer: The row of the one that it held then.
        folder: See :func:`file_of`.
        holding: The name of the resource of ``outer``; empty: the place is for any task.
    """
    timeline = snapshot.timeline
    task, until = timeline.task[inner], timeline.enter_started[inner]
    since = timeline.enter_started[outer]
    # A contended enter of the inner one does not count: then the task does not wait for us.
    found = [
        (timeline.waits.started[row], timeline.waits.site[row])
        for row in timeline.waits.rows_between(task, since, until)
    ]
    found += [
        (timeline.enter_started[row], timeline.site[row])
        for row in timeline.rows_of_task.get(task, ())
        if since <= timeline.enter_started[row] < until
    ]
    sites = dict.fromkeys(site for _, site in sorted(found, reverse=True))
    places = [place_of(snapshot, site, folder, holding=holding) for site in sites]
    between = _lines_between(snapshot, inner, outer, folder, holding)
    # Right before the last one, the enter of the outer: what is recorded is more exact.
    return list(dict.fromkeys(p for p in (*places[:-1], between, *places[-1:]) if p is not None))


def _lines_between(
    snapshot: Snapshot, inner: int, outer: int, folder: Path, holding: str
) -> Place | None:
    """Return the lines of one function from the enter of ``outer`` to that of ``inner``.

    Waits for the next turn of the event loop, ``asyncio.sleep(0)``, are not recorded.
    """
    sites = snapshot.timeline.sites
    first, last = (sites.get(snapshot.timeline.site[row]) for row in (outer, inner))
    if first is None or last is None or (first.file, first.function) != (last.file, last.function):
        return None
    start, end = first.line + 1, last.line - 1
    if start > end:
        return None
    name = " ".join(holding.split())
    return Place(file_of(first.file, folder), start, False, name, end if end > start else 0)


def places_towards(snapshot: Snapshot, row: int, folder: Path) -> list[Place]:
    """Return where the task of ``row`` suspended before it asked for it, the last one first."""
    timeline = snapshot.timeline
    waits = timeline.waits.rows_between(timeline.task[row], 0, timeline.enter_started[row])
    sites = [timeline.waits.site[wait] for wait in reversed(waits)]
    places = [place_of(snapshot, site, folder) for site in sites]
    return list(dict.fromkeys(place for place in places if place is not None))
