"""Find the open acquisition that a release by call ends."""

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
    "released_in_block",
    "note_open",
    "note_open_item",
    "match",
    "release_unmatched",
    "released",
    "pop_item",
    "note_reacquired",
]

by_item: WeakIdMap[list[Acquisition]] = WeakIdMap(lambda acquisitions: collected(acquisitions))
"""By the object that a pool handed out, such as a connection."""
_by_holder: dict[tuple[int, int], Acquisition] = {}
"""By the resource and the address of the holder, which the library keeps alive meanwhile."""
_released_in_block: list[tuple[Acquisition, Resource, int]] = []
"""Acquisitions of ``async with`` blocks that were released inside the block, and the site."""


@hidden
def note_open(resource: Resource, acquisition: Acquisition, holder: object = None) -> None:
    """Note an open acquisition that was made by a call, for ``holder`` if the call names one."""
    taken = resource.taken
    if taken is None:
        resource.taken = [acquisition]
    else:
        taken.append(acquisition)
    if holder is not None:
        _by_holder[resource.id, id(holder)] = acquisition


@hidden
def note_open_item(item: Any, acquisition: Acquisition) -> None:
    """Note an open acquisition that is released with the object ``item``."""
    open_ = by_item.get(item)
    if open_ is None:
        by_item.add_or_keep(item, [acquisition])
    else:
        open_.append(acquisition)


@hidden
def pop_item(item: Any) -> Acquisition | None:
    """Take out the acquisition that ends with the release of ``item``; ``None`` for none."""
    open_ = by_item.get(item)
    if not open_:
        return None
    acquisition = open_.pop()
    if not open_:
        by_item.pop(item)
    return acquisition


@hidden
def match(resource: Resource, task: Task, holder: object = None) -> Acquisition | None:
    """Return the acquisition that a release of ``resource`` by ``task`` ends.

    The first of these that exists: that of ``holder``, if the release names one; the latest that
    the task itself has made by a call; that of the ``async with`` it is in; the oldest that another
    task has made by a call. The last is a guess, since permits of a semaphore have no identity; it
    is recognisable by its ``exit_task``.
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
    """Publish the exit of ``acquisition``, by a call at ``site``."""
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
        _released_in_block.append((acquisition, resource, site))


@hidden
def released_in_block(resource: Resource, task: Task) -> Acquisition | None:
    """Return the latest acquisition of ``task`` whose block has released ``resource``."""
    for acquisition, its, _ in reversed(_released_in_block):
        if its is resource and acquisition.task is task and acquisition.state == ENDED:
            return acquisition
    return None


@hidden
def flags_of_call(resource: Resource, before: Acquisition | None) -> int:
    """Return the ``EnterFlag`` bits of an acquisition by call; ``before`` may begin again."""
    traced = resource.is_named if before is None else resource.traced
    return BY_CALL | TRACED if traced else BY_CALL


@hidden
def note_reacquired(acquisition: Acquisition) -> bool:
    """Note that the block of ``acquisition`` has acquired again what it had released.

    Returns:
        Whether it had released that.
    """
    for index, entry in enumerate(_released_in_block):
        if entry[0] is acquisition:
            del _released_in_block[index]
            return True
    return False


@hidden
def release_unmatched(resource: Resource, site: int) -> None:
    """Publish a release at ``site`` that ended no known acquisition."""
    sink = sinks.active.sink
    if sink is not None:
        try:
            sink.release_unmatched(unpatched.monotonic_ns(), current_task().id, resource.id, site)
        except Exception as error:
            sinks.disable_sink(sink, error)


@hidden
def collected(acquisitions: list[Acquisition]) -> None:
    """Publish that the garbage collector took what these acquisitions hold.

    It can no longer be released: what their task acquires later is not inside them, and a recording
    with retention need not keep them.
    """
    sink = sinks.active.sink
    for acquisition in acquisitions:
        publish.close(acquisition)
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
    """Handle the end of a block that releases what was released inside it already."""
    entry = next((each for each in _released_in_block if each[0] is acquisition), None)
    if entry is None:
        return
    _released_in_block.remove(entry)
    if error is not None:  # a lock refuses to be released twice
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
