"""Managers that were entered by a call of ``__aenter__``, and the acquisitions that this made."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.instrument.hidden_frames import hidden
from asyncctx_trace.instrument.publish import HOLDING, Acquisition
from asyncctx_trace.instrument.registry import open_acquisitions, resources
from asyncctx_trace.instrument.registry.resources import Kind, Resource, by_object
from asyncctx_trace.instrument.registry.tasks import Task
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap

__all__ = ["add", "find", "remove", "resource_of"]

_alone: WeakIdMap[list[Acquisition]] = WeakIdMap(
    lambda acquisitions: open_acquisitions.collected(acquisitions)
)
"""By a manager whose resource is a name."""
_of_object: WeakIdMap[list[Acquisition]] = WeakIdMap()
"""By a manager that is a resource or stands for an object: its collection is that object's."""


@hidden
def resource_of(manager: Any, kind: Kind, number: int = 0) -> Resource | None:
    """Return the known resource that ``manager`` stands for, ``None`` where that is only a name.

    Args:
        manager: The manager.
        kind: What is known of its class.
        number: The id that the resource must have, ``0`` for any.
    """
    adapter = kind.adapter
    thing = manager if adapter is None else resources.contended(adapter, manager)
    found = by_object.by_id.get(id(thing))
    return found if found is not None and number in (0, found.id) else None


@hidden
def add(manager: Any, acquisition: Acquisition, resource: Resource | None) -> None:
    """Note that a call of ``__aenter__`` has made ``acquisition``."""
    if resource is not None:  # it may be released by another call
        open_acquisitions.note_open(resource, acquisition)
    table = _alone if resource is None else _of_object
    open_ = table.get(manager)
    if open_ is None:
        table.add_or_keep(manager, [acquisition])
    else:
        open_.append(acquisition)


@hidden
def find(manager: Any, resource: Resource | None, task: Task) -> Acquisition | None:
    """Return the acquisition that a call of ``__aexit__`` by ``task`` ends, ``None`` for none.

    The first of these that exists: the latest of the manager by the task itself; the oldest of the
    manager; what a call of a method that releases ``resource`` would end.
    """
    open_ = [
        each
        for table in (_alone, _of_object)
        for each in table.get(manager) or ()
        if each.state == HOLDING
    ]
    for each in reversed(open_):
        if each.task is task:
            return each
    if open_:
        return open_[0]
    return None if resource is None else open_acquisitions.match(resource, task)


@hidden
def remove(manager: Any, acquisition: Acquisition, resource: Resource | None, site: int) -> None:
    """Note that ``acquisition`` has been ended by a call of ``__aexit__`` at ``site``."""
    for table in (_alone, _of_object):
        open_ = table.get(manager)
        if open_ is not None and acquisition in open_:
            open_.remove(acquisition)
            if not open_:
                table.pop(manager)
    if resource is not None:
        open_acquisitions.forget(resource, acquisition, site)
