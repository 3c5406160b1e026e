"""Where tasks take locks in contrary orders."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice, product
from operator import itemgetter
from typing import Literal, TypeAlias

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.deadlocks.components import components
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["Inversion", "Level", "Nesting", "Nestings", "inversions", "name_of", "nestings"]

Level: TypeAlias = Literal["resource", "name", "site"]

_EXAMPLES = 8
"""Nestings looked at for each step of a ring of three and more, and where to look for a ring."""
_TRIED = 1_000
"""Ways to put them together that are tried."""


@dataclass(frozen=True, slots=True)
class Nesting:
    """A task asked for one resource while it held another."""

    outer: int
    """Row of what it held."""
    inner: int
    """Row of what it asked for."""
    task: int
    around: tuple[int, ...]
    """Rows of what it held already when it asked for ``outer``."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """Resources taken in one order here and in another there: a deadlock that needs bad luck."""

    nestings: tuple[Nesting, ...]
    """One example for each step around: A then B, B then A."""
    level: Level
    """``resource``: the very same ones; ``name`` or ``site``: others of the same name, or others
    taken at the same places."""
    concurrent: bool
    """Whether the examples overlapped in time: then nothing keeps them apart."""


class Nestings:
    """Every time that a task asked for a limited resource while it held others, in columns."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if len(snapshot.timeline) and kernels.pays(snapshot.timeline):
            from asyncctx_trace.analysis.kernels.lock_order import gathered
        else:
            gathered = _gathered
        self.inner, self.held, self.ends = gathered(snapshot)
        """Who asked; what was held at the first request, at the second, …: outermost first; of
        each request, where in ``held`` it ends."""

    def __iter__(self) -> Iterator[tuple[int, int, array[int]]]:
        """Each request: its row, where in order what it held begins, and that."""
        first = 0
        for row, end in zip(self.inner, self.ends, strict=True):
            yield row, first, self.held[first:end]
            first = end

    def __getitem__(self, place: int) -> Nesting:
        """The nesting of what stands at ``place`` in the order of all that was held."""
        request = bisect_right(self.ends, place)
        first = self.ends[request - 1] if request else 0
        outer, inner = self.held[place], self.inner[request]
        task = self._snapshot.timeline.task[inner]
        return Nesting(outer, inner, task, tuple(self.held[first:place]))


def _gathered(snapshot: Snapshot) -> tuple[array[int], array[int], array[int]]:
    timeline = snapshot.timeline
    limited = set(snapshot.limited)
    inner, every, ends = array("q"), array("q"), array("q")
    for resource in snapshot.limited:
        for row in timeline.rows_of_resource[resource]:
            if timeline.parent[row]:
                held = [
                    other
                    for other in snapshot.held_around(row)
                    if timeline.resource[other] != resource and timeline.resource[other] in limited
                ]
                if held:
                    inner.append(row)
                    every.extend(held)
                    ends.append(len(every))
    return inner, every, ends


def nestings(snapshot: Snapshot) -> Nestings:
    """Every time that a task asked for a limited resource while it held another."""
    return Nestings(snapshot)


def inversions(snapshot: Snapshot) -> list[Inversion]:
    """Every pair of resources that tasks take in contrary orders, and every larger ring of them.

    Left out is what cannot hang: contrary orders within one task alone, and those that always
    happen under one and the same outer lock.
    """
    timeline = snapshot.timeline
    nested = snapshot.once(nestings)
    if len(timeline) and kernels.pays(timeline):
        from asyncctx_trace.analysis.kernels.lock_order import steps as steps_of
    else:
        steps_of = _steps
    levels: tuple[Level, ...] = "resource", "name", "site"
    found: list[Inversion] = []
    told: set[frozenset[int]] = set()
    for level in levels:
        steps = steps_of(snapshot, nested, level, trees=level == "resource")
        for ring in _rings(steps):
            example = _example(
                snapshot, [[nested[place] for place in steps[step]] for step in ring]
            )
            if example is None:
                continue
            sites = frozenset(timeline.site[row] for n in example for row in (n.outer, n.inner))
            if level != "resource" and sites in told:
                continue
            told.add(sites)
            concurrent = level == "resource" and _overlap(snapshot, example)
            found.append(Inversion(tuple(example), level, concurrent))
    return found


def name_of(snapshot: Snapshot, resource: int) -> Hashable:
    """What resources that are alike have in common."""
    known = snapshot.timeline.resources.get(resource)
    return (known.kind, known.name) if known else None


def _steps(
    snapshot: Snapshot, nested: Nestings, level: Level, *, trees: bool
) -> dict[tuple[Hashable, Hashable], array[int]]:
    """The places of nestings by what was held and what was asked for.

    Without ``trees``, kinds of things that are taken as x, y, x by one task are left out: who walks
    down a tree of alike locks does so, and never the other way round.
    """
    timeline = snapshot.timeline
    keys: dict[Level, Callable[[int], Hashable]] = {
        "resource": timeline.resource.__getitem__,
        "name": lambda row: name_of(snapshot, timeline.resource[row]),
        "site": timeline.site.__getitem__,
    }
    key = keys[level]
    steps: dict[tuple[Hashable, Hashable], array[int]] = {}
    walked: set[tuple[Hashable, Hashable]] = set()
    for row, first, held in nested:
        inner = key(row)
        again = False
        for place, outer in enumerate(map(key, held), first):
            if outer == inner:
                again = True
                continue
            steps.setdefault((outer, inner), array("q")).append(place)
            if again and not trees:
                walked |= {(outer, inner), (inner, outer)}
    return {step: places for step, places in steps.items() if step not in walked}


