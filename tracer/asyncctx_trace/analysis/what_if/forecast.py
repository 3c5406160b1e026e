"""Foretell the waits of a program with something changed, or refuse to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.completeness import completeness
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.changes import Changes
from asyncctx_trace.analysis.what_if.model import Discipline, Model, Op
from asyncctx_trace.analysis.what_if.programs import build_model
from asyncctx_trace.analysis.what_if.replay import Outcome, replay
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import plain

__all__ = ["Forecast", "Forecaster", "Refused", "ResourceForecast"]

TOLERANCE = 0.05
"""How far the unchanged replay may be off the measured waits."""
_NEGLIGIBLE = 100_000
"""ns by which a wait may be off in any case: what an event loop takes for other tasks."""
_SMALL_SHARE = 0.05
"""A resource with less than this share of all waiting is not compared."""
_ENOUGH = 40
"""Waits from which on the 95th percentile is compared as well."""
_GIVEN_UP = 0.05
_BUSY = 0.8
_ORDERS: tuple[Discipline, ...] = ("barging", "fifo", "lifo")
_REPLAYS = 16
_STEPS_FOR_BAND = 1_500_000
"""How many steps all replays for the error band may have together."""


class Refused(Exception):
    """The program cannot be foretold; the message says why."""

    def __init__(self, reason: str, resource: int | None = None) -> None:
        self.resource = resource
        """The resource at which the replay deviates, if it is one."""
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class ResourceForecast:
    """One resource, or several of the same name, kind and capacity; times in ns."""

    resources: tuple[int, ...]
    name: str
    capacity: int
    new_capacity: int | None
    """``None`` for no limit."""
    discipline: Discipline
    measured: DurationStats
    """How long enters took in the recording."""
    foretold: DurationStats
    """How long they take after the change."""
    low: DurationStats
    high: DurationStats
    """The error band of each figure of :attr:`foretold`."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a change does."""

    changes: Changes
    resources: tuple[ResourceForecast, ...]
    """Those with most waiting after the change first."""
    makespan: int
    """ns from the start to the end of the last task, replayed unchanged."""
    new_makespan: int
    entered: int
    """The number of acquisitions of limited resources."""
    deviation: float
    """The largest relative error of the unchanged replay."""
    loop_busy: float
    """The share of the time in which the busiest event loop runs tasks, after the change."""
    open_loop: bool
    """Whether work arrives independently of what is done."""
    caveats: tuple[str, ...]

    @property
    def bottleneck(self) -> ResourceForecast | None:
        """The resource with most waiting after the change, if anybody waits."""
        first = self.resources[0] if self.resources else None
        return first if first is not None and first.foretold.p99 > _NEGLIGIBLE else None


@dataclass(frozen=True, slots=True)
class _Group:
    resources: tuple[int, ...]
    rows: tuple[int, ...]


