"""Turn a recording into a model that can be replayed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.analysis.what_if.facts import SEVERAL, Facts
from asyncctx_trace.analysis.what_if.instants import What
from asyncctx_trace.analysis.what_if.model import Model, Program
from asyncctx_trace.analysis.what_if.task_steps import TaskSteps, waits_around_acquisitions
from asyncctx_trace.analysis.what_if.work_items import attach_work

__all__ = ["build_model"]


def build_model(
    timeline: Timeline,
    hold_factors: Mapping[int, float] | None = None,
    arrival_factor: float = 1.0,
) -> Model:
    """Return the model of ``timeline``; O(n log n) for n events.

    Args:
        timeline: The recording.
        hold_factors: Site -> what to multiply the times by that acquisitions made there spend in
            their bodies, waits for limited resources excepted.
        arrival_factor: How many times as many tasks and items arrive in a time.
    """
    return _Builder(Facts(timeline, hold_factors or {}, arrival_factor)).build()


class _Builder:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._timeline = facts.timeline

    def build(self) -> Model:
        """Build the program of each task."""
        timeline, grants = self._timeline, self._facts.grants
        spawns = self._spawns()
        programs = {
            task: self._program(task, spawns.get(task)) for task in timeline.tasks
        }  # fmt: skip
        work = attach_work(timeline, self._facts.queues, programs)
        given_up: dict[int, int] = defaultdict(int)
        measured: dict[int, int] = {}
        for row in range(len(timeline)):
            if timeline.resource[row] not in self._facts.grants:
                continue
            if timeline.entered(row):
                measured[row] = timeline.enter_ended[row] - timeline.enter_started[row]
            elif timeline.enter_ended[row] != NOT_YET:
                given_up[timeline.resource[row]] += 1
        return Model(
            programs=programs,
            capacities={resource: each.capacity for resource, each in grants.items()},
            disciplines={resource: each.discipline for resource, each in grants.items()},
            queue_sizes=self._facts.queues.sizes,
            queue_items=self._facts.queues.items,
            resource_of_row={row: timeline.resource[row] for row in measured},
            measured=measured,
            aliases=self._aliases(),
            groups=self._facts.groups,
            hidden_queues=self._facts.queues.hidden,
            work=work,
            given_up=dict(given_up),
            excess={resource: each.excess for resource, each in grants.items()},
            paced=self._paced(programs),
        )

    def _spawns(self) -> dict[int, int]:
        """Return task -> when its parent started it (monotonic ns)."""
        return {
            instant.payload: instant.at
            for instants in self._facts.instants.of_task.values()
            for instant in instants
            if instant.what is What.SPAWNS
        }

    def _paced(self, programs: Mapping[int, Program]) -> bool:
        """Return whether tasks or items arrive with pauses of their own in between."""
        instants, whole = self._facts.instants, (self._timeline.end or 0) - self._facts.start
        # A task that lives through half of the recording is a client, or a connection of one.
        arrivals = {
            program.arrival
            for task, program in programs.items()
            if program.arrival is not None
            and program.steps
            and 2 * (instants.ends[task] - instants.begins[task]) < whole
        }
        return len(arrivals) > SEVERAL or self._facts.sources_pause

    def _aliases(self) -> dict[int, int]:
        """Find resources that limit nothing themselves: their enter acquires another one.

        Such as a pool whose ``acquire()`` takes a semaphore of the same size.
        """
        timeline = self._timeline
        inner: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        row_of = {id: row for row, id in enumerate(timeline.id)}
        for row, parent in enumerate(timeline.parent):
            outer = row_of.get(parent)
            resource = timeline.resource[row]
            if outer is None or resource not in self._facts.grants:
                continue
            above = timeline.resource[outer]
            entering = timeline.enter_ended[outer]
            if above in self._facts.grants and timeline.enter_ended[row] <= entering != NOT_YET:
                inner[above][resource] += 1
        found: dict[int, int] = {}
        for above, counts in inner.items():
            resource, count = max(counts.items(), key=lambda item: item[1])
            alike = self._facts.grants[above].capacity == self._facts.grants[resource].capacity
            if alike and count >= 0.9 * len(timeline.rows_of_resource[above]):
                found[above] = resource
        return found

    # -- one task ---------------------------------------------------------------------------

    def _program(self, task: int, spawned_at: int | None) -> Program:
        instants = self._facts.instants
        program = Program(task, self._facts.loop_time.loop_of(task))
        steps = TaskSteps(self._facts, task, program.steps)
        begins = instants.begins[task]
        steps.at, steps.ready = begins, True
        if spawned_at is None:
            program.arrival = round((begins - self._facts.start) / self._facts.arrival_factor)
        else:
            steps.at = spawned_at
        mine = instants.of_task.get(task, [])
        steps.transparent = waits_around_acquisitions(mine)
        for instant in mine:
            steps.add(instant)
        steps.end(instants.ends[task])
        return program
