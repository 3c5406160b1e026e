"""What stands for a lock of threads in a statement of the program, and publishes its acquisitions.

A thread that runs no task counts as one; a task that waits for such a lock blocks its event loop.
The exit is published before the lock is released: afterwards another thread may have it already.
"""

from __future__ import annotations

import threading
from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.adapters import Adapter, AtCreation
from asyncctx_trace.instrument.adapters.model import attribute, one
from asyncctx_trace.instrument.hidden_frames import hidden, is_observed, suspended
from asyncctx_trace.instrument.publish import BY_CALL, ENDED, HOLDING, Acquisition
from asyncctx_trace.instrument.registry import open_acquisitions, resources
from asyncctx_trace.instrument.registry.open_acquisitions import _released_in_block
from asyncctx_trace.instrument.registry.resources import Resource, by_object
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.registry.tasks import current_task
from asyncctx_trace.instrument.wrapping.awaiting import step_out
from asyncctx_trace.model.outcomes import EnterFlag
from asyncctx_trace.native import accelerated

__all__ = [
    "ADAPTERS",
    "CLASSES",
    "lock_begin",
    "lock_entered",
    "lock_leaving",
    "lock_owned",
    "lock_proxy",
]

_CONDITION: Any = threading.Condition
_LOCK: Any = type(threading.Lock())
_RLOCK: Any = type(threading.RLock())
CLASSES: tuple[type, ...] = (
    _LOCK,
    _RLOCK,
    threading.Condition,
    threading.Semaphore,
    threading.BoundedSemaphore,
)
"""The first two are written in C."""
_permits = AtCreation("threading.Semaphore.__init__", kept=attribute("_initial_value"))
ADAPTERS = {
    _LOCK: Adapter("_thread.lock", "lock", capacity=one),
    _RLOCK: Adapter("_thread.RLock", "lock", capacity=one),
    threading.Condition: Adapter("threading.Condition", "condition", attribute("_lock"), one),
    threading.Semaphore: Adapter("threading.Semaphore", "semaphore", capacity=_permits),
    threading.BoundedSemaphore: Adapter(
        "threading.BoundedSemaphore", "semaphore", capacity=_permits
    ),
}
"""By class. A subclass may do anything, and is left alone."""
_BLOCKING = int(EnterFlag.BLOCKING)
_managers: dict[type, int] = {}
"""The id of each class, once it was used."""
_nested: dict[int, int] = {}
"""Id of the resource of a reentrant lock -> how many calls have acquired it again."""


@suspended
def lock_owned(lock: Any) -> bool:
    """Return whether ``lock`` is a reentrant one that this thread holds: then it never waits."""
    thing = _contended(lock)
    return type(thing) is _RLOCK and bool(thing._is_owned())


@suspended
def lock_begin(
    site: Site, lock: Any, by_call: bool, owned: bool | None = None
) -> Acquisition | None:
    """Publish that the running task begins to acquire ``lock``.

    Args:
        site: Where.
        lock: An object of one of the ``CLASSES``.
        by_call: Whether by a call of ``acquire()``.
        owned: What ``lock_owned`` has returned, if the lock was acquired since then.

    Returns:
        The acquisition, ``None`` if it is not recorded.
    """
    try:
        if sinks.active_sink() is None:
            return None
        cls = type(lock)
        thing = _contended(lock)
        resource = by_object.by_id.get(id(thing))
        if owned is None:
            owned = type(thing) is _RLOCK and bool(thing._is_owned())
        if owned:
            if by_call and resource is not None:
                _nested[resource.id] = _nested.get(resource.id, 0) + 1
            return None
        site_id = site.id or site.arrive()
        if resource is None:
            resource = resources.of_contended(ADAPTERS[cls], thing, site.name)
        manager = _managers.get(cls)
        if manager is None:
            manager = _managers[cls] = resources.manager_of(cls)
        if not by_call:
            return publish.enter_started(manager, resource.id, site_id, _BLOCKING)
        flags = _BLOCKING | BY_CALL
        if not _released_in_block:
            return publish.enter_started(manager, resource.id, site_id, flags)
        task = current_task()
        before = open_acquisitions.released_in_block(resource, task)
        return publish.enter_started_by_call(
            manager, resource.id, site_id, task, before, flags=flags
        )
    except Exception as error:
        sinks.hook_failed(error)
        return None


