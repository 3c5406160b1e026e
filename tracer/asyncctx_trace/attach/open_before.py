"""Publish what is held and waited for when recording begins in a program that is running."""

from __future__ import annotations

from types import CodeType
from typing import Any

from asyncctx_trace.attach import in_flight
from asyncctx_trace.attach.in_process.coroutines import awaited, code_and_frame
from asyncctx_trace.attach.in_process.reader import Reader
from asyncctx_trace.attach.picture import Picture
from asyncctx_trace.attach.picture_model import Line, Wait
from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.adapters import adapter_for
from asyncctx_trace.instrument.publish import Acquisition
from asyncctx_trace.instrument.registry import open_acquisitions, resources, sites, tasks
from asyncctx_trace.instrument.registry.coroutines import coroutine_name
from asyncctx_trace.instrument.registry.resources import Resource
from asyncctx_trace.instrument.registry.tasks import Task
from asyncctx_trace.model.outcomes import EnterFlag, Outcome
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.model.waits import WaitKind

__all__ = ["Before", "publish_open"]

__asyncctx_trace_look__ = True  # its frames are not the program's
_BEFORE = int(EnterFlag.BEFORE)
_MOST_SECONDS = 2.0
_sites: dict[Line, int] = {}
"""The sites that were defined here: attaching again defines no others."""


class Before:
    """What was open when recording began, and the callbacks that tell how enters end."""

    def __init__(self) -> None:
        self.held = 0
        self.waits = 0
        self._callbacks: list[tuple[Any, Any]] = []

    def when_done(self, future: Any, callback: Any) -> None:
        """Call ``callback`` with ``future`` when it is done, until :meth:`forget`."""
        future.add_done_callback(callback)
        self._callbacks.append((future, callback))

    def forget(self) -> None:
        """Take the callbacks off again."""
        for future, callback in self._callbacks:
            future.remove_done_callback(callback)
        self._callbacks.clear()


def publish_open(hidden: frozenset[int] = frozenset()) -> Before:
    """Publish the acquisitions and waits of all tasks, flagged as having begun before.

    They get the time of now. Those of threads are left out. The threads ``hidden`` are ours.
    """
    reader = Reader(_MOST_SECONDS, hidden)
    picture = Picture(reader.read())
    things = {id(thing): thing for thing in reader.alive}
    before = Before()
    known = {
        key: _task(things[key], worker.runtime)
        for key, worker in picture.workers.items()
        if key in things
    }
    classes: dict[type, None] = {}
    for hold in picture.holds:
        manager, task = things.get(hold.key), known.get(hold.worker)
        if manager is None or task is None:
            continue
        classes[type(manager)] = None
        acquisition = _entering(task, manager, hold.line, _BEFORE)
        if acquisition is not None:
            before.held += 1
            publish.enter_ended(acquisition)
            if hold.phase == "exit":
                _leaving(acquisition)
            else:
                in_flight.holds(manager, acquisition)
    for key, wait in picture.waits.items():
        if key in known:
            before.waits += _wait(before, picture, wait, things, known)
    in_flight.follow(_codes(things, known), classes)
    return before


def _task(native: Any, runtime: str) -> Task:
    known = tasks.seen(id(native))
    if known is not None:
        return known
    name = native.name if runtime == "trio" else native.get_name()
    task = Task(str(name), runtime, 0, coroutine_name(native, runtime))
    task.ref = tasks.by_native.add(native, task)
    sink = sinks.active.sink
    if sink is not None:
        task.define(sink)
    return task


def _entering(task: Task, manager: Any, line: Line, flags: int) -> Acquisition | None:
    return publish.enter_started_by_call(
        resources.manager_of(type(manager)),
        _resource(manager, line.text).id,
        _site(line),
        task,
        flags=flags,
    )


def _resource(manager: Any, text: str) -> Resource:
    """Return the resource that the hooks will know, too."""
    adapter = adapter_for(type(manager))
    if adapter is None:
        if "(" in text:
            return resources.resource_of(manager, name=text)
        return resources.of_contended(None, manager, text)
    shared = isinstance(resources.contended(adapter, manager), str)
    return resources.resource_of(manager, name=None if shared else text)


def _site(line: Line) -> int:
    known = _sites.get(line)
    if known is None:
        function = "" if line.function == "<module>" else line.function
        known = _sites[line] = sites.define(line.file, line.line, function, line.text)
    return known


def _leaving(acquisition: Acquisition) -> None:
    """Publish that an exit is under way; its end is not seen, since no hook is in it."""
    sink = sinks.active.sink
    if sink is not None:
        acquisition.state = publish.LEAVING
        now = unpatched.monotonic_ns()
        sink.exit_started(now, acquisition.id, acquisition.task.id, int(Outcome.OK), None)


def _wait(
    before: Before, picture: Picture, wait: Wait, things: dict[int, Any], known: dict[int, Task]
) -> int:
    """Publish one wait; returns how many were."""
    sink = sinks.active.sink
    native, task = things[wait.worker], known[wait.worker]
    if sink is None:
        return 0
    thing = things.get(wait.resource or 0)
    future = getattr(native, "_fut_waiter", None)
    if wait.kind is None and thing is not None and future is not None and not future.done():
        manager = things.get(wait.manager, thing)
        flags = _BEFORE if wait.manager else _BEFORE | publish.BY_CALL
        acquisition = _entering(task, manager, wait.line, flags)
        if acquisition is None:
            return 0

        def ended(done: Any) -> None:
            _enter_ended(acquisition, manager, done, by_call=not wait.manager)

        before.when_done(future, ended)
        return 1
    if task.wait is None:  # in a loop whose wakeups are not reported
        return 0
    targets = [known[key].id for key in wait.targets if key in known]
    subject = targets[0] if len(targets) == 1 else 0
    kind = wait.kind or WaitKind.LOCK
    if not targets and thing is not None:
        name = picture.resources[wait.resource or 0]
        subject = resources.of_awaited(thing, name.kind, wait.method, wait.line.text).id
    number = task.wait = next(publish.ids)
    sink.wait_started(
        unpatched.monotonic_ns(), number, task.id, subject, _site(wait.line), int(kind)
    )
    if len(targets) > 1:
        for target in targets:
            sink.wait_target(unpatched.monotonic_ns(), number, target)
    return 1


def _enter_ended(acquisition: Acquisition, manager: Any, done: Any, *, by_call: bool) -> None:
    if acquisition.state != publish.ENTERING or sinks.active.sink is None:
        return
    if done.cancelled():
        publish.close(acquisition)
        acquisition.state = publish.ENDED
        now = unpatched.monotonic_ns()
        sinks.active.sink.enter_ended(now, acquisition.id, int(Outcome.CANCELLED), None)
        return
    publish.enter_ended(acquisition)
    if by_call:
        open_acquisitions.note_open(_resource(manager, ""), acquisition)
    else:
        in_flight.holds(manager, acquisition)


def _codes(things: dict[int, Any], known: dict[int, Task]) -> list[CodeType]:
    """Return the code of all coroutines that are in flight."""
    found: dict[int, CodeType] = {}
    for key in known:
        native = things[key]
        coroutine = native.coro if hasattr(native, "coro") else native.get_coro()
        for thing in awaited(coroutine):
            code = code_and_frame(thing)[0]
            if isinstance(code, CodeType):
                found[id(code)] = code
    return list(found.values())
