"""Tasks that wait for each other in a ring, now or at any time before."""

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
from asyncctx_trace.analysis.timeline.lookups import rows_with
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.events import Outcome, TaskDefined

__all__ = ["DeadlockCycle", "avoided", "cycles_of", "deadlocks_at", "is_group"]

_NOT_IN = (0, *(outcome for outcome in Outcome if outcome is not Outcome.OK))

PATIENCE = 100_000_000
"""ns that a ring must have lasted before it is told live: a slow writer's facts may come late."""


@dataclass(frozen=True, slots=True)
class DeadlockCycle:
    """Tasks of which none can go on before another one of them does.

    Every holder of every resource that they wait for waits itself inside the ring. One that leaves
    a task group waits for the tasks that it has created.
    """

    waits: tuple[int, ...]
    """Rows of the enters that cannot end, and of task groups that cannot be left, in order around
    the ring where it is a plain one."""
    holds: tuple[int, ...]
    """Rows of the acquisitions that keep them out."""
    behind: tuple[int, ...]
    """Rows of other enters that can only end after the ring's."""
    since: int
    """When the last one began to wait."""
    certain: bool
    """Whether it is known of each resource that all who hold it are in the ring."""


def deadlocks_at(timeline: Timeline, now: int) -> list[DeadlockCycle]:
    """The rings among what is in flight, for a recording that grows: cheap enough to poll.

    ``now`` is the monotonic time in ns; a ring younger than a tenth of a second is not told yet.
    """
    waiting: dict[int, int] = {}
    holders: dict[int, list[int]] = {}
    groups: dict[int, int] = {}
    for row in timeline.in_flight:
        resource = timeline.resource[row]
        if is_group(timeline, row) and timeline.exit_started[row] != NOT_YET:
            groups[timeline.exit_task[row]] = row
        if not contends(timeline.resources.get(resource)):
            continue
        if timeline.enter_ended[row] == NOT_YET:
            waiting[timeline.task[row]] = row  # the innermost comes last
        elif timeline.entered(row):
            holders.setdefault(resource, []).append(row)
    rings = _rings(
        timeline,
        waiting.values(),
        lambda task: waiting.get(task, groups.get(task)),
        lambda resource: holders.get(resource, []),
        partial(Snapshot(timeline, now).holder, at=now),
    )
    return [ring for ring in rings if now - ring.since >= PATIENCE]


def cycles_of(snapshot: Snapshot) -> list[DeadlockCycle]:
    """Every ring that ever closed: those that last, and those that an error, a cancellation or a
    timeout broke open again. Left out are those that the tasks themselves are prepared for."""
    return [ring for ring in snapshot.once(_closed_rings) if not _is_backed_off(snapshot, ring)]


def avoided(snapshot: Snapshot) -> list[DeadlockCycle]:
    """The rings out of which a member backed off as it had planned to."""
    return [ring for ring in snapshot.once(_closed_rings) if _is_backed_off(snapshot, ring)]


def _closed_rings(snapshot: Snapshot) -> list[DeadlockCycle]:
    timeline = snapshot.timeline
    rings: dict[frozenset[int], DeadlockCycle] = {}
    behind: dict[frozenset[int], set[int]] = {}
    for at, rows in _stuck(snapshot):
        closed = _rings(
            timeline,
            rows,
            partial(_waiting_or_leaving, snapshot, at=at),
            partial(snapshot.holders, at=at),
            partial(snapshot.holder, at=at),
        )
        for ring in closed:
            if any(_raised_at_once(timeline, row) for row in ring.waits):
                continue
            members = frozenset(ring.waits)
            rings[members] = ring
            # Who stands behind it is only seen from there.
            behind.setdefault(members, set()).update(ring.behind)
    return [replace(ring, behind=tuple(sorted(behind[members]))) for members, ring in rings.items()]


