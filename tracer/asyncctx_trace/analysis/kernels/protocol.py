"""The operations that both implementations offer."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from asyncctx_trace.analysis.kernels.charges import Charges
from asyncctx_trace.analysis.kernels.columns import HeldWaits, Holds, Level, Nestings, Waits
from asyncctx_trace.analysis.kernels.path_steps import Segment, Step
from asyncctx_trace.analysis.kernels.wait_groups import WaitGroup
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns

__all__ = ["Contention", "Occupancies", "Operations", "ResourceOccupancy"]


class ResourceOccupancy(Protocol):
    """Holders and waiters of one resource over time."""

    @property
    def times(self) -> array[int]:
        """When each step starts, in ns."""

    @property
    def waiters(self) -> array[int]:
        """The number of waiters in each step."""

    @property
    def holders(self) -> array[int]:
        """The number of holders in each step."""

    @property
    def limit(self) -> int:
        """The number of holders that keep others out."""

    @property
    def blocked_waiters(self) -> array[int]:
        """The number of waiters in each step while the resource was full, 0 otherwise."""

    @property
    def rows(self) -> array[int]:
        """The acquisitions of the resource."""

    @property
    def blocked_times(self) -> array[int]:
        """For how many ns each of ``rows`` waited while the resource was full."""

    @property
    def blocked_before(self) -> Sequence[int]:
        """The blocked time of all waiters together before each step, in ns."""

    @property
    def holds(self) -> Holds:
        """Which task held the resource from when to when."""

    def blocked_time(self, row: int) -> int:
        """Return for how many ns ``row`` waited while the resource was full."""

    def blocked_between(self, start: int, end: int) -> int:
        """Return the blocked time of all waiters together between two times, in ns."""


class Occupancies(Protocol):
    """Holders and waiters of all resources."""

    @property
    def timeline(self) -> Timeline:
        """All acquisitions."""

    def occupancy(self, resource: int) -> ResourceOccupancy:
        """Return holders and waiters of ``resource``."""


class Contention(Occupancies, Protocol):
    """Who waited and who held, of all resources."""

    @property
    def waits(self) -> Waits:
        """When each task waited for a limited resource."""

    @property
    def causes(self) -> Sequence[Waits]:
        """When tasks did not go on for other reasons; the rows are numbers of causes.

        No two times of one task overlap, here and in :attr:`waits`.
        """

    @property
    def max_paths(self) -> int:
        """The number of paths that are followed from one resource."""


class Operations(Protocol):
    """Operations on the columns of a timeline.

    ``rows`` are rows of the timeline in order. ``now`` is the time of the snapshot, in monotonic
    ns: what has not ended ends then.
    """

    # -- all acquisitions -------------------------------------------------------------------

    def parents(self, timeline: Timeline) -> array[int]:
        """Return, by row, the row of the enclosing acquisition; -1 if there is none."""

    def tasks_with_overlaps(self, timeline: Timeline, tasks: Iterable[int]) -> Iterable[int]:
        """Return those of ``tasks`` that may have been in two acquisitions at a time, in order.

        A task counts for what it exits. The result may contain further ones of ``tasks``.
        """

    def last_event_times(self, timeline: Timeline) -> dict[int, int]:
        """Return task -> the time of its last event."""

    def waits(self, timeline: Timeline, rows: array[int], now: int) -> Waits:
        """Return the waits of ``rows`` by task."""

    def cleanup_counts(
        self, timeline: Timeline, overlapping: Collection[int], now: int
    ) -> Iterable[tuple[int, ...]]:
        """Return the fields of a :class:`~asyncctx_trace.analysis.cleanup.Cleanup`.

        One tuple for each resource and site, in order of the first acquisition. ``overlapping``:
        the rows whose exit overlaps another exit of the same task.
        """

    def nestings(self, timeline: Timeline, limited: Sequence[int], parents: array[int]) -> Nestings:
        """Return the requests for one of the resources ``limited`` while others were held."""

    def nesting_steps(
        self, timeline: Timeline, nestings: Nestings, level: Level, *, trees: bool
    ) -> dict[tuple[Hashable, Hashable], array[int]]:
        """Return (held, asked for) -> the indexes in ``nestings.held``.

        Without ``trees``, pairs that one task takes as x, y, x are left out: code that walks down a
        tree of similar locks takes them in this order, and never the other way round.
        """

    def held_waits(
        self, contention: Occupancies, nestings: Nestings, left_out: Collection[int], now: int
    ) -> dict[tuple[int, int, int], HeldWaits]:
        """Return the waits of ``nestings`` during which others waited for what was held.

        By resource and site of the hold, and site of the wait, in order of the first of each. Waits
        for a resource that was not full do not count, nor do the rows ``left_out``.
        """

    # -- some acquisitions ------------------------------------------------------------------

    def occupancy_steps(
        self, timeline: Timeline, rows: array[int], now: int
    ) -> tuple[array[int], array[int], array[int]]:
        """Return when each step of an occupancy starts, and its waiters and holders."""

    def blocked_waiters(self, waiters: array[int], holders: array[int], limit: int) -> array[int]:
        """Return the waiters of each step in which there are at least ``limit`` holders."""

    def integral(self, times: array[int], values: array[int]) -> int:
        """Return the sum of the values of all steps, each multiplied by its duration in ns."""

    def hand_over_time(
        self, times: array[int], waiters: array[int], holders: array[int], limit: int
    ) -> int:
        """Return the waiting time, in ns, between a release and the next enter.

        Counted are the steps after a full one in which tasks wait, but the resource is not full.
        """

    def blocked_times(
        self, timeline: Timeline, rows: array[int], now: int, times: array[int], full: array[int]
    ) -> array[int]:
        """Return for how many ns each of ``rows`` waited while the resource was full.

        ``times``, ``full``: the starts of the steps of the occupancy, and whether it was full.
        """

    def holds(self, timeline: Timeline, rows: array[int], now: int) -> Holds:
        """Return which task held from when to when, in order of time."""

    def charges(self, contention: Contention, resource: int) -> Charges:
        """Return what each holder is charged with for the waits for ``resource``."""

    def duration_stats(
        self, timeline: Timeline, rows: Sequence[int], now: int
    ) -> tuple[DurationStats, DurationStats, DurationStats]:
        """Return how long ``rows`` waited, held and cleaned up."""

    def held_and_lifetime(
        self, timeline: Timeline, rows: Sequence[int], now: int
    ) -> tuple[int, int] | None:
        """Return for how many ns ``rows`` held in total, and from the first request to the end.

        ``None`` if none of them entered.
        """

    def rows_by_entry(self, timeline: Timeline, rows: Sequence[int]) -> list[int]:
        """Return those of ``rows`` that entered, in order of entering."""

    def overtaken(self, timeline: Timeline, rows: Sequence[int]) -> int:
        """Return how many of ``rows`` entered after one that asked later."""

    def fill_in_order(self, timeline: Timeline, resource: int, releasers: array[int]) -> bool:
        """Set ``releasers[row]`` to the row whose exit let ``row`` in, for each that had to wait.

        Returns ``False``, and changes nothing, if a waiter gave up or overtook another one, or if
        this implementation does not know a faster way than to follow the queue.
        """

    def event_times(
        self, timeline: Timeline, rows: Sequence[int], for_others: Sequence[int], now: int
    ) -> array[int]:
        """Return the times up to ``now`` of the events of one task, in order.

        ``rows``: the acquisitions of the task; ``for_others``: those of other tasks that it exited.
        """

    def path_steps(
        self,
        timeline: Timeline,
        parents: array[int],
        segments: Sequence[Segment],
        event_times: Callable[[int], array[int]],
    ) -> Iterator[Step]:
        """Yield the segments of a path, each cut where the activity of its task changed.

        ``event_times``: task -> the times of its events, in order.
        """

    # -- waits for other things -------------------------------------------------------------

    def wait_groups(
        self, waits: WaitColumns, rows: Sequence[int], names: Mapping[int, int], now: int
    ) -> list[WaitGroup]:
        """Return the waits ``rows`` by kind, name of the subject and site, the earliest first.

        ``names``: resource -> a number above 0, the same for resources with one name.
        """
