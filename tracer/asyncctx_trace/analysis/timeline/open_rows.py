"""The acquisitions that have not ended, as a stack for each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["OpenAcquisitions"]

_FREE = -1
"""The value at a depth of a stack whose acquisition has ended below one that is open."""


class OpenAcquisitions:
    """Rows of the open acquisitions, by id and by depth on the stack of their task.

    A new acquisition goes on top of all open ones of its task. The depth of one that ended below
    another one stays free until all above it have ended, so that a depth is never used by two
    acquisitions at the same time.
    """

    def __init__(self, rows: Mapping[int, int] | None = None) -> None:
        """``rows``: id of an acquisition -> its row; they are not on a stack and cannot end."""
        self._rows: dict[int, int] = dict(rows or {})
        self._stacks: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def ids(self) -> Iterable[int]:
        """The ids of the open acquisitions, in the order of :attr:`rows`."""
        return self._rows.keys()

    @property
    def rows(self) -> Iterable[int]:
        """The rows of the open acquisitions."""
        return self._rows.values()

    def row_of(self, acquisition: int) -> int | None:
        """Return the row of an acquisition, ``None`` if it is not open."""
        return self._rows.get(acquisition)

    def height(self, task: int) -> int:
        """Return the depth that the next acquisition of ``task`` gets."""
        return len(self._stacks.get(task, ()))

    def has_free_depths(self, task: int) -> bool:
        """Return whether an acquisition of ``task`` has ended below an open one."""
        return _FREE in self._stacks.get(task, ())

    def start(self, acquisition: int, task: int, row: int) -> int:
        """Add an acquisition and return its depth."""
        self._rows[acquisition] = row
        stack = self._stacks.setdefault(task, [])
        stack.append(row)
        return len(stack) - 1

    def end(self, acquisition: int, task: int, depth: int) -> None:
        """Remove an acquisition and free its depth; raises KeyError if it is not open."""
        del self._rows[acquisition]
        stack = self._stacks[task]
        stack[depth] = _FREE
        while stack and stack[-1] == _FREE:
            stack.pop()
        if not stack:
            del self._stacks[task]

    def __copy__(self) -> OpenAcquisitions:
        result = OpenAcquisitions(self._rows)
        result._stacks = {task: stack[:] for task, stack in self._stacks.items()}
        return result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OpenAcquisitions):
            return NotImplemented
        return self._rows == other._rows and self._stacks == other._stacks

    __hash__ = None  # type: ignore[assignment]  # mutable
