"""The steps of one task, made from its instants."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.analysis.what_if.facts import Facts
from asyncctx_trace.analysis.what_if.instants import Instant, What
from asyncctx_trace.analysis.what_if.model import Op, Step
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["TaskSteps", "waits_around_acquisitions"]

_OPAQUE = 200_000
"""ns that an enter or exit without a recorded wait may take to count as running."""
_OPERATIONS = {
    What.SIGNALS: Op.SIGNAL,
    What.SPAWNS: Op.SPAWN,
    What.PUTS: Op.PUT,
}
"""Instants that are one step."""


def waits_around_acquisitions(instants: list[Instant]) -> set[int]:
    """Return the waits during which the task acquired something, as for a slot of an executor."""
    found: set[int] = set()
    open_wait: int | None = None
    for instant in instants:
        if instant.what is What.WAITS:
            open_wait = instant.payload
        elif instant.what is What.GOES_ON:
            open_wait = None
        elif open_wait is not None and instant.what is What.ASKS:
            found.add(open_wait)
    return found


class TaskSteps:
    """Makes the steps of one task from its instants, one after the other.

    Set :attr:`at`, :attr:`ready` and :attr:`transparent` first.
    """

    def __init__(self, facts: Facts, task: int, steps: list[Step]) -> None:
        self._facts = facts
        self._timeline = facts.timeline
        self._task = task
        self._steps = steps
        self.at = 0
        """The time up to which there are steps."""
        self.ready = False
        """Whether the task could go on at ``at``, but had to wait for its event loop."""
        self.transparent: set[int] = set()
        self._opaque = False
        """Whether the task is in an enter or exit, where it may be suspended unrecorded."""
        self._suspended = False
        self._site = 0
        self._factors: dict[int, float] = {}

    def add(self, instant: Instant) -> None:
        """Add the steps up to ``instant``, and what happens there."""
        at, _, what, payload = instant
        match what:
            case What.GOES_ON:
                self._go_on(at, payload)
                return
            case What.ENTERED if self._granted(payload) is not None:
                self.at, self.ready = max(self.at, self._granted(payload) or 0), True
        self._pass_until(at)
        plain = _OPERATIONS.get(what)
        if plain is not None:
            self._emit(plain, payload)
        else:
            self._add_other(at, what, payload)

    def _add_other(self, at: int, what: What, payload: int) -> None:
        match what:
            case What.ASKS:
                self._ask(payload)
            case What.ENTERED:
                self._entered(payload)
            case What.EXITS:
                self._start_exit(payload)
            case What.JOINS:
                self._start_exit(payload)
                self._join(at, self._facts.instants.children_joined.get(payload, []))
            case What.RELEASES:
                self._opaque = self._timeline.exit_ended[payload] > at
                self._emit(Op.RELEASE, self._timeline.resource[payload], payload)
            case What.EXITED:
                self._opaque = False
            case What.GETS:
                self._emit(Op.GET, payload, at)
            case What.GIVES_UP:
                self._give_up(payload)
            case What.WAITS:
                self._wait(payload)

    def end(self, at: int) -> None:
        """Add what the task did until its end."""
        if not self._suspended:
            self._pass_until(at)

    def _emit(self, op: Op, value: int, extra: int = 0) -> None:
        self._steps.append(Step(op, value, extra))

    # -- time -------------------------------------------------------------------------------

    def _pass_until(self, at: int) -> None:
        """Add the time until ``at``, divided into running and being suspended."""
        start = self.at
        if at <= start:
            return
        facts, ready, length = self._facts, self.ready, at - start
        self.at, self.ready = at, False
        if self._suspended or not facts.awaits_recorded:
            self._spend(Op.PAUSE, length)
            return
        others = facts.loop_time.last_of_others(self._task, start, at)
        if ready:
            self._spend(Op.RUN, at - (others or start))
        elif others is not None:
            self._spend(Op.PAUSE, others - start)
            self._spend(Op.RUN, at - others)
        else:
            self._spend(Op.PAUSE if self._opaque and length > _OPAQUE else Op.RUN, length)

    def _spend(self, op: Op, length: int, kind: int = 0) -> None:
        for factor in self._factors.values():
            length = round(length * factor)
        if length > 0:
            self._emit(op, length, self._facts.class_of(op, self._site, kind))

    # -- acquisitions -----------------------------------------------------------------------

    def _granted(self, row: int) -> int | None:
        grants = self._facts.grants.get(self._timeline.resource[row])
        return None if grants is None else grants.granted.get(row)

    def _ask(self, row: int) -> None:
        resource = self._timeline.resource[row]
        self._site, self._opaque = self._timeline.site[row], True
        if resource in self._facts.grants:
            self._emit(Op.ASK, resource, row)
            if not self._timeline.entered(row):
                self._suspended = True

    def _entered(self, row: int) -> None:
        self._opaque = False
        if self._timeline.resource[row] in self._facts.grants:
            self._emit(Op.ENTERED, row)
        factor = self._facts.hold_factors.get(self._timeline.site[row])
        if factor is not None:
            self._factors[row] = factor

    def _start_exit(self, row: int) -> None:
        self._factors.pop(row, None)
        self._opaque = True

    def _give_up(self, row: int) -> None:
        timeline = self._timeline
        patience = timeline.enter_ended[row] - timeline.enter_started[row]
        resource = timeline.resource[row]
        if resource in self._facts.grants:
            self._emit(Op.TRY, resource, patience)
        else:
            self._spend(Op.PAUSE, patience)

    # -- waits ------------------------------------------------------------------------------

    def _wait(self, row: int) -> None:
        timeline, waits, facts = self._timeline, self._timeline.waits, self._facts
        self._site = waits.site[row]
        started, ended = waits.started[row], waits.ended[row]
        kind, outcome = WaitKind(waits.kind[row]), waits.outcome[row]
        self._suspended = True
        if row in self.transparent:
            return
        if row in facts.queues.waits:
            operation, queue, done = facts.queues.waits[row]
            if operation is not None:
                self._emit(operation, queue, done)
        elif row in facts.instants.signalled:
            self._emit(Op.AWAIT, row)
        elif ended == NOT_YET:
            self._emit(Op.AWAIT, row)  # for ever
        elif kind in OF_TASKS and outcome == Outcome.OK and self._awaited(row):
            tasks = self._awaited(row)
            if kind is WaitKind.FIRST_TASK:
                self._emit(Op.JOIN_ANY, facts.join_any(tasks))
            else:
                self._join(started, tasks)
                return
        else:
            arrivals = facts.arrival_factor if self._paces_arrivals(row) else 1.0
            self._spend(Op.PAUSE, round((ended - started) / arrivals), kind)
        self.at = max(self.at, ended if ended != NOT_YET else timeline.end or 0)

    def _awaited(self, row: int) -> list[int]:
        """Return the tasks that had ended when the wait in ``row`` was over."""
        ends, ended = self._facts.instants.ends, self._timeline.waits.ended[row]
        return [
            t for t in self._timeline.waits.tasks_awaited(row) if ends.get(t, ended + 1) <= ended
        ]

    def _paces_arrivals(self, row: int) -> bool:
        """Return whether the wait in ``row`` is a pause between arrivals."""
        return (
            self._timeline.waits.kind[row] == WaitKind.SLEEP and self._task in self._facts.sources
        )

    def _join(self, at: int, tasks: list[int]) -> None:
        ends = self._facts.instants.ends
        for task in tasks:
            self._emit(Op.JOIN, task)
        self.at = max([at, *(ends[task] for task in tasks)])
        self.ready = True

    def _go_on(self, at: int, row: int) -> None:
        if row in self.transparent:
            self._pass_until(at)
        self._suspended = False
        self._opaque = False
        self.at, self.ready = max(self.at, at), True
