"""Cycles of tasks that wait for each other, now or at an earlier time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from asyncctx_trace.analysis.contention.permits import is_anonymous
from asyncctx_trace.analysis.deadlocks.components import components
from asyncctx_trace.analysis.occupancy import contends, limit_of
from asyncctx_trace.analysis.retries import Retries
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import is_complete
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.events import Outcome, TaskDefined

__all__ = ["DeadlockCycle", "avoided", "cycles_of", "deadlocks_at", "goes_on"]

_NOT_IN = (0, *(outcome for outcome in Outcome if outcome is not Outcome.OK))

MIN_AGE = 100_000_000
"""The age, in ns, from which a cycle is reported live: events of a slow writer may arrive late."""


@dataclass(frozen=True, slots=True)
class DeadlockCycle:
    """Tasks none of which can go on before another one of them does.

    Every holder of every resource that they wait for is itself waiting in the cycle. A task that
    leaves a task group waits for the tasks that it created.
    """

    waits: tuple[int, ...]
    """The enters that cannot end and the task groups that cannot be left, in order around the cycle
    if it is a simple one."""
    holds: tuple[int, ...]
    """The acquisitions that they wait for."""
    behind: tuple[int, ...]
    """Other enters, which can only end after those of the cycle."""
    since: int
    """When the last of them started to wait."""
    certain: bool
    """Whether all holders of each resource are known to be in the cycle."""


def deadlocks_at(timeline: Timeline, now: int) -> list[DeadlockCycle]:
    """Return the cycles among open acquisitions; cheap enough to call for each batch of events.

    ``now`` is in monotonic ns; a cycle younger than a tenth of a second is left out.
    """
    waiting: dict[int, int] = {}
    holders: dict[int, list[int]] = {}
    groups: dict[int, int] = {}
    for row in timeline.in_flight:
        resource = timeline.resource[row]
        if timeline.is_group(timeline.resource[row]) and timeline.exit_started[row] != NOT_YET:
            groups[timeline.exit_task[row]] = row
        if not contends(timeline.resources.get(resource)):
            continue
        if timeline.enter_ended[row] == NOT_YET:
            waiting[timeline.task[row]] = row  # the innermost comes last
        elif timeline.entered(row):
            holders.setdefault(resource, []).append(row)
    cycles = _cycles(
        timeline,
        waiting.values(),
        lambda task: waiting.get(task, groups.get(task)),
        lambda resource: holders.get(resource, []),
        partial(Snapshot(timeline, now).holder, at=now),
    )
    return [cycle for cycle in cycles if now - cycle.since >= MIN_AGE]


def cycles_of(snapshot: Snapshot) -> list[DeadlockCycle]:
    """Return all cycles: those that last, and those that an error, cancellation or timeout broke.

    Left out are those that the tasks themselves are prepared for: see :func:`avoided`.
    """
    return [cycle for cycle in snapshot.once(_closed_cycles) if not _is_backed_off(snapshot, cycle)]


def avoided(snapshot: Snapshot) -> list[DeadlockCycle]:
    """Return the cycles that a member left as the program had planned."""
    return [cycle for cycle in snapshot.once(_closed_cycles) if _is_backed_off(snapshot, cycle)]


def _closed_cycles(snapshot: Snapshot) -> list[DeadlockCycle]:
    timeline = snapshot.timeline
    cycles: dict[frozenset[int], DeadlockCycle] = {}
    behind: dict[frozenset[int], set[int]] = {}
    for at, rows in _failed_waits(snapshot):
        closed = _cycles(
            timeline,
            rows,
            partial(_waiting_or_leaving, snapshot, at=at),
            partial(snapshot.holders, at=at),
            partial(snapshot.holder, at=at),
        )
        for cycle in closed:
            if any(_raised_at_once(timeline, row) for row in cycle.waits):
                continue
            members = frozenset(cycle.waits)
            cycles[members] = cycle
            # Who stands behind it is only seen from there.
            behind.setdefault(members, set()).update(cycle.behind)
    return [
        replace(cycle, behind=tuple(sorted(behind[members]))) for members, cycle in cycles.items()
    ]


def _failed_waits(snapshot: Snapshot) -> Iterator[tuple[int, list[int]]]:
    """Yield the waits that did not succeed, by the last time at which they waited.

    A cycle can only be broken if one of its waits fails, so that it is seen from that wait.
    """
    timeline = snapshot.timeline
    last: dict[int, list[int]] = {}
    limited = set(snapshot.limited)
    for row in rows_with(timeline.enter_outcome, *_NOT_IN):
        if timeline.resource[row] in limited:
            ended = timeline.enter_ended[row]
            at = snapshot.now if ended == NOT_YET else ended - 1
            if at >= timeline.enter_started[row]:
                last.setdefault(at, []).append(row)
    yield from sorted(last.items())


def _is_backed_off(snapshot: Snapshot, cycle: DeadlockCycle) -> bool:
    """Return whether a member gave up as planned: it could go on, and so could the others.

    A task that asks for a second lock with a deadline, releases the first one if it passes, and
    tries again, avoids deadlocks. The deadline passes inside the hold, whose body goes on without
    an error.
    """
    timeline = snapshot.timeline
    retries = snapshot.once(Retries)
    return any(
        timeline.enter_outcome[row] in (Outcome.CANCELLED, Outcome.TIMED_OUT)
        and timeline.resources[timeline.resource[row]].kind != "pool"
        and retries.succeeded_later(row)
        and all(
            timeline.body_outcome[hold] == Outcome.OK
            for hold in cycle.holds
            if timeline.task[hold] == timeline.task[row]
        )
        for row in cycle.waits
        if not timeline.is_group(timeline.resource[row])
    )


def _raised_at_once(timeline: Timeline, row: int) -> bool:
    """Return whether the enter of ``row`` failed without waiting, as far as the events tell.

    It did wait if it took long, if its error is a timeout, or if another task published an event
    meanwhile: for that it must have been suspended.
    """
    if timeline.enter_outcome[row] != Outcome.ERROR:
        return False
    started, ended = timeline.enter_started[row], timeline.enter_ended[row]
    error = timeline.errors.get((row, "enter"))
    if ended - started >= MIN_AGE or (error is not None and "timeout" in error.type.lower()):
        return False
    # Its own two events are the first and the last of these.
    between = bisect_left(timeline.facts, ended) - bisect_right(timeline.facts, started)
    return between <= 0


def _cycles(
    timeline: Timeline,
    waits: Iterable[int],
    waiting: Callable[[int], int | None],
    holders: Callable[[int], list[int]],
    holding: Callable[[int], int],
) -> list[DeadlockCycle]:
    """Return the cycles that can be reached from ``waits``.

    ``waiting``: task -> the row in which it waits, or the task group that it leaves; ``holders``:
    resource -> rows; ``holding``: row -> the task that must release it.
    """
    # What each wait waits for: the waits of the holders, ``None`` for a holder that can go on.
    needs: dict[int, list[int | None]] = {}
    blockers: dict[int, list[int]] = {}
    groups: set[int] = set()
    created: dict[int | None, list[TaskDefined]] = {}
    todo = list(waits)
    while todo:
        row = todo.pop()
        if row in needs:
            continue
        if timeline.is_group(timeline.resource[row]):
            groups.add(row)
            blockers[row] = []
            needs[row] = [waiting(child) for child in _children(timeline, row, created)]
            todo.extend(need for need in needs[row] if need is not None)
            continue
        resource = timeline.resource[row]
        held = holders(resource)
        full = len(held) >= limit_of(timeline.resources.get(resource))
        blockers[row] = held if full and not goes_on(timeline, row, held) else []
        needs[row] = [waiting(holding(hold)) for hold in blockers[row]]
        todo.extend(need for need in needs[row] if need is not None)
    hopeless = _hopeless(needs, groups)
    edges = {row: [need for need in needs[row] if need in hopeless] for row in hopeless}
    cycles = []
    for component in components(edges):
        first = component[0]
        if len(component) == 1 and first not in edges[first]:
            continue
        members = set(component)
        # A member that also waits for somebody outside is stuck behind that one's ring as well.
        if any(need not in members for row in component for need in edges[row]):
            continue
        if len(component) == 1 and _used_up(timeline, first, blockers[first]):
            continue
        order = _around(component, edges)
        holds = dict.fromkeys(hold for row in order for hold in blockers[row])
        cycles.append(
            DeadlockCycle(
                waits=tuple(order),
                holds=tuple(holds),
                behind=tuple(sorted(_behind(members, edges))),
                since=max(timeline.enter_started[row] for row in component),
                certain=is_complete(
                    timeline,
                    {timeline.task[row] for row in (*order, *holds)},
                    min(timeline.enter_started[row] for row in (*order, *holds)),
                    max(timeline.enter_started[row] for row in component),
                )
                and not groups.intersection(component)
                and not any(is_anonymous(timeline, hold) for hold in holds)
                and all(
                    _exact(timeline, timeline.resource[row], len(blockers[row]))
                    for row in component
                ),
            )
        )
    return cycles


def goes_on(timeline: Timeline, wait: int, holds: list[int]) -> bool:
    """Return whether the task of ``wait`` acquired one of ``holds`` after it had asked.

    Then it does not wait itself: it made a task of ``lock.acquire()``.
    """
    return bool(timeline.by_call[wait]) and any(
        timeline.task[hold] == timeline.task[wait]
        and timeline.enter_started[hold] > timeline.enter_started[wait]
        for hold in holds
    )


def _used_up(timeline: Timeline, wait: int, holds: list[int]) -> bool:
    """Return whether one task has acquired everything by calls, and forgot to release it.

    It waits for what it took before at the same line, or for connections of functions that have
    ended: that is a leak, not two acquisitions that exclude each other. A recursive function calls
    itself from another line than its first caller, and so is at another site.
    """
    if not timeline.by_call[wait]:
        return False
    definition = timeline.resources.get(timeline.resource[wait])
    is_pool = definition is not None and definition.kind == "pool"
    return all(
        timeline.by_call[hold]
        and timeline.task[hold] == timeline.task[wait]
        and (
            timeline.site[hold] == timeline.site[wait]
            or (is_pool and _has_ended(timeline, hold, wait))
        )
        for hold in holds
    )


def _has_ended(timeline: Timeline, hold: int, wait: int) -> bool:
    """Return whether the function that took ``hold`` seems to have returned.

    It has not if it asks for ``wait``, if it called the function that does, or if a block that it
    entered around the call is open.
    """
    function = _function(timeline, timeline.site[hold])
    site = timeline.sites.get(timeline.site[wait])
    callers = () if site is None or site.caller is None else (site.caller,)
    if function in [_function(timeline, at) for at in (timeline.site[wait], *callers)]:
        return False
    asked = timeline.enter_started[wait]
    return not any(
        not timeline.by_call[block]
        and timeline.entered(block)
        and not NOT_YET < timeline.exit_ended[block] <= asked
        and _function(timeline, timeline.site[block]) == function
        for block in timeline.rows_of_task[timeline.task[hold]]
        if timeline.enter_started[block] <= timeline.enter_started[hold]
    )


def _function(timeline: Timeline, site: int) -> tuple[str, str] | None:
    definition = timeline.sites.get(site)
    return None if definition is None else (definition.file, definition.function)


def _hopeless(needs: Mapping[int, list[int | None]], groups: set[int]) -> set[int]:
    """Return the waits that can never end.

    One holder that can release is enough for a wait to end; a task group needs all of its tasks.
    """
    freed_by: dict[int, list[int]] = {}
    missing: dict[int, int] = {}
    hopeful = []
    for row, needed in needs.items():
        others = [need for need in needed if need is not None]
        missing[row] = len(others) if row in groups else min(1, len(others))
        if not missing[row] or (row not in groups and None in needed):
            hopeful.append(row)
        for need in others:
            freed_by.setdefault(need, []).append(row)
    saved = set(hopeful)
    while hopeful:
        for row in freed_by.get(hopeful.pop(), ()):
            missing[row] -= 1
            if row not in saved and missing[row] <= 0:
                saved.add(row)
                hopeful.append(row)
    return set(needs) - saved


def _waiting_or_leaving(snapshot: Snapshot, task: int, at: int) -> int | None:
    row = snapshot.waiting_at(task, at)
    if row is not None:
        return row
    timeline = snapshot.timeline
    for row in reversed(snapshot.held_by(task, at)):
        if timeline.is_group(timeline.resource[row]) and NOT_YET < timeline.exit_started[row] <= at:
            return row
    return None


def _children(
    timeline: Timeline, group: int, created: dict[int | None, list[TaskDefined]]
) -> list[int]:
    """Return the tasks that the task of ``group`` created since it entered the group.

    ``created``: task -> its children; filled at the first use.
    """
    if not created:
        for definition in timeline.tasks.values():
            created.setdefault(definition.parent, []).append(definition)
    entered = timeline.enter_ended[group]
    return [
        definition.task
        for definition in created.get(timeline.task[group], ())
        if definition.at >= entered
    ]


def _around(component: list[int], edges: Mapping[int, list[int]]) -> list[int]:
    """Return the members, each followed, if possible, by one that it waits for."""
    members = dict.fromkeys(sorted(component))
    order: list[int] = []
    row: int | None = next(iter(members))
    while row is not None:
        order.append(row)
        del members[row]
        row = next((need for need in edges[row] if need in members), None)
    return [*order, *members]


def _behind(members: set[int], edges: Mapping[int, list[int]]) -> set[int]:
    """Return the waits for the members, those for these, and so on."""
    waiters: dict[int, list[int]] = {}
    for row, needed in edges.items():
        for need in needed:
            waiters.setdefault(need, []).append(row)
    result = set(members)
    todo = list(members)
    while todo:
        new = [row for row in waiters.get(todo.pop(), ()) if row not in result]
        result.update(new)
        todo.extend(new)
    return result - members


def _exact(timeline: Timeline, resource: int, holders: int) -> bool:
    """Return whether the ``holders`` are known to hold the whole capacity.

    A condition is released while it waits. If there are more holders than the capacity, either that
    is wrong or one task may enter repeatedly.
    """
    definition = timeline.resources.get(resource)
    return (
        definition is not None and definition.kind != "condition" and definition.capacity == holders
    )
