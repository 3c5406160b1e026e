"""The strongly connected components of a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

__all__ = ["components"]


def components(edges: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Return the strongly connected components of a graph (Tarjan 1972), in O(nodes + edges).

    ``edges``: node -> its successors; every node is a key.
    """
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    waiting: set[int] = set()
    result: list[list[int]] = []
    for root in edges:
        if root in index:
            continue
        path: list[tuple[int, Iterator[int]]] = []

        def visit(node: int, path: list[tuple[int, Iterator[int]]] = path) -> None:
            index[node] = low[node] = len(index)
            stack.append(node)
            waiting.add(node)
            path.append((node, iter(edges[node])))

        visit(root)
        while path:  # a loop, as a chain of ten thousand tasks is deeper than Python's stack
            node, successors = path[-1]
            for successor in successors:
                if successor not in index:
                    visit(successor)
                    break
                if successor in waiting:
                    low[node] = min(low[node], index[successor])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    together: list[int] = []
                    while not together or together[-1] != node:
                        together.append(stack.pop())
                    waiting.difference_update(together)
                    result.append(together)
    return result
