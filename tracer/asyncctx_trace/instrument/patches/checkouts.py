"""Record what libraries take out of their pools for the program, and give back."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType, FunctionType
from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.adapters import Adapter, Checkout, Give, Take
from asyncctx_trace.instrument.hidden_frames import (
    hidden,
    hide,
    is_ours,
    program_frame,
    suspended,
)
from asyncctx_trace.instrument.patches import spawned_tasks
from asyncctx_trace.instrument.publish import Acquisition
from asyncctx_trace.instrument.registry import open_acquisitions, resources, sites, tasks
from asyncctx_trace.instrument.registry.frames import ProgramFrames, next_frame
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.registry.tasks import Task, current_task
from asyncctx_trace.instrument.rewriting.patching import watched
from asyncctx_trace.instrument.scope import Scope

__all__ = ["CheckoutWatch", "checkout_watch"]

_PROGRAM = Scope()


class _Out:
    """One item that is out of its pool, or requested."""

    __slots__ = ("acquisition", "asking", "granted", "key", "leaving", "ref")

    def __init__(self, acquisition: Acquisition, asking: tuple[int, int]) -> None:
        self.acquisition = acquisition
        self.asking = asking
        """The addresses of the task and the pool."""
        self.granted = False
        """Whether the wait is over."""
        self.leaving = False
        """Whether it is on its way back."""
        self.key = 0
        self.ref: weakref.ref[Any] | None = None


_out: dict[int, _Out] = {}
"""By the address of the item; an entry leaves before its address can be used again."""
_asking: dict[tuple[int, int], _Out] = {}
"""What a task requests now, by the addresses of the task and the pool."""
_waiting: dict[int, _Out] = {}
"""The same by the address of the task, where another method ends the wait."""
_watches: dict[str, CheckoutWatch] = {}


def checkout_watch(adapter: Adapter, checkout: Checkout) -> CheckoutWatch:
    """Return the one watch for this adapter's checkout."""
    watch = _watches.get(adapter.manager)
    if watch is None or watch.checkout is not checkout:
        watch = _watches[adapter.manager] = CheckoutWatch(checkout)
    return watch


