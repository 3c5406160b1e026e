"""Where tasks take locks in contrary orders."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice, product
from operator import itemgetter

from asyncctx_trace.analysis.deadlocks.components import components
from asyncctx_trace.analysis.kernels.columns import Level, Nestings
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["Inversion", "Nesting", "inversions"]

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


def inversions(snapshot: Snapshot) -> list[Inversion]:
    """Every pair of resources that tasks take in contrary orders, and every larger ring of them.

    Left out is what cannot hang: contrary orders within one task alone, and those that always
    happen under one and the same outer lock.
    """
    timeline = snapshot.timeline
    nestings = snapshot.nestings
    kernels = snapshot.kernels.whole
    levels: tuple[Level, ...] = "resource", "name", "site"
    found: list[Inversion] = []
    told: set[frozenset[int]] = set()
    for level in levels:
        steps = kernels.nesting_steps(timeline, nestings, level, trees=level == "resource")
        for ring in _rings(steps):
            example = _example(
                snapshot,
                [[_nesting(snapshot, nestings, index) for index in steps[step]] for step in ring],
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


def _nesting(snapshot: Snapshot, nestings: Nestings, index: int) -> Nesting:
    """Return the nesting of the row at ``index`` of ``nestings.held``."""
    request = bisect_right(nestings.ends, index)
    first = nestings.ends[request - 1] if request else 0
    outer, inner = nestings.held[index], nestings.inner[request]
    task = snapshot.timeline.task[inner]
    return Nesting(outer, inner, task, tuple(nestings.held[first:index]))


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
