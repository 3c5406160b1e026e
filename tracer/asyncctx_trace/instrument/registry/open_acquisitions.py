"""Which acquisition a release by call ends, and what is known of those that are still open."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.hidden_frames import hidden
from asyncctx_trace.instrument.publish import BY_CALL, ENDED, HOLDING, TRACED, Acquisition
from asyncctx_trace.instrument.registry.resources import Resource, on_collected
from asyncctx_trace.instrument.registry.tasks import Task, current_task
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.model.unpatched import unpatched

__all__ = [
    "collected",
    "flags_of_call",
    "given_back",
    "keep",
    "keep_item",
    "match",
    "release_unmatched",
    "released",
    "take_item",
    "taken_again",
]

by_item: WeakIdMap[list[Acquisition]] = WeakIdMap(lambda acquisitions: collected(acquisitions))
"""By the address of what a pool gave, such as a connection."""
_by_holder: dict[tuple[int, int], Acquisition] = {}
"""By the resource and the address of who holds it, whom the library keeps alive meanwhile."""
_given_back: list[tuple[Acquisition, Resource, int]] = []
"""Acquisitions of ``async with`` blocks that go on, released inside the block; and where."""


@hidden
def keep(resource: Resource, acquisition: Acquisition, holder: object = None) -> None:
    """``acquisition`` is open, and was made by a call, for ``holder`` where that is said."""
    taken = resource.taken
    if taken is None:
        resource.taken = [acquisition]
    else:
        taken.append(acquisition)
    if holder is not None:
        _by_holder[resource.id, id(holder)] = acquisition


@hidden
def keep_item(item: Any, acquisition: Acquisition) -> None:
    """``acquisition`` is open, and is released with the very object ``item``."""
    open_ = by_item.get(item)
    if open_ is None:
        by_item.add_or_keep(item, [acquisition])
    else:
        open_.append(acquisition)


@hidden
def take_item(item: Any) -> Acquisition | None:
    """The acquisition that ends with the release of ``item``; it is not kept any more."""
    open_ = by_item.get(item)
    if not open_:
        return None
    acquisition = open_.pop()
    if not open_:
        by_item.pop(item)
    return acquisition


@hidden
def match(resource: Resource, task: Task, holder: object = None) -> Acquisition | None:
    """The acquisition that a release of ``resource`` by ``task`` ends.

    That of ``holder``, where the release says whose it is. Else the latest that the task itself
    has made by a call; the block of an ``async with`` that it is in; the oldest that another task
    has made by a call. Permits of a semaphore have no identity: the last is a guess, which shows
    by ``exit_task`` being another task.
    """
    if holder is not None:
        acquisition = _by_holder.pop((resource.id, id(holder)), None)
        if acquisition is not None and acquisition.state == HOLDING:
            return acquisition
    taken = resource.taken or ()
    if taken and taken[-1].task is task and taken[-1].state == HOLDING:
        return taken[-1]
    for acquisition in reversed(taken):
        if acquisition.task is task and acquisition.state == HOLDING:
            return acquisition
    for acquisition in reversed(task.open):
        if acquisition.resource == resource.id and acquisition.state == HOLDING:
            return acquisition
    return next((each for each in taken if each.state == HOLDING), None)


@hidden
def released(resource: Resource, acquisition: Acquisition, site: int) -> None:
    """``acquisition`` is over, by a call at ``site``."""
    publish.exit_started(acquisition, None, site)
    publish.exit_ended(acquisition)
    forget(resource, acquisition, site)


@hidden
def forget(resource: Resource, acquisition: Acquisition, site: int) -> None:
    """Note that ``acquisition`` was ended by a call at ``site``."""
    taken = resource.taken
    if taken and taken[-1] is acquisition:
        taken.pop()
    elif taken and acquisition in taken:
        taken.remove(acquisition)
    else:
        _given_back.append((acquisition, resource, site))


@hidden
def given_back(resource: Resource, task: Task) -> Acquisition | None:
    """The latest of ``task`` whose block goes on although ``resource`` was released in it."""
    for acquisition, its, _ in reversed(_given_back):
        if its is resource and acquisition.task is task and acquisition.state == ENDED:
            return acquisition
    return None


@hidden
def flags_of_call(resource: Resource, before: Acquisition | None) -> int:
    """The bits of ``EnterFlag`` of an acquisition by call; ``before`` is what begins again."""
    traced = resource.is_named if before is None else resource.traced
    return BY_CALL | TRACED if traced else BY_CALL


@hidden
def taken_again(acquisition: Acquisition) -> None:
    """The block of ``acquisition`` holds again what was released inside it."""
    for index, entry in enumerate(_given_back):
        if entry[0] is acquisition:
            del _given_back[index]
            return


@hidden
def release_unmatched(resource: Resource, site: int) -> None:
    """A release at ``site`` ended no acquisition that is known."""
    sink = sinks.active.sink
    if sink is not None:
        try:
            sink.release_unmatched(unpatched.monotonic_ns(), current_task().id, resource.id, site)
        except Exception as error:
            sinks.disable_sink(sink, error)


@hidden
def collected(acquisitions: list[Acquisition]) -> None:
    """The garbage collector took what these hold."""
    sink = sinks.active.sink
    if sink is None:
        return
    for acquisition in acquisitions:
        if acquisition.state == HOLDING:
            try:
                sink.collected(unpatched.monotonic_ns(), acquisition.id)
            except Exception as error:
                sinks.disable_sink(sink, error)


@hidden
def _block_ended(acquisition: Acquisition, error: BaseException | None) -> None:
    """The end of a block has released what was released inside it already."""
    entry = next((each for each in _given_back if each[0] is acquisition), None)
    if entry is None:
        return
    _given_back.remove(entry)
    if error is not None:  # a lock refuses that
        return
    _, resource, site = entry
    try:
        other = match(resource, current_task())
        if other is not None:
            released(resource, other, site)
        else:
            release_unmatched(resource, site)
    except Exception as failure:
        sinks.hook_failed(failure)


publish.on_second_exit(_block_ended)
on_collected(collected)