class CheckoutWatch:
    """Watches the methods that one checkout names."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.installed = False
        """Whether every pool is recorded, not only those that the program has named."""
        self._library = checkout.takes[0].method.partition(".")[0] if checkout.takes else ""
        self.own_by(_PROGRAM.includes)
        module, _, name = checkout.manager.rpartition(".")
        self.enter = (module, f"{name}.__aenter__") if name else None
        """Module and name of the enter that is recorded instead where the program enters."""
        for reader in (checkout.limit, checkout.resource, checkout.name):
            _hide(reader)

    def own_by(self, own: Callable[[str], bool]) -> None:
        """Have ``own`` decide which files are the program's own."""
        self.own = own
        self.frames = ProgramFrames(own, self._library)

    @hidden
    def site_id(self) -> int:
        """Return the site of the program's line that runs now, 0 where this task has none."""
        found, _ = self.frames.find()
        return sites.of_frame(found[0]) if found else 0

    @hidden
    def site(self, found: list[FrameType]) -> tuple[Site, int]:
        """Return the site of the first frame, and its id with the second frame as caller."""
        site = sites.site_at(found[0])
        if len(found) == 1:
            return site, site.id
        return site, site.called_from(sites.of_frame(found[1]))

    def taking(self, take: Take, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of a take's method, that reports each of its calls."""
        hooks = _Taking(self, take)
        changed = watched(code, hooks.request, hooks.got, hooks.failed, take.arguments, *consts)
        return spawned_tasks.code_acquires(changed)

    def granting(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of the method that ends a wait, that reports its return."""
        return watched(code, _begun, _granted, _not_granted, 0, *consts)

    def giving(self, give: Give, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of a give's method, that reports each of its calls."""
        hooks = _Giving(self, give)
        return watched(code, hooks.started, hooks.ended, hooks.failed, give.arguments, *consts)


class _Taking:
    """The hooks in one take's method."""

    def __init__(self, watch: CheckoutWatch, take: Take) -> None:
        self._watch = watch
        self._take = take
        _hide(take.item)
        _hide(take.pool)
        _hide(take.holder)

    @hidden
    def request(self, *arguments: Any) -> _Out | None:
        if sinks.active_sink() is None:
            return None
        try:
            pool = _read(self._take.pool, *arguments)
            return None if pool is None else self._acquire_request(pool)
        except Exception as error:
            sinks.hook_failed(error)
            return None

    @hidden
    def _acquire_request(self, pool: Any) -> _Out | None:
        watch = self._watch
        if not watch.installed and not resources.is_named_pool(watch.checkout, pool):
            return None
        native, _ = tasks.running()
        asking = id(native), id(pool)
        if asking in _asking or self._stands_for_itself():
            return None
        caller = self._caller()
        if caller is None:
            return None
        task, site_id, text = caller
        resource = resources.of_pool(watch.checkout, pool, text)
        manager = resources.manager_of(type(pool))
        flags = open_acquisitions.flags_of_call(resource, None)
        acquisition = publish.enter_started_by_call(
            manager, resource.id, site_id, task, flags=flags
        )
        if acquisition is None:
            return None
        out = _asking[asking] = _Out(acquisition, asking)
        if self._take.granted:
            _waiting[id(native)] = out
        return out

    @hidden
    def _stands_for_itself(self) -> bool:
        """Return whether the program has entered the manager that takes, which is recorded."""
        enter = self._watch.enter
        method = program_frame()
        caller = None if method is None else next_frame(method)
        if enter is None or caller is None:
            return False
        if (caller.f_globals.get("__name__"), caller.f_code.co_qualname) != enter:
            return False
        frame = caller.f_back
        while frame is not None and frame.f_code.co_filename == contextlib.__file__:
            frame = frame.f_back
        own = self._watch.own
        return frame is not None and (is_ours(frame) or own(frame.f_code.co_filename))

    @hidden
    def _caller(self) -> tuple[Task, int, str] | None:
        """Return task, site and source of the program's line; ``None`` for a library's task.

        Where the task has no line of the program, it is the line that made a task of a library's
        coroutine, as in ``gather(client.get(url), …)``.
        """
        made = spawned_tasks.spawned()
        if made is not None:
            return made.task, made.site_id, made.site.text
        found, outermost = self._watch.frames.find(2)
        if found:
            site, site_id = self._watch.site(found)
            return current_task(), site_id, site.text
        made = spawned_tasks.origin()
        if made is not None:
            return current_task(), made.site_id, made.site.text
        # A loop that is not written in Python has made a task of the method itself.
        if outermost is not None and (
            outermost is program_frame() or outermost.f_globals.get("__name__") == "asyncio.tasks"
        ):
            return current_task(), 0, ""
        return None

    @hidden
    def got(self, out: _Out | None, result: Any) -> None:
        if out is None:
            return
        _answered(out)
        if not out.granted:
            publish.enter_ended(out.acquisition, None)
        item = _read(self._take.item, result)
        if item is None:  # its way back cannot be observed
            _end(out)
            return
        key = out.key = id(item)
        before = _out.pop(key, None)
        if before is not None:  # taken out again, so it went back unobserved
            _end(before)
        _out[key] = out
        holder = self._take.holder
        try:
            if holder is None:
                out.ref = weakref.ref(item, partial(_gone, out, self._watch.checkout.forgets))
            else:
                out.ref = weakref.ref(_read(holder, result), partial(_lost, out))
        except TypeError:  # it stays in the table until it is given back
            pass

    @hidden
    def failed(self, out: _Out | None, error: BaseException) -> None:
        if out is None:
            return
        _answered(out)
        if out.granted:
            publish.exit_started(out.acquisition, error)
            publish.exit_ended(out.acquisition, None, False)
        else:
            publish.enter_ended(out.acquisition, error)


class _Giving:
    """The hooks in one give's method."""

    def __init__(self, watch: CheckoutWatch, give: Give) -> None:
        self._watch = watch
        self._give = give
        _hide(give.item)

    @hidden
    def started(self, *arguments: Any) -> list[_Out] | None:
        if not _out:
            return None
        item = _read(self._give.item, *arguments)
        if item is None:
            return None
        if self._give.every:
            pools = set(map(id, item))
            outs = [out for out in _out.values() if out.asking[1] in pools]
        else:
            found = _out.get(id(item))
            outs = [] if found is None else [found]
        for out in outs:
            if not out.leaving:
                out.leaving = True
                publish.exit_started(out.acquisition, None, self._watch.site_id())
        return outs

    @hidden
    def ended(self, outs: list[_Out] | None, result: Any) -> None:
        for out in outs or ():
            _finish(out, None)

    @hidden
    def failed(self, outs: list[_Out] | None, error: BaseException) -> None:
        for out in outs or ():
            _finish(out, error)


@hidden
def _begun() -> None:
    return None


@hidden
def _granted(handle: object, result: object) -> None:
    out = _waiting.pop(id(tasks.running()[0]), None)
    if out is not None:
        out.granted = True
        publish.enter_ended(out.acquisition, None)


@hidden
def _not_granted(handle: object, error: BaseException) -> None:
    return None


@hidden
def _answered(out: _Out) -> None:
    _asking.pop(out.asking, None)
    if _waiting.get(out.asking[0]) is out:
        del _waiting[out.asking[0]]


@hidden
def _finish(out: _Out, error: BaseException | None) -> None:
    if _out.get(out.key) is out:
        del _out[out.key]
        publish.exit_ended(out.acquisition, error, False)


@hidden
def _end(out: _Out) -> None:
    if not out.leaving:
        publish.exit_started(out.acquisition, None)
    publish.exit_ended(out.acquisition, None, False)


@suspended
def _gone(out: _Out, forgets: bool, _: object) -> None:
    if _out.get(out.key) is out:
        del _out[out.key]
        open_acquisitions.collected([out.acquisition])
        if forgets:
            _end(out)


@suspended
def _lost(out: _Out, _: object) -> None:
    if _out.get(out.key) is out and not out.leaving:
        open_acquisitions.collected([out.acquisition])


@hidden
def _read(how: Callable[..., Any], *arguments: Any) -> Any:
    """Return what an adapter reads, ``None`` if the library has changed since it was written."""
    try:
        return how(*arguments)
    except Exception:
        return None


def _hide(reader: object) -> None:
    """Hide from debuggers what runs at every call."""
    if isinstance(reader, FunctionType):
        hide(reader)
