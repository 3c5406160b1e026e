"""Record how a task in ``trio.Condition.wait()`` releases the lock and acquires it again.

Conditions of other libraries call the methods of their locks for both, which are watched.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.hidden_frames import hidden, suspended
from asyncctx_trace.instrument.publish import Acquisition
from asyncctx_trace.instrument.registry import open_acquisitions, resources
from asyncctx_trace.instrument.registry.callers import (
    caller_outside,
    innermost_own_frame,
    site_of_call,
)
from asyncctx_trace.instrument.registry.resources import Resource
from asyncctx_trace.instrument.registry.tasks import Task, current_task
from asyncctx_trace.instrument.rewriting.patching import watched

__all__ = ["ConditionWatch"]


class _Asleep:
    """A task that waits to be notified, and then for the lock."""

    __slots__ = ("acquisition", "again", "key", "manager", "resource", "site", "task")

    def __init__(self, key: int, task: Task, manager: int, resource: Resource, site: int) -> None:
        self.key = key
        """The address of trio's task."""
        self.task = task
        self.manager = manager
        self.resource = resource
        self.site = site
        self.acquisition: Acquisition | None = None
        """Once it was notified."""
        self.again = False

    def begin_enter(self) -> None:
        """Publish that it waits for the lock from now on."""
        before = open_acquisitions.released_in_block(self.resource, self.task)
        self.again = before is not None
        self.acquisition = publish.enter_started_by_call(
            self.manager,
            self.resource.id,
            self.site,
            self.task,
            before,
            flags=open_acquisitions.flags_of_call(self.resource, before),
        )

    def end_enter(self) -> None:
        """Publish that it has the lock."""
        if self.acquisition is None:
            return
        publish.enter_ended(self.acquisition, None)
        if self.again:
            open_acquisitions.note_reacquired(self.acquisition)
        else:
            open_acquisitions.note_open(self.resource, self.acquisition)


_asleep: dict[int, _Asleep] = {}
"""By the address of trio's task."""


class ConditionWatch:
    """Watch ``trio.Condition``."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own

    def waiting(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of ``wait``, that reports when the lock is acquired again."""
        return watched(
            code,
            self._waiting,
            self._woken,
            self._not_woken,
            1,
            *consts,
        )

    def notifying(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of a method that notifies, that reports tasks that now want the lock."""
        return watched(code, _condition, self._notified, _nothing, 1, *consts)

    @suspended
    def _waiting(self, condition: Any) -> _Asleep | None:
        if sinks.active_sink() is None:
            return None
        try:
            lock = condition._lock  # noqa: SLF001 - trio does not show it
            resource = resources.of_object(lock)
            caller = caller_outside(lock)
            frame = None if caller is None else innermost_own_frame(caller, self._own)
            if resource is None or frame is None:
                return None
            task = current_task()
            native = None if task.ref is None else task.ref()
            if native is None or open_acquisitions.match(resource, task) is None:
                return None
            manager = resources.kind_of(type(condition)).manager
            asleep = _Asleep(id(native), task, manager, resource, site_of_call(frame, self._own)[1])
            _asleep[asleep.key] = asleep
            return asleep
        except Exception as error:
            sinks.hook_failed(error)
            return None

    @suspended
    def _notified(self, condition: Any, result: Any) -> None:
        if not _asleep:
            return
        try:
            for native in condition._lock._lot._parked:  # noqa: SLF001 - trio does not show it
                asleep = _asleep.get(id(native))
                if asleep is not None and asleep.acquisition is None:
                    asleep.begin_enter()
        except Exception as error:
            sinks.hook_failed(error)

    @suspended
    def _woken(self, asleep: _Asleep | None, result: Any) -> None:
        if asleep is None:
            return
        _asleep.pop(asleep.key, None)
        if asleep.acquisition is None:
            asleep.begin_enter()
        asleep.end_enter()

    @suspended
    def _not_woken(self, asleep: _Asleep | None, error: BaseException) -> None:
        if asleep is None:
            return
        _asleep.pop(asleep.key, None)
        asleep.end_enter()  # the lock was acquired before the cancellation was raised


@hidden
def _condition(condition: Any) -> Any:
    return condition


@hidden
def _nothing(condition: Any, error: BaseException) -> None:
    """Report nothing: a task that does not hold the lock may not notify."""