class Forecaster:
    """Foretells changes of one recorded program, whose unchanged replay it has checked.

    The constructor raises :class:`Refused`.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        _check_complete(timeline)
        self.model = build_model(timeline)
        self._groups = self._grouped()
        self._unchecked: list[str] = []
        """Names of resources whose waits are too small a share to refuse because of them."""
        self._unclear: list[int] = []
        """Resources whose order of waiters is neither first nor last come first served."""
        self.unchanged = self._replay_unchanged()
        self._check_model()
        self.deviation = self._check_waits()

    def foretell(self, changes: Changes, *, band: bool = True) -> Forecast:
        """Return what ``changes`` do; without ``band``, its limits are those of the replay alone.

        Raises :class:`Refused`.
        """
        if changes.arrivals != 1.0 and not self.is_open:
            raise Refused(
                "all clients wait for their answers (a closed loop), so that arrivals follow from "
                "the waits; record with more clients instead"
            )
        model = self.changed(changes)
        capacities = self._with_aliases(changes)
        outcome = replay(model, capacities)
        if len(outcome.stuck) > len(self.unchanged.stuck):
            raise Refused("with this change, the recorded order of events leads to a deadlock")
        samples = self._samples(model, capacities) if band else []
        busy = _busiest_loop(model, outcome)
        return Forecast(
            changes=changes,
            resources=tuple(self._forecasts(outcome, capacities, samples)),
            makespan=self.unchanged.makespan,
            new_makespan=outcome.makespan,
            entered=len(outcome.waits),
            deviation=self.deviation,
            loop_busy=busy,
            open_loop=self.is_open,
            caveats=tuple(self._caveats(busy)),
        )

    def waiting(self, changes: Changes) -> int:
        """Return for how long (ns) all tasks together wait after ``changes``."""
        outcome = replay(self.changed(changes), self._with_aliases(changes))
        return sum(outcome.waits.values())

    @property
    def is_open(self) -> bool:
        """Whether work arrives independently of what is done.

        Tasks arrive that no recorded task starts, or a task starts others, or puts items into a
        queue, with pauses in between.
        """
        return self.model.paced

    def changed(self, changes: Changes) -> Model:
        """Return the model with ``changes``, except for the capacities."""
        model = self.model
        if changes.needs_other_steps:
            model = build_model(self.timeline, changes.hold_factors, changes.arrivals)
        return replace(model, split=dict(changes.split)) if changes.split else model

    def _with_aliases(self, changes: Changes) -> dict[int, int | None]:
        capacities = dict(changes.capacities)
        for outer, inner in self.model.aliases.items():
            if outer in capacities:
                capacities.setdefault(inner, capacities[outer])
        return capacities

    # -- checks -----------------------------------------------------------------------------

    def _grouped(self) -> list[_Group]:
        rows: dict[tuple[str, str, int], list[int]] = defaultdict(list)
        for row, resource in self.model.resource_of_row.items():
            known = self.timeline.resources[resource]
            rows[known.name, known.kind, self.model.capacities[resource]].append(row)
        resource_of = self.model.resource_of_row
        return [
            _Group(tuple(dict.fromkeys(resource_of[row] for row in each)), tuple(each))
            for each in rows.values()
        ]

    def _replay_unchanged(self) -> Outcome:
        """Replay the model; unclear orders of waiters are replaced by the one that fits best."""
        model = self.model
        unclear = [resource for resource, order in model.disciplines.items() if order == "mixed"]
        if not unclear:
            return replay(model)
        rows = [row for row, resource in model.resource_of_row.items() if resource in unclear]
        measured = DurationStats.of(model.measured[row] for row in rows)
        best: tuple[int, dict[int, Discipline], Outcome] | None = None
        for order in _ORDERS:
            model.disciplines.update(dict.fromkeys(unclear, order))
            outcome = replay(model)
            waits = DurationStats.of(outcome.waits.get(row, 0) for row in rows)
            off = abs(waits.mean - measured.mean) + abs(waits.p95 - measured.p95)
            if best is None or off < best[0]:
                best = off, dict(model.disciplines), outcome
        assert best is not None
        _, model.disciplines, outcome = best
        self._unclear = unclear
        return outcome

    def _check_model(self) -> None:
        model, timeline = self.model, self.timeline
        if not any(wait > _NEGLIGIBLE for wait in model.measured.values()):
            raise Refused("no task waited for a resource with a capacity: there is nothing to gain")
        for queue in model.hidden_queues:
            raise Refused(
                f"puts and gets of queue `{self._name(queue)}` that did not wait are not in the "
                f"recording, and could not be reconstructed",
                queue,
            )
        for resource, count in model.given_up.items():
            if count > _GIVEN_UP * len(timeline.rows_of_resource[resource]):
                raise Refused(
                    f"{count:,} enters of `{self._name(resource)}` gave up or were cancelled: what "
                    f"they would have done is not recorded",
                    resource,
                )
        for resource, count in model.excess.items():
            if count > _GIVEN_UP * len(timeline.rows_of_resource[resource]):
                raise Refused(
                    f"{count:,} tasks entered `{self._name(resource)}` although no unit of it was "
                    f"free: its capacity is not {model.capacities[resource]}",
                    resource,
                )

    def _check_waits(self) -> float:
        """Compare the unchanged replay with what was measured; return the largest deviation."""
        measured, replayed = self.model.measured, self.unchanged.waits
        missing = len(measured) - len(replayed)
        if missing:
            raise Refused(
                f"the replay of the unchanged program ends early: {missing:,} of "
                f"{len(measured):,} acquisitions are not reached"
            )
        whole = sum(measured.values())
        largest = 0.0
        stats = [DurationStats.of(measured[row] for row in group.rows) for group in self._groups]
        for group, before in zip(self._groups, stats, strict=True):
            after = DurationStats.of(replayed[row] for row in group.rows)
            if before.total < _SMALL_SHARE * whole:
                if abs(after.mean - before.mean) > max(_NEGLIGIBLE, TOLERANCE * before.mean):
                    self._unchecked.append(self._name(group.resources[0]))
                continue
            pairs = [("mean", before.mean, after.mean)]
            if before.count >= _ENOUGH:
                pairs.append(("95th percentile", before.p95, after.p95))
            for figure, old, new in pairs:
                if abs(new - old) <= _NEGLIGIBLE:
                    continue
                deviation = abs(new - old) / max(old, 1)
                if deviation > TOLERANCE:
                    raise Refused(
                        self._deviates(group.resources[0], figure, old, new), group.resources[0]
                    )
                largest = max(largest, deviation)
        return largest

    def _deviates(self, resource: int, figure: str, old: int, new: int) -> str:
        why = "; its waiters got in neither in the order of asking nor in reverse" * (
            resource in self._unclear
        )
        return (
            f"the replay of the unchanged program does not reproduce the waits for "
            f"`{self._name(resource)}`: {figure} {format_duration(new)} instead of "
            f"{format_duration(old)}{why}"
        )

    def _name(self, resource: int) -> str:
        return plain(self.timeline.resources[resource].name)

    # -- figures ----------------------------------------------------------------------------

    def _forecasts(
        self, outcome: Outcome, capacities: dict[int, int | None], samples: list[Outcome]
    ) -> list[ResourceForecast]:
        found = []
        for group in self._groups:
            first = group.resources[0]
            old = self.model.capacities[first]
            foretold = _stats(outcome, group)
            low, high = self._band(foretold, [_stats(each, group) for each in samples])
            found.append(
                ResourceForecast(
                    resources=group.resources,
                    name=self._name(first),
                    capacity=old,
                    new_capacity=capacities.get(first, old),
                    discipline=self.model.disciplines[first],
                    measured=DurationStats.of(self.model.measured[row] for row in group.rows),
                    foretold=foretold,
                    low=low,
                    high=high,
                )
            )
        return sorted(found, key=lambda each: -each.foretold.total)

    def _samples(self, model: Model, capacities: dict[int, int | None]) -> list[Outcome]:
        """Replay with durations drawn from those of the same class (a bootstrap)."""
        durations: dict[int, list[int]] = defaultdict(list)
        steps = 0
        for program in model.programs.values():
            steps += len(program.steps)
            for op, value, extra in program.steps:
                if op is Op.RUN or op is Op.PAUSE:
                    durations[extra].append(value)
        count = max(2, min(_REPLAYS, _STEPS_FOR_BAND // max(1, steps)))
        return [replay(model, capacities, durations, seed) for seed in range(1, count + 1)]

    def _band(
        self, foretold: DurationStats, samples: list[DurationStats]
    ) -> tuple[DurationStats, DurationStats]:
        """Return the lower and upper limits of each figure.

        The spread of the samples around their median, and the deviation of the unchanged replay.
        """

        def limits(name: str) -> tuple[int, int]:
            value: int = getattr(foretold, name)
            drawn = sorted(getattr(each, name) for each in samples) or [value]
            median = drawn[len(drawn) // 2]
            margin = value * self.deviation + _NEGLIGIBLE / 2
            low = value - max(0, median - drawn[0]) - margin
            return max(0, round(low)), round(value + max(0, drawn[-1] - median) + margin)

        names = ("total", "p50", "p95", "p99", "max")
        low, high = zip(*(limits(name) for name in names), strict=True)
        return DurationStats(foretold.count, *low), DurationStats(foretold.count, *high)

    def _caveats(self, busy: float) -> list[str]:
        found = []
        if busy > _BUSY:
            found.append(
                f"an event loop is busy {busy:.0%} of the time: it becomes the limit itself"
            )
        found += [
            f"the few waits for `{name}` are not reproduced: its figures are less certain"
            for name in self._unchecked
        ]
        if any(self.model.given_up.values()):
            count = sum(self.model.given_up.values())
            found.append(f"{count:,} enters gave up; they are replayed with the same patience")
        return found


def _stats(outcome: Outcome, group: _Group) -> DurationStats:
    waits = outcome.waits
    return DurationStats.of(waits[row] for row in group.rows if row in waits)


def _busiest_loop(model: Model, outcome: Outcome) -> float:
    running: dict[int, int] = defaultdict(int)
    for program in model.programs.values():
        running[program.loop] += sum(step.value for step in program.steps if step.op is Op.RUN)
    return max(running.values(), default=0) / max(1, outcome.makespan)


def _check_complete(timeline: Timeline) -> None:
    gaps = completeness(timeline)
    if gaps:
        raise Refused(f"the recording is not complete: {gaps[0].reason}")
