"""Assertions about the acquisitions of one test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from time import monotonic_ns

from asyncctx_trace.analysis.contention.costs import contention
from asyncctx_trace.analysis.findings import Finding, Thresholds, find_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.summary.checks import what_is_missing
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.durations import format_duration, parse_duration
from asyncctx_trace.model.events import (
    Collected,
    Dropped,
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    ReleaseUnmatched,
)
from asyncctx_trace.model.text import plain
from asyncctx_trace.recording.reading.reader import Recording

__all__ = ["Lifecycles"]

_STATISTICS = (*(field.name for field in fields(DurationStats) if field.name != "count"), "mean")


class Lifecycles:
    """The acquisitions of one test; the value of the fixture ``lifecycles``.

    Each ``assert_`` method raises ``AssertionError`` with what was found instead. Names of
    resources may contain ``*``. Everything that happened before the call counts, so call them at
    the end of the test.

    Example:
        .. code-block:: python

            async def test_checkout(lifecycles):
                await checkout()

                lifecycles.assert_no_leaks()
                lifecycles.assert_wait("db pool", p99="5ms")
    """

    def __init__(self, path: Path, since: int | None = None) -> None:
        """Read the recording ``path``, from the monotonic time ``since`` (ns) on if given."""
        self.path = path
        self.since = since
        self.called_at: int | None = None
        """When the test itself began, after its fixtures."""

    def timeline(self) -> Timeline:
        """Return all acquisitions up to now."""
        with Recording(self.path) as recording:
            events = list(recording.poll())
        if self.since is None:
            return Timeline(events)
        since = self.since
        before = {e.acquisition for e in events if isinstance(e, EnterStarted) and e.at < since}

        def is_earlier(event: Event) -> bool:
            match event:
                case EnterStarted() | EnterEnded() | ExitStarted() | ExitEnded() | Collected():
                    return event.acquisition in before
                case ReleaseUnmatched() | Dropped():
                    return event.at < since
            return False

        return Timeline(event for event in events if not is_earlier(event))

    def findings(
        self, thresholds: Thresholds | None = None, *, over: bool = False
    ) -> list[Finding]:
        """Return the findings up to now, the most severe first.

        What a fixture has entered and not exited yet is not a leak of the test.

        Args:
            thresholds: What takes longer than these is slow. Default: those of ``report``.
            over: Whether the test has ended, so that what is still open is a leak.
        """
        snapshot = self.snapshot(running=not over)
        called = self.called_at or 0
        return [
            finding
            for finding in find_in(snapshot, thresholds or Thresholds())
            if finding.kind != "leak" or finding.at >= called
        ]

    def snapshot(self, *, running: bool = True) -> Snapshot:
        """Return the current state for analysis; ``running`` says whether the test continues."""
        timeline = self.timeline()
        return Snapshot(timeline, max(timeline.end or 0, monotonic_ns()), running=running)

    def _complete_snapshot(self) -> Snapshot:
        """Return the snapshot of a running test; fail if events are missing."""
        __tracebackhide__ = True
        snapshot = self.snapshot()
        why = what_is_missing(snapshot.timeline)
        _check(not why, f"the recording is incomplete: {why}")
        return snapshot

    # -- assertions -------------------------------------------------------------------------

    def assert_no_leaks(self, *, allow: Sequence[str] = ()) -> None:
        """Assert that everything the test has entered has been exited.

        Args:
            allow: Names of resources that may still be held; ``*`` stands for any characters.
        """
        __tracebackhide__ = True
        snapshot = self._complete_snapshot()
        timeline = snapshot.timeline
        unreleased = [
            f"{snapshot.acquisition_label(row)}, entered by "
            f"{snapshot.task_name(timeline.task[row])}"
            for row in timeline.in_flight
            if timeline.entered(row)
            and timeline.enter_started[row] >= (self.called_at or 0)
            and not any(fnmatchcase(_name(timeline, row), pattern) for pattern in allow)
        ]
        _check(not unreleased, "never exited: " + "; ".join(unreleased))

    def assert_cleanup_order(self, names: Sequence[str], *, task: str = "*") -> None:
        """Assert in which order resources were cleaned up.

        Args:
            names: The names of resources in the expected order of their exits. Exits of other
                resources are ignored; each exit of these must be listed.
            task: Only exits in tasks with this name; ``*`` stands for any characters.
        """
        __tracebackhide__ = True
        timeline = self._complete_snapshot().timeline
        exits = sorted((at, row) for row, at in enumerate(timeline.exit_ended) if at != NOT_YET)
        tasks = {t for t, d in timeline.tasks.items() if fnmatchcase(d.name, task)}
        order = [
            name
            for _, row in exits
            if (name := _name(timeline, row)) in names and timeline.exit_task[row] in tasks
        ]
        _check(order == list(names), f"cleaned up {_join_names(order)}, not {_join_names(names)}")

    def assert_no_deadlock_risk(self) -> None:
        """Assert that there was no deadlock and that all locks were taken in one order."""
        __tracebackhide__ = True
        risks = [
            f"{finding.kind} ({finding.certainty}): {finding.summary}"
            for finding in find_in(self._complete_snapshot(), Thresholds())
            if finding.kind in ("deadlock", "lock-order-inversion")
        ]
        _check(not risks, "; ".join(risks))

    def assert_wait(self, name: str, **limits: str | int) -> None:
        """Assert limits on the time that tasks waited for a resource.

        Args:
            name: Name of the resource; ``*`` stands for any characters. If no resource with this
                name was used, the assertion fails.
            limits: ``p50``, ``p95``, ``p99``, ``max``, ``mean`` or ``total``, each a duration such
                as ``"5ms"`` or a number of nanoseconds.

        Raises:
            AssertionError: A limit is exceeded.
            TypeError: There is no limit, or one on an unknown statistic.
        """
        __tracebackhide__ = True
        self._assert_limits("wait", name, limits)

    def assert_hold(self, name: str, **limits: str | int) -> None:
        """Assert limits on the time that tasks held a resource; see :meth:`assert_wait`."""
        __tracebackhide__ = True
        self._assert_limits("hold", name, limits)

    def _assert_limits(self, what: str, name: str, limits: dict[str, str | int]) -> None:
        __tracebackhide__ = True
        unknown = limits.keys() - set(_STATISTICS)
        if unknown or not limits:
            raise TypeError(f"assert_{what}() takes limits on {', '.join(_STATISTICS)}")
        snapshot = self._complete_snapshot()
        uses = contention(snapshot.timeline, snapshot.now)
        matching = [use for use in uses if fnmatchcase(use.name, name)]
        _check(
            bool(matching),
            f"no resource matches {name!r}, only: {', '.join(u.name for u in uses) or 'none'}",
        )
        for use in matching:
            for statistic, limit in limits.items():
                most = limit if isinstance(limit, int) else parse_duration(limit)
                found: int = getattr(getattr(use, what), statistic)
                _check(
                    found <= most,
                    f"{what} {statistic} of {use.name!r} is {format_duration(found)}, "
                    f"{format_duration(found - most)} over {format_duration(most)}",
                )


def _check(kept: bool, otherwise: str) -> None:
    __tracebackhide__ = True
    if not kept:
        raise AssertionError(plain(otherwise))


def _name(timeline: Timeline, row: int) -> str:
    known = timeline.resources.get(timeline.resource[row])
    return known.name if known else ""


def _join_names(names: Sequence[str]) -> str:
    return " → ".join(names) if names else "nothing"
