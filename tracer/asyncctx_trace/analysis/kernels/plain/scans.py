"""Operations that look at each acquisition once."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from operator import sub

from asyncctx_trace.analysis.kernels.columns import Span, Waits, innermost_spans
from asyncctx_trace.analysis.timeline.row_lookup import pick, spans_of, waits_of
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["cleanup_counts", "parents", "tasks_with_overlaps", "waits"]


def parents(timeline: Timeline) -> array[int]:
    """Return, by row, the row of the enclosing acquisition; -1 if there is none."""
    row_of = {acquisition: row for row, acquisition in enumerate(timeline.id)}
    return array("q", (row_of.get(parent, -1) if parent else -1 for parent in timeline.parent))


def tasks_with_overlaps(timeline: Timeline, tasks: Iterable[int]) -> Iterable[int]:
    """Return all ``tasks``: the caller looks at the rows of each anyway."""
    return tasks


def waits(timeline: Timeline, rows: array[int], now: int) -> Waits:
    """Return the waits of ``rows`` by task."""
    of_task: dict[int, list[Span]] = {}
    for start, end, row in zip(*waits_of(timeline, rows, now), rows, strict=True):
        unfinished = timeline.enter_ended[row] == NOT_YET  # it still waits at this very time
        if start < end + unfinished:
            of_task.setdefault(timeline.task[row], []).append((start, end + unfinished, row))
    starts, ends, wait_rows = array("q"), array("q"), array("q")
    ranges: dict[int, tuple[int, int]] = {}
    for task in sorted(of_task):
        first = len(starts)
        for start, end, row in innermost_spans(of_task[task]):
            starts.append(start)
            ends.append(end)
            wait_rows.append(row)
        ranges[task] = first, len(starts)
    return Waits(starts, ends, wait_rows, ranges)


def cleanup_counts(
    timeline: Timeline, overlapping: Collection[int], now: int
) -> Iterator[tuple[int, ...]]:
    """Return the fields of a Cleanup for each resource and site, in order of their first row."""
    overlaps = set(overlapping)
    groups: dict[tuple[int, int], list[int]] = {}
    for row, started in enumerate(timeline.exit_started):
        if started != NOT_YET:
            groups.setdefault((timeline.resource[row], timeline.site[row]), []).append(row)
    for key, rows in groups.items():
        body = bytes(pick(timeline.body_outcome, rows))
        exit_ = bytes(pick(timeline.exit_outcome, rows))
        starts, ends = spans_of(timeline.exit_started, timeline.exit_ended, rows, now)
        yield (
            *key,
            len(rows),
            body.count(Outcome.ERROR),
            body.count(Outcome.CANCELLED) + body.count(Outcome.TIMED_OUT),
            exit_.count(Outcome.ERROR) + exit_.count(Outcome.TIMED_OUT),
            exit_.count(Outcome.CANCELLED),
            sum(pick(timeline.suppressed, rows)),
            len(overlaps.intersection(rows)) if overlaps else 0,
            max(map(sub, ends, starts)),
        )
