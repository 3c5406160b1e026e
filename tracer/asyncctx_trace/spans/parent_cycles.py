"""Cycles among parents: no program makes them, but a file may contain them."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["closing_edges"]


def closing_edges(parents: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the edges (child, parent) without which ``parents`` has no cycle.

    These are the back edges of a depth-first search. A child may have several parents, and may be
    its own. Takes O(edges) time.
    """
    above: dict[int, list[int]] = {}
    for child, parent in parents:
        above.setdefault(child, []).append(parent)
    closing: set[tuple[int, int]] = set()
    done: set[int] = set()
    for start in above:
        if start in done:
            continue
        on_path = {start}
        stack = [(start, iter(above[start]))]
        while stack:  # a loop, because a chain may be longer than Python's stack is deep
            child, rest = stack[-1]
            for parent in rest:
                if parent in on_path:
                    closing.add((child, parent))
                elif parent in above and parent not in done:
                    on_path.add(parent)
                    stack.append((parent, iter(above[parent])))
                    break
            else:
                stack.pop()
                on_path.discard(child)
                done.add(child)
    return closing
