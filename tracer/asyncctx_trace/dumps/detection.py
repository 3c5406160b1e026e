"""Evaluates the conditions of dumps on the records of a running process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import compress
from typing import NamedTuple, Protocol

from asyncctx_trace.dumps.conditions import SHORTEST_RELATIVE_WAIT, Condition
from asyncctx_trace.dumps.hangs import Hangs
from asyncctx_trace.dumps.usual_waits import UsualWaits
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.format import ANY_RECORD, RAW, RecordKind
from asyncctx_trace.recording.record_columns import RecordColumns, ended_ids

__all__ = ["Detection", "Names", "Trigger"]

_AT = {field.name: index for index, field in enumerate(ANY_RECORD)}
_TASK, _RESOURCE = _AT["task"], _AT["resource_or_error"]
_IS_START = bytes(kind == RecordKind.ENTER_STARTED for kind in range(256))
_IS_ENTERED = bytes(kind == RecordKind.ENTER_ENDED for kind in range(256))
_IS_FAILURE = bytes(outcome not in (0, Outcome.OK) for outcome in range(256))
_RESYNC = 5_000_000_000
"""ns after which what is no longer in flight, whatever was seen of it, is forgotten."""


class Names(Protocol):
    """What the process knows of the ids in its records."""

    def resource(self, resource: int) -> tuple[str, int | None]:
        """Return name and capacity; ``("", None)`` if unknown."""

    def task(self, task: int) -> str:
        """Return the name of a task."""

    def error(self, error: int) -> Sequence[str]:
        """Return the name of an exception's type and those of its bases; empty if unknown."""

    def live(self) -> Collection[int]:
        """Return the acquisitions in flight."""


class Trigger(NamedTuple):
    """A condition that is fulfilled."""

    condition: Condition
    at: int
    """When it was noticed or, if that is known, when it happened (monotonic ns)."""
    reason: str


class _Open(NamedTuple):
    at: int
    resource: int
    task: int


