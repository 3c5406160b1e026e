"""Where tasks take locks in contrary orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.components import components
from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.timeline import NOT_YET

__all__ = ["Inversion", "Nesting", "inversions", "nestings"]

Level: TypeAlias = Literal["resource", "name", "site"]

_EXAMPLES = 8
"""Nestings looked at for each step of a ring of three and more."""


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


def nestings(case: Case) -> list[Nesting]:
    """Every time that a task asked for a limited resource while it held another."""
    timeline = case.timeline
    found: list[Nesting] = []
    for resource in case.limited:
        for row in timeline.rows_of_resource[resource]:
            if not timeline.parent[row]:
                continue
            held = [
                other
                for other in case.held_around(row)
                if timeline.resource[other] != resource
                and contends(timeline.resources.get(timeline.resource[other]))
            ]
            for index, outer in enumerate(held):
                found.append(Nesting(outer, row, timeline.task[row], tuple(held[:index])))
    return found


def inversions(case: Case) -> list[Inversion]:
    """Every pair of resources that tasks take in contrary orders, and every larger ring of them.

    Left out is what cannot hang: contrary orders within one task alone, and those that always
    happen under one and the same outer lock.
    """
    timeline = case.timeline
    nested = case.once(nestings)
    keys: list[tuple[Level, Callable[[int], Hashable]]] = [
        ("resource", lambda row: timeline.resource[row]),
        ("name", lambda row: _name(case, row)),
        ("site", lambda row: timeline.site[row]),
    ]
    found: list[Inversion] = []
    told: set[frozenset[int]] = set()
    for level, key in keys:
        steps = _steps(nested, key, trees=level == "resource")
        for ring in _rings(steps):
            example = _example(case, [steps[step] for step in ring])
            if example is None:
                continue
            sites = frozenset(timeline.site[row] for n in example for row in (n.outer, n.inner))
            if level != "resource" and sites in told:
                continue
            told.add(sites)
            concurrent = level == "resource" and _overlap(case, example)
            found.append(Inversion(tuple(example), level, concurrent))
    return found


def _name(case: Case, row: int) -> Hashable:
    known = case.timeline.resources[case.timeline.resource[row]]
    return known.kind, known.name


def _steps(
    nested: Sequence[Nesting], key: Callable[[int], Hashable], *, trees: bool
) -> dict[tuple[Hashable, Hashable], list[Nesting]]:
    """Nestings by what was held and what was asked for.

    Without ``trees``, kinds of things that are taken as x, y, x by one task are left out: who walks
    down a tree of alike locks does so, and never the other way round.
    """
    steps: dict[tuple[Hashable, Hashable], list[Nesting]] = defaultdict(list)
    walked: set[tuple[Hashable, Hashable]] = set()
    for nesting in nested:
        outer, inner = key(nesting.outer), key(nesting.inner)
        if outer != inner:
            steps[outer, inner].append(nesting)
            if not trees and inner in map(key, nesting.around):
                walked |= {(outer, inner), (inner, outer)}
    return {step: examples for step, examples in steps.items() if step not in walked}


def _rings(
    steps: dict[tuple[Hashable, Hashable], list[Nesting]],
) -> Iterator[list[tuple[Hashable, Hashable]]]:
    """Every pair of contrary steps; where there is none, the shortest ring of each component."""
    numbers: dict[Hashable, int] = {}
    for step in steps:
        for node in step:
            numbers.setdefault(node, len(numbers))
    nodes = list(numbers)
    edges: dict[int, list[int]] = {number: [] for number in numbers.values()}
    for outer, inner in steps:
        edges[numbers[outer]].append(numbers[inner])
    for component in components(edges):
        inside = set(component)
        pairs = [(a, b) for a in sorted(component) for b in edges[a] if a < b and a in edges[b]]
        rings = [[(a, b), (b, a)] for a, b in pairs]
        if not pairs and len(component) > 1:
            rings = [_shortest_ring(edges, inside)]
        for ring in rings:
            yield [(nodes[a], nodes[b]) for a, b in ring]


def _shortest_ring(edges: dict[int, list[int]], inside: set[int]) -> list[tuple[int, int]]:
    best: list[int] = []
    for start in sorted(inside):
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


def _example(case: Case, steps: list[list[Nesting]]) -> list[Nesting] | None:
    """One nesting a step that together could hang; those that overlapped in time by preference."""
    if len(steps) == 2:
        found = _overlapping(case, *steps)
        if found:
            return found
    few = [_of_a_kind_apart(case, step) for step in steps]
    return next((list(each) for each in product(*few) if _could_hang(case, each)), None)


def _of_a_kind_apart(case: Case, step: list[Nesting]) -> list[Nesting]:
    """A few that differ in what decides: the task, and the locks around."""
    different: dict[Hashable, Nesting] = {}
    for nesting in step:
        kind = nesting.task, frozenset(case.timeline.resource[row] for row in nesting.around)
        different.setdefault(kind, nesting)
        if len(different) == _EXAMPLES:
            break
    return list(different.values())


def _could_hang(case: Case, example: Sequence[Nesting]) -> bool:
    if len({nesting.task for nesting in example}) < 2:
        return False
    resource = case.timeline.resource
    gates = [{resource[row] for row in nesting.around} for nesting in example]
    return not any(case.timeline.resources[gate].capacity == 1 for gate in set.intersection(*gates))


def _overlapping(case: Case, there: list[Nesting], back: list[Nesting]) -> list[Nesting] | None:
    """A nesting of each kind that ran at the same time, in different tasks."""
    begun = sorted(
        [(case.timeline.enter_started[n.outer], 0, i) for i, n in enumerate(there)]
        + [(case.timeline.enter_started[n.outer], 1, i) for i, n in enumerate(back)]
    )
    open_: tuple[list[Nesting], list[Nesting]] = ([], [])
    for at, side, index in begun:
        nesting = (there, back)[side][index]
        for nestings_ in open_:
            nestings_[:] = [n for n in nestings_ if _until(case, n) > at]
        for other in open_[1 - side]:
            pair = [nesting, other] if side == 0 else [other, nesting]
            if _could_hang(case, pair):
                return pair
        open_[side].append(nesting)
    return None


def _overlap(case: Case, example: Sequence[Nesting]) -> bool:
    latest = max(case.timeline.enter_started[nesting.outer] for nesting in example)
    return all(_until(case, nesting) > latest for nesting in example)


def _until(case: Case, nesting: Nesting) -> int:
    ended = case.timeline.exit_ended[nesting.outer]
    return case.now + 1 if ended == NOT_YET else ended
