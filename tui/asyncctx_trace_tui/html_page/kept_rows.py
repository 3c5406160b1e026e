"""Which acquisitions and waits a page of limited size contains one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["kept_acquisitions", "kept_waits"]


def kept_acquisitions(timeline: Timeline, most: int, first: Iterable[int]) -> Sequence[int]:
    """Return at most ``most`` rows in order: all, or the most important and the longest ones.

    ``first`` are the most important ones, such as those in findings; then come the rows with
    errors, those that waited longest and those that were open longest.
    """
    if len(timeline) <= most:
        return range(len(timeline))
    end = timeline.end or 0
    started, entered, left = timeline.enter_started, timeline.enter_ended, timeline.exit_ended
    failed = timeline.enter_outcome, timeline.body_outcome, timeline.exit_outcome

    def waited(row: int) -> int:
        return (end if entered[row] == NOT_YET else entered[row]) - started[row]

    def length(row: int) -> int:
        # An enter that failed is all there is of its acquisition.
        if failed[0][row] > 1:
            return waited(row)
        return (end if left[row] == NOT_YET else left[row]) - started[row]

    kept = dict.fromkeys(islice(first, most // 2))
    errors = (row for row in range(len(timeline)) if any(column[row] > 1 for column in failed))
    kept |= dict.fromkeys(islice(errors, most // 4))
    _add_longest(kept, len(timeline), waited, len(kept) + (most - len(kept)) // 2)
    _add_longest(kept, len(timeline), length, most)
    return sorted(kept)


def kept_waits(timeline: Timeline, most: int) -> Sequence[int]:
    """Return at most ``most`` rows of waits for other things in order: all, or the longest."""
    waits = timeline.waits
    if len(waits) <= most:
        return range(len(waits))
    end = timeline.end or 0

    def length(wait: int) -> int:
        ended = waits.ended[wait]
        return (end if ended == NOT_YET else ended) - waits.started[wait]

    kept: dict[int, None] = {}
    _add_longest(kept, len(waits), length, most)
    return sorted(kept)


def _add_longest(
    kept: dict[int, None], count: int, length: Callable[[int], int], most: int
) -> None:
    """Add the longest rows to ``kept`` until there are ``most``."""
    for row in sorted(range(count), key=length, reverse=True):
        if len(kept) >= most:
            return
        kept[row] = None
