"""What this process knows of the ids in its records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar, cast

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.registry import resources, tasks
from asyncctx_trace.instrument.registry.lookups import mro
from asyncctx_trace.model.events import Definition, ResourceDefined, SiteDefined, TaskDefined

__all__ = ["ProcessNames"]

T = TypeVar("T")

_ERRORS = 4096
"""How many of the latest exceptions are known."""
_RESOURCES = 4096
"""How many resources are known before those that are gone are forgotten."""


class ProcessNames:
    """Names of resources, tasks and errors by their ids, without keeping any object alive."""

    def __init__(self) -> None:
        self._resources: dict[int, tuple[str, int | None]] = {}
        self._next_cleaning = _RESOURCES
        self._errors: dict[int, tuple[str, ...]] = {}
        for each in _retried(resources.known):
            self._resources[each.id] = each.name, each.capacity

    def resource_defined(self, resource: int, name: str, capacity: int | None) -> None:
        """Note the name and the capacity of a resource."""
        self._resources[resource] = name, capacity if isinstance(capacity, int) else None

    def error_interned(self, error: int, cls: type[BaseException]) -> None:
        """Note the type of an exception."""
        self._errors[error] = tuple(base.__name__ for base in mro(cls) if base is not object)
        while len(self._errors) > _ERRORS:
            self._errors.pop(next(iter(self._errors)), None)

    def resource(self, resource: int) -> tuple[str, int | None]:
        """Return name and capacity; ``("", None)`` if unknown."""
        return self._resources.get(resource, ("", None))

    def task(self, task: int) -> str:
        """Return the name of a task."""
        found = next((each for each in _retried(tasks.known) if each.id == task), None)
        return "a task" if found is None else found.name

    def error(self, error: int) -> Sequence[str]:
        """Return the names of an exception's type and its bases; empty if unknown."""
        return self._errors.get(error, ())

    def live(self) -> Collection[int]:
        """Return the acquisitions in flight; forget the names of resources that are gone."""
        if len(self._resources) > self._next_cleaning:
            known = {each.id for each in _retried(resources.known)}
            for number in [number for number in list(self._resources) if number not in known]:
                self._resources.pop(number, None)
            self._next_cleaning = _RESOURCES + len(self._resources)
        return {acquisition.id for task in _retried(tasks.known) for acquisition in list(task.open)}

    @staticmethod
    def definitions() -> list[Definition]:
        """Return the definitions to which records of what is in flight may refer."""
        collector = _Collector()
        # Definitions alone: no event is delivered to it.
        sinks.send_definitions(cast("sinks.Sink", collector))
        return collector.definitions


class _Collector:
    """Gets definitions, as a sink does, and keeps them."""

    def __init__(self) -> None:
        self.definitions: list[Definition] = []

    def manager_defined(self, manager: int, name: str) -> None:
        pass

    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None:
        self.definitions.append(SiteDefined(site, file, line, function, text, caller or None))

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        number = capacity if isinstance(capacity, int) else None
        self.definitions.append(ResourceDefined(resource, str(kind), str(name), number))

    def task_defined(
        self,
        at: int,
        task: int,
        name: str,
        runtime: str,
        parent: int,
        thread: str,
        coroutine: str = "",
    ) -> None:
        self.definitions.append(
            TaskDefined(at, task, name, runtime, parent or None, 0, thread, coroutine)
        )


def _retried(known: Callable[[], list[T]]) -> list[T]:
    """Return what is known; it may change while this thread lists it."""
    for _ in range(5):
        try:
            return known()
        except RuntimeError:
            continue
    return []