@suspended
def lock_entered(
    lock: Any, acquisition: Acquisition, by_call: bool, result: Any, error: BaseException | None
) -> None:
    """Publish that an acquisition has succeeded, or failed.

    Args:
        lock: The object.
        acquisition: What ``lock_begin`` has returned.
        by_call: Whether by a call of ``acquire()``.
        result: The result, ``False`` for a time-out.
        error: What was raised instead.
    """
    try:
        if error is not None:
            publish.enter_ended(acquisition, error)
        elif result is False:
            publish.enter_ended(acquisition, TimeoutError())
        else:
            publish.enter_ended(acquisition, None)
            resource = _resource_of(lock) if by_call else None
            if resource is not None and not open_acquisitions.note_reacquired(acquisition):
                open_acquisitions.note_open(resource, acquisition)
    except Exception as failure:
        sinks.hook_failed(failure)


@suspended
def lock_leaving(
    site: Site, lock: Any, acquisition: Acquisition | None, error: BaseException | None
) -> None:
    """Publish that ``lock`` is released.

    Args:
        site: Where, if by a call.
        lock: The object.
        acquisition: That of the ``with`` that ends; ``None`` for a call of ``release()``.
        error: What has ended the body.
    """
    try:
        if acquisition is not None:
            if acquisition.state == HOLDING:
                publish.exit_started(acquisition, error)
                publish.exit_ended(acquisition)
            elif acquisition.state == ENDED:  # released inside the block
                open_acquisitions.note_reacquired(acquisition)
            return
        if sinks.active.sink is None:
            return
        resource = _resource_of(lock)
        if resource is None:
            return
        nested = _nested.get(resource.id)
        if nested:
            _nested[resource.id] = nested - 1
            return
        acquisition = open_acquisitions.match(resource, current_task())
        if acquisition is not None:
            open_acquisitions.released(resource, acquisition, site.id or site.arrive())
    except Exception as failure:
        sinks.hook_failed(failure)


@hidden
def _resource_of(lock: Any) -> Resource | None:
    return by_object.by_id.get(id(_contended(lock)))


@hidden
def _contended(lock: Any) -> Any:
    """Return what threads contend for when they take ``lock``: that of a condition."""
    return lock._lock if type(lock) is _CONDITION else lock


class LockProxy:
    """Has the methods of a lock, and publishes what they do."""

    __slots__ = ("acquisition", "lock", "site")

    @hidden
    def __init__(self, site: Site, lock: Any) -> None:
        self.site = site
        self.lock = lock
        self.acquisition: Acquisition | None = None
        """What the statement has acquired."""

    @hidden
    def __enter__(self) -> Any:
        handle = lock_begin(self.site, self.lock, False)
        try:
            result = type(self.lock).__enter__(self.lock)
        except BaseException as error:
            if handle is not None:
                lock_entered(self.lock, handle, False, None, error)
            step_out(error)
            raise
        if handle is not None:
            lock_entered(self.lock, handle, False, True, None)
            self.acquisition = handle
        return result

    @hidden
    def __exit__(self, *exc: Any) -> Any:
        if self.acquisition is not None:
            lock_leaving(self.site, self.lock, self.acquisition, exc[1])
        try:
            return type(self.lock).__exit__(self.lock, *exc)
        except BaseException as error:
            step_out(error)
            raise

    @hidden
    def acquire(self, *args: Any, **kwargs: Any) -> Any:
        blocking = args[0] if args else kwargs.get("blocking", True)
        waits = blocking is not False and not (type(blocking) is int and not blocking)
        handle = lock_begin(self.site, self.lock, True) if waits else None
        owned = not waits and lock_owned(self.lock)
        try:
            result = self.lock.acquire(*args, **kwargs)
        except BaseException as error:
            if handle is not None:
                lock_entered(self.lock, handle, True, None, error)
            step_out(error)
            raise
        if not waits and result is True:
            handle = lock_begin(self.site, self.lock, True, owned)
        if handle is not None:
            lock_entered(self.lock, handle, True, result, None)
        return result

    @hidden
    def release(self, *args: Any, **kwargs: Any) -> Any:
        lock_leaving(self.site, self.lock, None, None)
        try:
            return self.lock.release(*args, **kwargs)
        except BaseException as error:
            step_out(error)
            raise


_known = frozenset(CLASSES)


@accelerated
@hidden
def lock_proxy(site: Site, thing: Any) -> Any:
    """Return what stands for ``thing`` in a statement at ``site``: itself, if that is no lock."""
    if type(thing) not in _known or sinks.active.sink is None:
        return thing
    if is_observed():  # without native code, the methods of what stands for it would be reported
        return thing
    return LockProxy(site, thing)
