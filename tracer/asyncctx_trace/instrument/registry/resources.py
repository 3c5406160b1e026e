"""The registry of resources: what a manager stands for, one for each object contended for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.adapters import Adapter, Checkout, Everywhere, adapter_for, itself
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden, hide
from asyncctx_trace.instrument.registry.lookups import full_name, on_type, qualified_name
from asyncctx_trace.instrument.registry.naming import receiver
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.model.capacity import LIMITED

if TYPE_CHECKING:
    from asyncctx_trace.instrument.publish import Acquisition

__all__ = [
    "Kind",
    "Resource",
    "contended",
    "forget_kinds",
    "is_named_pool",
    "kind_of",
    "known",
    "manager_of",
    "of_contended",
    "of_object",
    "of_pair",
    "of_pool",
    "on_collected",
    "resource_at",
    "resource_of",
]


class Resource:
    """A resource, as it was defined to sinks."""

    __slots__ = ("capacity", "id", "is_named", "kind", "name", "taken", "traced")

    def __init__(self, kind: str, name: str, capacity: int | None) -> None:
        sinks.ensure_stack()
        self.id = _next_id()
        self.kind = kind
        self.name = name
        self.capacity = capacity
        self.is_named = False
        """Whether the program has named it, with ``traced()``."""
        self.traced = False
        """Whether ``traced()`` was called with a manager of it."""
        self.taken: list[Acquisition] | None = None
        """Open acquisitions that were made by calling a method; ``None`` before the first."""

    def define(self, sink: sinks.Sink) -> None:
        """Send ``sink`` the definition of this resource."""
        sink.resource_defined(self.id, self.kind, self.name, self.capacity)


class Kind:
    """What is known of a class: whether it is a manager, and how to read its objects."""

    __slots__ = ("adapter", "itself", "manager", "plain", "traced")

    def __init__(self, cls: type) -> None:
        self.manager = 0
        """The id of the class, ``0`` if it is not a manager."""
        self.traced = False
        """Whether its methods publish events themselves, since ``traced()`` has changed them."""
        self.adapter: Adapter | None = None
        self.itself = False
        """Whether its objects may be resources themselves."""
        self.plain = False
        """Whether both methods are functions, so that binding them runs no other code."""
        enter, exit = on_type(cls, "__aenter__"), on_type(cls, "__aexit__")
        if enter is not None and exit is not None:
            self.plain = type(enter) is type(exit) is FunctionType
            self.manager = manager_of(cls)
            self.traced = hasattr(enter, "__asyncctx_traced__")
            self.adapter = adapter_for(cls)
            self.itself = self.adapter is None or self.adapter.resource is itself
            if self.adapter is not None and isinstance(self.adapter.resource, FunctionType):
                hide(self.adapter.resource)  # it is called at every enter


_next_id = itertools.count(1).__next__
_UNLIMITED = 1 << 31
"""Capacities from here on mean "no limit"."""


@hidden
def _object_collected(resource: Resource) -> None:
    if resource.taken:
        _collected(resource.taken)


by_object: WeakIdMap[Resource] = WeakIdMap(_object_collected)
by_name: dict[tuple[str, str], Resource] = {}
"""(kind, name) -> resource, for those that no object stands for."""
_managers: dict[str, int] = {}
kinds: WeakIdMap[Kind] = WeakIdMap()
"""By class."""


def manager_of(cls: type) -> int:
    """Return the id of a class of managers."""
    name = full_name(cls)
    manager = _managers.get(name)
    if manager is None:
        sinks.ensure_stack()
        manager = _managers[name] = len(_managers) + 1
        sink = sinks.active.sink
        if sink is not None:
            try:
                sink.manager_defined(manager, name)
            except Exception as error:
                sinks.disable_sink(sink, error)
    return manager


@hidden
def kind_of(cls: type) -> Kind:
    """Return what is known of ``cls``, which is inspected once; none of its code runs."""
    kind = kinds.get(cls)
    if kind is None:
        kind = call_hidden(Kind, cls)
        kinds.add(cls, kind)
    return kind


def forget_kinds() -> None:
    """Inspect every class again: one of them has changed."""
    kinds.clear()


@hidden
def resource_at(site: Site, manager: Any, kind: Kind) -> int:
    """Return the id of the resource of a ``manager`` of this ``kind``, entered at ``site``.

    Without an adapter, an object that the source names (``self.lock``) is a resource itself; the
    objects that an expression creates (``connect(url)``) are one resource.
    """
    if site.kind is kind and site.resource:
        return site.resource
    adapter = kind.adapter
    if adapter is None:
        if "(" not in site.text:
            found = by_object.by_id.get(id(manager))
            return (found or call_hidden(_of_object, manager, "manager", _name(site, manager))).id
        site.kind = kind
        site.resource = call_hidden(_of_name, "manager", site.name).id
        return site.resource
    thing = _read(adapter.resource, manager)
    if isinstance(thing, str):
        found = by_name.get((adapter.kind, thing)) or call_hidden(_of_name, adapter.kind, thing)
        if type(adapter.resource) is Everywhere:
            site.kind = kind
            site.resource = found.id
        return found.id
    found = by_object.by_id.get(id(thing))
    return (found or call_hidden(_adapted, adapter, thing, _name(site, manager))).id


def _name(site: Site, manager: object) -> str:
    return site.name or qualified_name(type(manager))


def _adapted(adapter: Adapter, thing: object, name: str) -> Resource:
    return _of_object(thing, *_limited(adapter, thing, name))


def _limited(adapter: Adapter, thing: object, name: str) -> tuple[str, str, int | None]:
    """Return kind, name and capacity that ``adapter`` reads from ``thing``."""
    kind, capacity = kind_and_capacity(adapter.kind, _read(adapter.capacity, thing))
    return kind, name, capacity


def kind_and_capacity(kind: str, capacity: object) -> tuple[str, int | None]:
    """Return how a resource of this kind is defined that was made with ``capacity``.

    Without a limit (0, -1, ``sys.maxsize``), acquisitions never wait: that is another kind.
    ``None`` is an unknown capacity.
    """
    if not isinstance(capacity, int):
        return kind, None
    if 0 < capacity < _UNLIMITED:
        return kind, capacity
    if kind == "semaphore" and not capacity:  # other tasks release it first
        return "signal", None
    return (f"unlimited {kind}" if kind in LIMITED else kind), None


_ACQUIRE: tuple[str, ...] = (
    "acquire",
    "acquire_nowait",
    "acquire_on_behalf_of",
    "acquire_on_behalf_of_nowait",
)


def of_pair(adapter: Adapter, thing: object, text: str) -> Resource:
    """Return the resource that a method of ``thing`` acquires, in the expression ``text``."""
    contended_ = contended(adapter, thing)
    found = by_object.by_id.get(id(contended_))
    if found is None:
        methods = _ACQUIRE
        if adapter.pair is not None:
            methods = adapter.pair.acquire.rpartition(".")[2], *methods
        named = receiver(text, methods) or qualified_name(type(thing))
        found = call_hidden(_adapted, adapter, contended_, named)
    return found


@hidden
def of_object(thing: object) -> Resource | None:
    """Return the resource that ``thing`` is, if it is known."""
    return by_object.get(thing)


def of_awaited(thing: object, kind: str, method: str, text: str) -> Resource:
    """Return the resource that stands for ``thing``, whose ``method`` is awaited in ``text``."""
    named = receiver(text, (method,)) or qualified_name(type(thing))
    return _of_object(thing, kind, named)


def of_contended(adapter: Adapter | None, thing: object, name: str) -> Resource:
    """Return the resource that ``thing`` is; ``name`` is used if it is not known yet."""
    if adapter is None:
        return _of_object(thing, "manager", name)
    return _adapted(adapter, thing, name or qualified_name(type(thing)))


@hidden
def of_pool(checkout: Checkout, pool: object, text: str) -> Resource:
    """Return the resource that stands for ``pool``, from which the expression ``text`` takes."""
    thing = _read(checkout.resource, pool)
    found = by_object.get(thing)
    return call_hidden(_of_new_pool, checkout, pool, thing, text) if found is None else found


def _of_new_pool(checkout: Checkout, pool: object, thing: object, text: str) -> Resource:
    named = _read(checkout.name, pool) or receiver(text, checkout.methods)
    kind, capacity = kind_and_capacity("pool", _read(checkout.limit, pool))
    return _of_object(thing, kind, str(named or qualified_name(type(pool))), capacity)


def is_named_pool(checkout: Checkout, pool: object) -> bool:
    """Return whether the program has named ``pool``, or the object that stands for it."""
    found = by_object.get(_read(checkout.resource, pool))
    return found is not None and found.is_named


@hidden
def contended(adapter: Adapter, thing: object) -> object:
    """Return the object that tasks contend for when they call a method of ``thing``."""
    found = _read(adapter.resource, thing)
    return thing if found is None else found


def resource_of(
    manager: Any,
    *,
    name: str | None = None,
    kind: str | None = None,
    resource: object = None,
    capacity: int | None = None,
) -> Resource:
    """Return the resource that ``manager`` stands for; arguments override its adapter.

    One object is one resource where an adapter or the caller says so. Managers of an unknown class,
    often a new one for every use, are one resource by class or name.
    """
    cls = type(manager)
    adapter = adapter_for(cls)
    if adapter is not None:
        # The adapter may have to read the argument too: asyncpg's pool is known by its queue.
        known = _read(adapter.resource, manager if resource is None else resource)
        if resource is None or (known is not None and not isinstance(known, str)):
            resource = known
            if capacity is None:
                read, capacity = kind_and_capacity(adapter.kind, _read(adapter.capacity, resource))
                kind = kind or read
    kind = kind or (adapter.kind if adapter else "manager")
    named = name or qualified_name(cls)
    if isinstance(resource, str):
        return _of_name(kind, name or resource, capacity)
    if resource is None:
        return _of_name(kind, named, capacity)
    return _of_object(resource, kind, name or qualified_name(type(resource)), capacity)


@hidden
def _read(how: Any, thing: Any) -> Any:
    """Return what an adapter reads, ``None`` if the library has changed since it was written."""
    try:
        return how(thing)
    except Exception:
        return None


def _of_object(thing: object, kind: str, name: str, capacity: int | None = None) -> Resource:
    known = by_object.get(thing)
    if known is not None:
        return known
    known = Resource(kind, name, capacity)
    try:
        by_object.add(thing, known)
    except TypeError:  # it cannot be watched
        return _of_name(kind, name, capacity)
    return _define(known)


def _of_name(kind: str, name: str, capacity: int | None = None) -> Resource:
    known = by_name.get((kind, name))
    if known is None:
        known = by_name[kind, name] = Resource(kind, name, capacity)
        _define(known)
    return known


def _define(resource: Resource) -> Resource:
    sink = sinks.active.sink
    if sink is not None:
        try:
            resource.define(sink)
        except Exception as error:
            sinks.disable_sink(sink, error)
    return resource


def on_collected(callback: Callable[[list[Acquisition]], None]) -> None:
    """Call ``callback`` with the open acquisitions of a resource that was collected."""
    global _collected
    _collected = callback


def _nothing(acquisitions: list[Acquisition]) -> None:
    """Do nothing: the default until ``open_acquisitions`` is imported."""


_collected: Callable[[list[Acquisition]], None] = _nothing


def known() -> list[Resource]:
    """Return the resources that later acquisitions may refer to."""
    return [*by_object.values(), *by_name.values()]


def _replay(sink: sinks.Sink) -> None:
    for name, manager in list(_managers.items()):
        sink.manager_defined(manager, name)
    for resource in known():
        resource.define(sink)


sinks.on_attach(_replay)