def _stuck(snapshot: Snapshot) -> Iterator[tuple[int, list[int]]]:
    """The waits that never came to a good end, by the last moment at which they waited.

    A ring cannot dissolve but by the failure of one of its waits, so these see them all.
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


def _is_backed_off(snapshot: Snapshot, ring: DeadlockCycle) -> bool:
    """Whether a member gave up by its own plan: it could go on, and so could the others.

    Whoever asks for a second lock with a deadline, lets go of the first one where that passes, and
    tries again, avoids deadlocks in this way. The deadline passes inside the hold, whose body goes
    on without an error.
    """
    timeline = snapshot.timeline
    retries = snapshot.once(Retries)
    return any(
        timeline.enter_outcome[row] in (Outcome.CANCELLED, Outcome.TIMED_OUT)
        and timeline.resources[timeline.resource[row]].kind != "pool"
        and retries.succeeded_later(row)
        and all(
            timeline.body_outcome[hold] == Outcome.OK
            for hold in ring.holds
            if timeline.task[hold] == timeline.task[row]
        )
        for row in ring.waits
        if not is_group(timeline, row)
    )


def _raised_at_once(timeline: Timeline, row: int) -> bool:
    """Whether the enter in ``row`` failed without having waited, as far as anybody can tell.

    It did wait where it lasted, where its error tells of a time limit, or where another task
    published an event in between: for that to happen it must have been suspended.
    """
    if timeline.enter_outcome[row] != Outcome.ERROR:
        return False
    started, ended = timeline.enter_started[row], timeline.enter_ended[row]
    error = timeline.errors.get((row, "enter"))
    if ended - started >= PATIENCE or (error is not None and "timeout" in error.type.lower()):
        return False
    # Its own two events are the first and the last of these.
    between = bisect_left(timeline.facts, ended) - bisect_right(timeline.facts, started)
    return between <= 0


def _rings(
    timeline: Timeline,
    waits: Iterable[int],
    waiting: Callable[[int], int | None],
    holders: Callable[[int], list[int]],
    holding: Callable[[int], int],
) -> list[DeadlockCycle]:
    """The rings that can be reached from ``waits``.

    ``waiting``: task -> the row in which it waits, or the task group that it leaves;
    ``holders``: resource -> rows; ``holding``: row -> the task that must let go of it.
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
        if is_group(timeline, row):
            groups.add(row)
            blockers[row] = []
            needs[row] = [waiting(child) for child in _children(timeline, row, created)]
            todo.extend(need for need in needs[row] if need is not None)
            continue
        resource = timeline.resource[row]
        held = holders(resource)
        full = len(held) >= limit_of(timeline.resources.get(resource))
        blockers[row] = held if full and not _goes_on(timeline, row, held) else []
        needs[row] = [waiting(holding(hold)) for hold in blockers[row]]
        todo.extend(need for need in needs[row] if need is not None)
    hopeless = _hopeless(needs, groups)
    edges = {row: [need for need in needs[row] if need in hopeless] for row in hopeless}
    rings = []
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
        rings.append(
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
    return rings


def _goes_on(timeline: Timeline, wait: int, holds: list[int]) -> bool:
    """Whether the task of ``wait`` has acquired one of ``holds`` after it began to wait.

    Then it does not wait itself: it has made a task of ``lock.acquire()``.
    """
    return bool(timeline.by_call[wait]) and any(
        timeline.task[hold] == timeline.task[wait]
        and timeline.enter_started[hold] > timeline.enter_started[wait]
        for hold in holds
    )


def _used_up(timeline: Timeline, wait: int, holds: list[int]) -> bool:
    """Whether one task has emptied a resource by calls, and forgot to give back.

    It waits for what it took before at the same line, or for connections of functions that have
    ended: a leak, and not two acquisitions that exclude each other. A function that calls itself
    is called from another line the first time, and so is at another site.
    """
    if not timeline.by_call[wait]:
        return False
    known = timeline.resources.get(timeline.resource[wait])
    is_pool = known is not None and known.kind == "pool"
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
    """Whether the function that took ``hold`` is not seen to run any more.

    It runs if it asks for ``wait`` or has called the function that does, or if a block that it
    entered around the call goes on.
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
    known = timeline.sites.get(site)
    return None if known is None else (known.file, known.function)


def _hopeless(needs: Mapping[int, list[int | None]], groups: set[int]) -> set[int]:
    """The waits that can never end.

    One holder that can let go is enough to save a wait; a task group needs all of its tasks.
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
        if is_group(timeline, row) and NOT_YET < timeline.exit_started[row] <= at:
            return row
    return None


def is_group(timeline: Timeline, row: int) -> bool:
    """Whether ``row`` is a task group, which is left when all of its tasks have ended."""
    known = timeline.resources.get(timeline.resource[row])
    return known is not None and known.kind == "task group"


def _children(
    timeline: Timeline, group: int, created: dict[int | None, list[TaskDefined]]
) -> list[int]:
    """The tasks that were created by that of ``group`` since it was entered.

    ``created``: task -> those that it created; filled at the first use.
    """
    if not created:
        for known in timeline.tasks.values():
            created.setdefault(known.parent, []).append(known)
    entered = timeline.enter_ended[group]
    return [known.task for known in created.get(timeline.task[group], ()) if known.at >= entered]


def _around(component: list[int], edges: Mapping[int, list[int]]) -> list[int]:
    """The members, each followed by one that it waits for as far as that goes."""
    members = dict.fromkeys(sorted(component))
    order: list[int] = []
    row: int | None = next(iter(members))
    while row is not None:
        order.append(row)
        del members[row]
        row = next((need for need in edges[row] if need in members), None)
    return [*order, *members]


def _behind(members: set[int], edges: Mapping[int, list[int]]) -> set[int]:
    """Those that wait for the members, for those that wait for these, and so on."""
    waiters: dict[int, list[int]] = {}
    for row, needed in edges.items():
        for need in needed:
            waiters.setdefault(need, []).append(row)
    found = set(members)
    todo = list(members)
    while todo:
        new = [row for row in waiters.get(todo.pop(), ()) if row not in found]
        found.update(new)
        todo.extend(new)
    return found - members


def _exact(timeline: Timeline, resource: int, holders: int) -> bool:
    """Whether those in their bodies surely hold all that there is.

    A condition is let go of while it waits, and where more are in than the capacity allows it is
    not the capacity, or one task may enter again and again.
    """
    known = timeline.resources.get(resource)
    return known is not None and known.kind != "condition" and known.capacity == holders
