"""What a manager stands for: one resource for every object that tasks contend for."""

from __future__ import annotations

import itertools
import weakref
from functools import partial
from typing import Any

from asyncctx_trace.instrument import hub
from asyncctx_trace.instrument.adapters import adapter_for

__all__ = ["Resource", "known", "manager_of", "resource_of"]


class Resource:
    """A resource as it was defined."""

    __slots__ = ("capacity", "id", "kind", "name", "ref")

    def __init__(self, kind: str, name: str, capacity: int | None) -> None:
        self.id = _next_id()
        self.kind = kind
        self.name = name
        self.capacity = capacity
        self.ref: weakref.ref[Any] | None = None

    def define(self, sink: hub.Sink) -> None:
        """Tell ``sink`` of this resource."""
        sink.resource_defined(self.id, self.kind, self.name, self.capacity)


_next_id = itertools.count(1).__next__
_by_object: dict[int, Resource] = {}
"""By the address of the object; an entry leaves before its address can be used again."""
_by_name: dict[tuple[str, str], Resource] = {}
"""Of those that no object stands for."""
_managers: dict[str, int] = {}


def manager_of(cls: type) -> int:
    """The id of a class of managers."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    manager = _managers.get(name)
    if manager is None:
        manager = _managers[name] = len(_managers) + 1
        sink = hub.listening
        if sink is not None:
            try:
                sink.manager_defined(manager, name)
            except Exception as error:
                hub.switch_off(sink, error)
    return manager


def resource_of(
    manager: Any,
    *,
    name: str | None = None,
    kind: str | None = None,
    resource: object = None,
    capacity: int | None = None,
) -> Resource:
    """The resource that ``manager`` stands for; what is given wins over what is known of it.

    One object is one resource where an adapter or the caller says so. Managers of an unknown
    class come and go, a new one for every use: they count as one resource by class or name.
    """
    cls = type(manager)
    adapter = adapter_for(cls)
    if resource is None and adapter is not None:
        resource = adapter.resource(manager)
        if capacity is None:
            capacity = adapter.capacity(resource)
    kind = kind or (adapter.kind if adapter else "manager")
    named = name or cls.__qualname__
    if isinstance(resource, str):
        return _of_name(kind, name or resource, capacity)
    if resource is None:
        return _of_name(kind, named, capacity)
    return _of_object(resource, kind, name or type(resource).__qualname__, capacity)


def _of_object(thing: object, kind: str, name: str, capacity: int | None) -> Resource:
    key = id(thing)
    known = _by_object.get(key)
    if known is not None:
        return known
    try:
        ref = weakref.ref(thing, partial(_forget, key))
    except TypeError:  # it cannot be watched: its address would be taken for a later object's
        return _of_name(kind, name, capacity)
    known = Resource(kind, name, capacity)
    known.ref = ref
    _by_object[key] = known
    return _define(known)


def _of_name(kind: str, name: str, capacity: int | None) -> Resource:
    known = _by_name.get((kind, name))
    if known is None:
        known = _by_name[kind, name] = Resource(kind, name, capacity)
        _define(known)
    return known


def _define(resource: Resource) -> Resource:
    sink = hub.listening
    if sink is not None:
        try:
            resource.define(sink)
        except Exception as error:
            hub.switch_off(sink, error)
    return resource


def _forget(key: int, _: object) -> None:
    _by_object.pop(key, None)


def known() -> list[Resource]:
    """The resources that later acquisitions may be of."""
    return [*_by_object.values(), *_by_name.values()]


def _replay(sink: hub.Sink) -> None:
    for name, manager in list(_managers.items()):
        sink.manager_defined(manager, name)
    for resource in known():
        resource.define(sink)


hub.on_attach(_replay)
