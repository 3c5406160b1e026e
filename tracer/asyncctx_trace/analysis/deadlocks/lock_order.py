"""Locks that tasks take in opposite orders."""

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
"""The number of nestings that are tried for each step of a cycle, and of nodes from which a cycle
is searched."""
_TRIED = 1_000
"""The number of combinations of nestings that are tried."""


@dataclass(frozen=True, slots=True)
class Nesting:
    """A task asked for one resource while it held another."""

    outer: int
    """The row that it held."""
    inner: int
    """The row that it asked for."""
    task: int
    around: tuple[int, ...]
    """The rows that it already held when it asked for ``outer``."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """Resources taken in one order here and in another there: a deadlock that needs bad luck."""

    nestings: tuple[Nesting, ...]
    """One example for each step of the cycle: A then B, B then A."""
    level: Level
    """``resource``: the same resources; ``name`` or ``site``: others of the same names, or others
    taken at the same sites."""
    concurrent: bool
    """Whether the examples overlapped in time, so that nothing keeps them apart."""


def inversions(snapshot: Snapshot) -> list[Inversion]:
    """Return every pair of resources that tasks take in opposite orders, and every larger cycle.

    Left out is what cannot deadlock: opposite orders within one task, and those that always happen
    under the same outer lock.
    """
    timeline = snapshot.timeline
    nestings = snapshot.nestings
    kernels = snapshot.kernels.whole
    levels: tuple[Level, ...] = "resource", "name", "site"
    result: list[Inversion] = []
    reported: set[frozenset[int]] = set()
    for level in levels:
        steps = kernels.nesting_steps(timeline, nestings, level, trees=level == "resource")
        for cycle in _cycles(steps):
            example = _example(
                snapshot,
                [[_nesting(snapshot, nestings, index) for index in steps[step]] for step in cycle],
            )
            if example is None:
                continue
            sites = frozenset(timeline.site[row] for n in example for row in (n.outer, n.inner))
            if level != "resource" and sites in reported:
                continue
            reported.add(sites)
            concurrent = level == "resource" and _overlap(snapshot, example)
            result.append(Inversion(tuple(example), level, concurrent))
    return result


def _nesting(snapshot: Snapshot, nestings: Nestings, index: int) -> Nesting:
    """Return the nesting of the row at ``index`` of ``nestings.held``."""
    request = bisect_right(nestings.ends, index)
    first = nestings.ends[request - 1] if request else 0
    outer, inner = nestings.held[index], nestings.inner[request]
    task = snapshot.timeline.task[inner]
    return Nesting(outer, inner, task, tuple(nestings.held[first:index]))


def _cycles(
    steps: Iterable[tuple[Hashable, Hashable]],
) -> Iterator[list[tuple[Hashable, Hashable]]]:
    """Yield every pair of opposite steps, or else the shortest cycle of each component."""
    numbers: dict[Hashable, int] = {}
    for step in steps:
        for node in step:
            numbers.setdefault(node, len(numbers))
    nodes = list(numbers)
    numbered = {(numbers[outer], numbers[inner]): None for outer, inner in steps}
    edges: dict[int, list[int]] = {number: [] for number in numbers.values()}
    for a, b in numbered:
        edges[a].append(b)
    for component in components(edges):
        pairs = [
            (a, b) for a in sorted(component) for b in edges[a] if a < b and (b, a) in numbered
        ]
        cycles = [[(a, b), (b, a)] for a, b in pairs]
        if not pairs and len(component) > 1:
            cycles = [_shortest_cycle(edges, set(component))]
        for cycle in cycles:
            yield [(nodes[a], nodes[b]) for a, b in cycle]


def _shortest_cycle(edges: dict[int, list[int]], inside: set[int]) -> list[tuple[int, int]]:
    """Return the shortest cycle through any of the first few nodes of ``inside``."""
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
    """Return one nesting for each step that together could deadlock, if possible overlapping."""
    if len(steps) == 2:
        result = _overlapping(snapshot, *steps)
        if result:
            return result
    few = [_of_a_kind_apart(snapshot, step) for step in steps]
    tried = islice(product(*few), _TRIED)
    return next(
        (list(combination) for combination in tried if _could_hang(snapshot, combination)), None
    )


def _of_a_kind_apart(snapshot: Snapshot, step: list[Nesting]) -> list[Nesting]:
    """Return a few nestings that differ in their task or in the locks around them."""
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
    checks = [{resource[row] for row in nesting.around} for nesting in example]
    return not any(
        snapshot.timeline.resources[gate].capacity == 1 for gate in set.intersection(*checks)
    )


def _overlapping(
    snapshot: Snapshot, forward: list[Nesting], backward: list[Nesting]
) -> list[Nesting] | None:
    """Return one nesting of each order that overlap in time and are of different tasks."""
    begun = sorted(
        [(snapshot.timeline.enter_started[n.outer], 0, i) for i, n in enumerate(forward)]
        + [(snapshot.timeline.enter_started[n.outer], 1, i) for i, n in enumerate(backward)]
    )
    open_: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    """For each order, end and index of the nestings that are open, the first to end first."""
    for at, side, index in begun:
        nesting = (forward, backward)[side][index]
        for going_on in open_:
            while going_on and going_on[0][0] <= at:
                heappop(going_on)
        for _, which in sorted(open_[1 - side], key=itemgetter(1)):
            other = (backward, forward)[side][which]
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