def _rings(
    steps: Iterable[tuple[Hashable, Hashable]],
) -> Iterator[list[tuple[Hashable, Hashable]]]:
    """Every pair of contrary steps; where there is none, the shortest ring of each component."""
    numbers: dict[Hashable, int] = {}
    for step in steps:
        for node in step:
            numbers.setdefault(node, len(numbers))
    nodes = list(numbers)
    ways = {(numbers[outer], numbers[inner]): None for outer, inner in steps}
    edges: dict[int, list[int]] = {number: [] for number in numbers.values()}
    for a, b in ways:
        edges[a].append(b)
    for component in components(edges):
        pairs = [(a, b) for a in sorted(component) for b in edges[a] if a < b and (b, a) in ways]
        rings = [[(a, b), (b, a)] for a, b in pairs]
        if not pairs and len(component) > 1:
            rings = [_shortest_ring(edges, set(component))]
        for ring in rings:
            yield [(nodes[a], nodes[b]) for a, b in ring]


def _shortest_ring(edges: dict[int, list[int]], inside: set[int]) -> list[tuple[int, int]]:
    """The shortest one through any of the first few nodes ``inside``."""
    best: list[int] = []
    for start in sorted(inside)[:_EXAMPLES]:
        came_from = {start: start}
        queue = [start]
        for node in queue:
            for next_ in edges[node]:
                if next_ == start:
                    path = [node]
                    while path[-1] != start:
                        path.append(came_from[path[-1]])
                    if not best or len(path) < len(best):
                        best = path[::-1]
                    queue.clear()
                    break
                if next_ in inside and next_ not in came_from:
                    came_from[next_] = node
                    queue.append(next_)
    return list(zip(best, [*best[1:], best[0]], strict=True))


def _example(snapshot: Snapshot, steps: list[list[Nesting]]) -> list[Nesting] | None:
    """One nesting a step that together could hang; those that overlapped in time by preference."""
    if len(steps) == 2:
        found = _overlapping(snapshot, *steps)
        if found:
            return found
    few = [_of_a_kind_apart(snapshot, step) for step in steps]
    tried = islice(product(*few), _TRIED)
    return next((list(each) for each in tried if _could_hang(snapshot, each)), None)


def _of_a_kind_apart(snapshot: Snapshot, step: list[Nesting]) -> list[Nesting]:
    """A few that differ in what decides: the task, and the locks around."""
    different: dict[Hashable, Nesting] = {}
    for nesting in step:
        kind = nesting.task, frozenset(snapshot.timeline.resource[row] for row in nesting.around)
        different.setdefault(kind, nesting)
        if len(different) == _EXAMPLES:
            break
    return list(different.values())


def _could_hang(snapshot: Snapshot, example: Sequence[Nesting]) -> bool:
    if len({nesting.task for nesting in example}) < 2:
        return False
    resource = snapshot.timeline.resource
    gates = [{resource[row] for row in nesting.around} for nesting in example]
    return not any(
        snapshot.timeline.resources[gate].capacity == 1 for gate in set.intersection(*gates)
    )


def _overlapping(
    snapshot: Snapshot, there: list[Nesting], back: list[Nesting]
) -> list[Nesting] | None:
    """A nesting of each kind that ran at the same time, in different tasks."""
    begun = sorted(
        [(snapshot.timeline.enter_started[n.outer], 0, i) for i, n in enumerate(there)]
        + [(snapshot.timeline.enter_started[n.outer], 1, i) for i, n in enumerate(back)]
    )
    open_: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    """Of each side, until when which ones go on; the first to end first."""
    for at, side, index in begun:
        nesting = (there, back)[side][index]
        for going_on in open_:
            while going_on and going_on[0][0] <= at:
                heappop(going_on)
        for _, which in sorted(open_[1 - side], key=itemgetter(1)):
            other = (back, there)[side][which]
            pair = [nesting, other] if side == 0 else [other, nesting]
            if _could_hang(snapshot, pair):
                return pair
        heappush(open_[side], (_until(snapshot, nesting), index))
    return None


def _overlap(snapshot: Snapshot, example: Sequence[Nesting]) -> bool:
    latest = max(snapshot.timeline.enter_started[nesting.outer] for nesting in example)
    return all(_until(snapshot, nesting) > latest for nesting in example)


def _until(snapshot: Snapshot, nesting: Nesting) -> int:
    ended = snapshot.timeline.exit_ended[nesting.outer]
    return snapshot.now + 1 if ended == NOT_YET else ended
