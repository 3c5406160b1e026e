"""Tasks that wait for each other in a ring, now or at any time before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.components import components
from asyncctx_trace.analysis.occupancy import contends, limit_of
from asyncctx_trace.analysis.timeline import NOT_YET, Timeline

__all__ = ["Ring", "deadlocks_at", "rings_of"]

PATIENCE = 100_000_000
"""ns that a ring must have lasted before it is told live: a slow writer's facts may come late."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Tasks of which none can go on before another one of them does.

    Every holder of every resource that they wait for waits itself inside the ring.
    """

    waits: tuple[int, ...]
    """Rows of the enters that cannot end, in order around the ring where it is a plain one."""
    holds: tuple[int, ...]
    """Rows of the acquisitions that keep them out."""
    behind: tuple[int, ...]
    """Rows of other enters that can only end after the ring's."""
    since: int
    """When the last one began to wait."""
    certain: bool
    """Whether it is known of each resource that all who hold it are in the ring."""


def deadlocks_at(timeline: Timeline, now: int) -> list[Ring]:
    """The rings among what is in flight, for a recording that grows: cheap enough to poll.

    ``now`` is the monotonic time in ns; a ring younger than a tenth of a second is not told yet.
    """
    waiting: dict[int, int] = {}
    holders: dict[int, list[int]] = {}
    for row in timeline.in_flight:
        resource = timeline.resource[row]
        if not contends(timeline.resources.get(resource)):
            continue
        if timeline.enter_ended[row] == NOT_YET:
            waiting[timeline.task[row]] = row  # the innermost comes last
        elif timeline.entered(row):
            holders.setdefault(resource, []).append(row)
    rings = _rings(
        timeline,
        waiting.values(),
        waiting.get,
        lambda resource: holders.get(resource, []),
        partial(Case(timeline, now).holder, at=now),
    )
    return [ring for ring in rings if now - ring.since >= PATIENCE]


def rings_of(case: Case) -> list[Ring]:
    """Every ring that ever closed: those that last, and those that an error, a cancellation or a
    timeout broke open again."""
    timeline = case.timeline
    rings: dict[frozenset[int], Ring] = {}
    for row, at in _stuck(case):
        closed = _rings(
            timeline,
            [row],
            partial(case.waiting_at, at=at),
            partial(case.holders, at=at),
            partial(case.holder, at=at),
        )
        for ring in closed:
            members = frozenset(ring.waits)
            # Who stands behind it is only seen from there.
            behind = {*ring.behind, *rings.get(members, ring).behind}
            rings[members] = replace(ring, behind=tuple(sorted(behind)))
    return list(rings.values())


def _stuck(case: Case) -> Iterator[tuple[int, int]]:
    """Each wait that never came to a good end, with the last moment at which it waited.

    A ring cannot dissolve but by the failure of one of its waits, so these see them all.
    """
    timeline = case.timeline
    last: list[tuple[int, int]] = []
    for resource in case.limited:
        for row in timeline.rows_of_resource[resource]:
            if not timeline.entered(row):
                ended = timeline.enter_ended[row]
                at = case.now if ended == NOT_YET else ended - 1
                if at >= timeline.enter_started[row]:
                    last.append((at, row))
    for at, row in sorted(last):
        yield row, at


def _rings(
    timeline: Timeline,
    waits: Iterable[int],
    waiting: Callable[[int], int | None],
    holders: Callable[[int], list[int]],
    holding: Callable[[int], int],
) -> list[Ring]:
    """The rings that can be reached from ``waits``.

    ``waiting``: task -> the row in which it waits; ``holders``: resource -> rows;
    ``holding``: row -> the task that must let go of it.
    """
    # What each wait waits for: the waits of the holders, ``None`` for a holder that can go on.
    needs: dict[int, list[int | None]] = {}
    blockers: dict[int, list[int]] = {}
    todo = list(waits)
    while todo:
        row = todo.pop()
        if row in needs:
            continue
        resource = timeline.resource[row]
        held = holders(resource)
        full = len(held) >= limit_of(timeline.resources.get(resource))
        blockers[row] = held if full else []
        needs[row] = [waiting(holding(hold)) for hold in blockers[row]]
        todo.extend(need for need in needs[row] if need is not None)
    hopeless = _hopeless(needs)
    edges = {row: [need for need in needs[row] if need is not None] for row in hopeless}
    rings = []
    for component in components(edges):
        first = component[0]
        if len(component) == 1 and first not in edges[first]:
            continue
        members = set(component)
        # A member that also waits for somebody outside is stuck behind that one's ring as well.
        if any(need not in members for row in component for need in edges[row]):
            continue
        order = _around(component, edges)
        holds = dict.fromkeys(hold for row in order for hold in blockers[row])
        rings.append(
            Ring(
                waits=tuple(order),
                holds=tuple(holds),
                behind=tuple(sorted(_behind(members, edges))),
                since=max(timeline.enter_started[row] for row in component),
                certain=not timeline.dropped
                and all(
                    _exact(timeline, timeline.resource[row], len(blockers[row]))
                    for row in component
                ),
            )
        )
    return rings


def _hopeless(needs: Mapping[int, list[int | None]]) -> set[int]:
    """The waits of which no holder can ever let go: one that can is enough to be saved."""
    freed_by: dict[int, list[int]] = {}
    hopeful = []
    for row, needed in needs.items():
        if not needed or None in needed:
            hopeful.append(row)
        for need in needed:
            if need is not None:
                freed_by.setdefault(need, []).append(row)
    saved = set(hopeful)
    while hopeful:
        for row in freed_by.get(hopeful.pop(), ()):
            if row not in saved:
                saved.add(row)
                hopeful.append(row)
    return set(needs) - saved


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
    found = set(members)
    grew = True
    while grew:
        more = {row for row, needed in edges.items() if found.intersection(needed)} - found
        found |= more
        grew = bool(more)
    return found - members


def _exact(timeline: Timeline, resource: int, holders: int) -> bool:
    """Whether those in their bodies surely hold all that there is.

    A condition is let go of while it waits, and where more are in than the capacity allows it is
    not the capacity, or one task may enter again and again.
    """
    known = timeline.resources.get(resource)
    return known is not None and known.kind != "condition" and known.capacity == holders