class Detection:
    """Follows the acquisitions of one process, and says which conditions they fulfil.

    It gets all records in their order, a few times a second. What begins and ends between two calls
    costs less than a microsecond; only what is in flight is kept.
    """

    def __init__(
        self, conditions: Iterable[Condition], names: Names, hangs: Hangs | None = None
    ) -> None:
        self._by_kind: dict[str, list[Condition]] = {}
        for condition in conditions:
            self._by_kind.setdefault(condition.kind, []).append(condition)
        self._names = names
        self._hangs = hangs
        self._waiting: dict[int, _Open] = {}
        self._holding: dict[int, int] = {}
        """Acquisition -> resource."""
        self._held: Counter[int] = Counter()
        """Resource -> how many acquisitions hold it."""
        self._full_since: dict[int, int] = {}
        self._reported: set[tuple[str, int]] = set()
        """Conditions with the acquisition, resource or stall that fulfilled them."""
        self._usual = UsualWaits()
        self._stalls: dict[int, int] = {}
        """Stall that goes on -> since when."""
        self._resync_at = 0
        self._found: list[Trigger] = []

    def look(self, records: bytes, now: int) -> list[Trigger]:
        """Return what was fulfilled since the last call; ``now`` is in monotonic ns.

        ``records`` are all whole records since then.
        """
        self._found = []
        if records:
            columns = RecordColumns(records)
            ended = ended_ids(columns)
            self._find_failures(columns)
            self._find_waits(columns)
            self._update(columns, ended)
            if self._hangs is not None:
                self._hangs.update(columns, ended)
        self._find_long_waits(now)
        self._find_full(now)
        for stall, since in self._stalls.items():
            self._check_lag(stall, since, now)
        if self._hangs is not None:
            for condition, reason in self._hangs.found(now):
                self._found.append(Trigger(condition, now, reason))
        if now >= self._resync_at:
            self._resync_at = now + _RESYNC
            self._forget_all_but(self._names.live())
        return self._found

    # -- the event loop ---------------------------------------------------------------------

    def stall_started(self, stall: int, since: int) -> None:
        """Note that an event loop stands still since ``since`` (monotonic ns)."""
        if "lag" in self._by_kind:
            self._stalls[stall] = since

    def stall_ended(self, stall: int, at: int) -> list[Trigger]:
        """Note that the event loop goes on; return what that fulfilled."""
        since = self._stalls.get(stall)
        self._found = []
        if since is not None:
            self._check_lag(stall, since, at)
            del self._stalls[stall]
            self._reported = {each for each in self._reported if each[1] != -stall}
        return self._found

    def _check_lag(self, stall: int, since: int, now: int) -> None:
        for condition in self._by_kind.get("lag", ()):
            if now - since > condition.limit:
                reason = f"a callback has blocked the event loop for {format_duration(now - since)}"
                self._report(condition, -stall, since, reason)

    # -- what is in flight ------------------------------------------------------------------

    def _update(self, columns: RecordColumns, ended: set[int]) -> None:
        for acquisition in ended & self._holding.keys():
            self._release(acquisition)
        for acquisition in ended & self._waiting.keys():
            self._stop_waiting(acquisition)
        for number, acquisition in enumerate(columns.acquisition):
            if acquisition not in ended:
                match columns.kind[number]:
                    case RecordKind.ENTER_STARTED:
                        # It is repeated where a segment was recycled.
                        if acquisition not in self._holding:
                            values = RAW.unpack(columns[number])
                            started = _Open(values[0], values[_RESOURCE], values[_TASK])
                            self._waiting.setdefault(acquisition, started)
                    case RecordKind.ENTER_ENDED:
                        started_ = self._stop_waiting(acquisition)
                        if started_ is not None:
                            self._holding[acquisition] = started_.resource
                            self._held[started_.resource] += 1

    def _stop_waiting(self, acquisition: int) -> _Open | None:
        for kind in ("wait", "slow wait"):
            for condition in self._by_kind.get(kind, ()):
                self._reported.discard((condition.text, acquisition))
        return self._waiting.pop(acquisition, None)

    def _release(self, acquisition: int) -> None:
        resource = self._holding.pop(acquisition)
        self._held[resource] -= 1
        if self._held[resource] <= 0:
            del self._held[resource]

    def _forget_all_but(self, live: Collection[int]) -> None:
        """Forget acquisitions whose end was not seen, so that no error stays."""
        for acquisition in [a for a in self._holding if a not in live]:
            self._release(acquisition)
        for acquisition in [a for a in self._waiting if a not in live]:
            self._stop_waiting(acquisition)

    # -- conditions -------------------------------------------------------------------------

    def _report(self, condition: Condition, key: int, at: int, reason: str) -> None:
        if (condition.text, key) not in self._reported:
            self._reported.add((condition.text, key))
            self._found.append(Trigger(condition, at, reason))

    def _find_failures(self, columns: RecordColumns) -> None:
        bodies = self._by_kind.get("error", ())
        enters = self._by_kind.get("enter-error", ())
        failed = columns.outcome.translate(_IS_FAILURE)
        if not (bodies or enters) or not any(failed):
            return
        for number in compress(range(len(failed)), failed):
            kind, error = columns.kind[number], columns.resource_or_error[number]
            if kind == RecordKind.EXIT_STARTED and error:
                types = self._names.error(error)
                for condition in bodies:
                    if any(map(condition.matches, types)):
                        self._found.append(
                            Trigger(condition, columns.at[number], f"{types[0]} ended a body")
                        )
            elif kind == RecordKind.ENTER_ENDED and columns.outcome[number] == Outcome.ERROR:
                acquisition = columns.acquisition[number]
                started = self._waiting.get(acquisition) or _start_in(columns, acquisition)
                name = self._name(started.resource) if started else "?"
                types = self._names.error(error) or ("an error",)
                for condition in enters:
                    if condition.matches(name):
                        reason = f"the enter of {name} raised {types[0]}"
                        self._found.append(Trigger(condition, columns.at[number], reason))

    def _find_waits(self, columns: RecordColumns) -> None:
        """Check the waits that ended."""
        limits = [condition.limit for condition in self._by_kind.get("wait", ())]
        relative = "slow wait" in self._by_kind
        if relative:
            limits.append(SHORTEST_RELATIVE_WAIT)
        if not limits:
            return
        shortest, at, ids = min(limits), columns.at, columns.acquisition
        if not relative and max(at) - min(at) <= shortest and self._waiting.keys().isdisjoint(ids):
            return  # nothing can have waited for that long
        is_start = columns.kind.translate(_IS_START)
        is_entered = columns.kind.translate(_IS_ENTERED)
        resources = compress(columns.resource_or_error, is_start)
        started_at = zip(compress(at, is_start), resources, strict=True)
        starts = dict(zip(compress(ids, is_start), started_at, strict=True))
        ended_at = compress(at, is_entered)
        for acquisition, ended in zip(compress(ids, is_entered), ended_at, strict=True):
            open_ = self._waiting.get(acquisition)
            started, resource = starts.get(acquisition, (ended, 0)) if open_ is None else open_[:2]
            if ended - started > shortest:
                self._check_wait(acquisition, resource, started, ended)
            if relative and resource:
                self._usual.add(resource, ended - started)

    def _find_long_waits(self, now: int) -> None:
        """Check the waits that go on; the oldest come first."""
        limits = [condition.limit for condition in self._by_kind.get("wait", ())]
        if "slow wait" in self._by_kind:
            limits.append(SHORTEST_RELATIVE_WAIT)
        if limits:
            shortest = min(limits)
            for acquisition, (at, resource, _) in self._waiting.items():
                if now - at <= shortest:
                    break
                self._check_wait(acquisition, resource, at, now)

    def _check_wait(self, acquisition: int, resource: int, started: int, now: int) -> None:
        waited = now - started
        for condition in self._by_kind.get("wait", ()):
            if waited > condition.limit and condition.matches(self._name(resource)):
                self._report_wait(condition, acquisition, resource, now, waited, "")
        for condition in self._by_kind.get("slow wait", ()):
            usual = self._usual.p99(resource)
            if (
                usual is not None
                and waited > max(SHORTEST_RELATIVE_WAIT, condition.factor * usual)
                and condition.matches(self._name(resource))
            ):
                usually = f"; 99 % of the waits for it take at most {format_duration(usual)}"
                self._report_wait(condition, acquisition, resource, now, waited, usually)

    def _report_wait(
        self,
        condition: Condition,
        acquisition: int,
        resource: int,
        now: int,
        waited: int,
        more: str,
    ) -> None:
        open_ = self._waiting.get(acquisition)
        who = self._names.task(open_.task) if open_ else "a task"
        reason = f"{who} has waited {format_duration(waited)} for {self._name(resource)}{more}"
        self._report(condition, acquisition, now, reason)

    def _find_full(self, now: int) -> None:
        conditions = self._by_kind.get("full")
        if not conditions:
            return
        full = {}
        for resource, held in self._held.items():
            name, capacity = self._names.resource(resource)
            if capacity and held >= capacity and any(c.matches(name) for c in conditions):
                full[resource] = self._full_since.get(resource, now)
                for condition in conditions:
                    long = now - full[resource]
                    if long > condition.limit and condition.matches(name):
                        reason = (
                            f"all {capacity} permits of {name} have been held for "
                            f"{format_duration(long)}"
                        )
                        self._report(condition, resource, now, reason)
        for resource in self._full_since.keys() - full.keys():
            for condition in conditions:
                self._reported.discard((condition.text, resource))
        self._full_since = full

    def _name(self, resource: int) -> str:
        return self._names.resource(resource)[0] or "a resource"


def _start_in(columns: RecordColumns, acquisition: int) -> _Open | None:
    """Return how an acquisition started, if it did in these records."""
    for number, other in enumerate(columns.acquisition):
        if other == acquisition and columns.kind[number] == RecordKind.ENTER_STARTED:
            values = RAW.unpack(columns[number])
            return _Open(values[0], values[_RESOURCE], values[_TASK])
    return None
