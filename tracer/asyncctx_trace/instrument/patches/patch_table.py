"""The table of patches: which functions of the standard library and of others are changed."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from types import CodeType
from typing import Any

from asyncctx_trace.instrument.adapters import Adapter, AtCreation, Pair, adapter_for
from asyncctx_trace.instrument.hidden_frames import suspended
from asyncctx_trace.instrument.patches import exit_flags, interrupts
from asyncctx_trace.instrument.patches.acquire_release import Watch, watch_of
from asyncctx_trace.instrument.patches.checkouts import checkout_watch
from asyncctx_trace.instrument.patches.conditions import ConditionWatch
from asyncctx_trace.instrument.patches.executor_slots import ExecutorSlots
from asyncctx_trace.instrument.patches.exit_stack import StackWatch
from asyncctx_trace.instrument.patches.launchers import module_details
from asyncctx_trace.instrument.patches.library_blocks import DECORATORS, THREADS, BlockWatch
from asyncctx_trace.instrument.patches.primitives import PRIMITIVES, Primitive
from asyncctx_trace.instrument.patches.spawned_tasks import CREATING, SpawnWatch
from asyncctx_trace.instrument.patches.spawned_waits import functions_to_watch
from asyncctx_trace.instrument.patches.thread_waits import ThreadWaits
from asyncctx_trace.instrument.registry.resources import Resource
from asyncctx_trace.instrument.rewriting import lock_hooks
from asyncctx_trace.instrument.rewriting.async_with import SUPPORTED
from asyncctx_trace.instrument.rewriting.bytecode import UnsupportedCode
from asyncctx_trace.instrument.rewriting.code_rewriter import Original, original_of, rewritten
from asyncctx_trace.instrument.rewriting.patching import (
    beginning_with,
    filtering_argument,
    filtering_result,
    watched,
)
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.instrument.waits import await_hooks as waits
from asyncctx_trace.instrument.waits import watchdog

__all__ = ["Patch", "patches_of_adapter", "all_patches", "apply", "apply_named"]

_IMPORT = "_frozen_importlib_external"
_PYTEST = "_pytest.assertion.rewrite"


@dataclass(frozen=True, slots=True)
class Patch:
    """A change to the code of one function, applied once its module is loaded."""

    module: str
    function: str
    """Qualified name in the module."""
    change: Callable[..., CodeType]
    """Called with the code and constants to add; returns the changed code."""
    needed_by: str = ""
    """The module whose import makes the patch necessary, if it is another one."""


def all_patches(scope: Scope) -> Iterator[Patch]:
    """Yield every patch, for the files in ``scope``."""

    @suspended
    def rewrite(value: Any) -> Any:
        if type(value) is CodeType:
            return rewritten(value, scope)
        if type(value) is tuple:  # the code with something that goes with it
            return tuple(rewritten(v, scope) if type(v) is CodeType else v for v in value)
        return value

    # Functions that return code that is about to run. Rewritten code is never written to a .pyc:
    # the interpreter has read or written its own before these return.
    for module, function in (
        (_IMPORT, "SourceLoader.get_code"),
        (_IMPORT, "SourcelessFileLoader.get_code"),
        ("zipimport", "zipimporter.get_code"),
        ("runpy", "_get_code_from_file"),
        ("coverage.execfile", "make_code_from_py"),
        ("coverage.execfile", "make_code_from_pyc"),
        (_PYTEST, "_read_pyc"),
        (_PYTEST, "_rewrite_test"),
    ):
        yield Patch(module, function, partial(_result, rewrite))
    # What `python -m` runs may itself execute a file of the program.
    yield Patch("runpy", "_get_module_details", partial(_result, module_details(scope)))
    # Only pytest writes after that.
    yield Patch(_PYTEST, "_write_pyc", partial(_argument, "co", _unrewritten))
    yield Patch("signal", "signal", interrupts.code_of_handler)
    yield Patch("asyncio.base_events", "BaseEventLoop.run_forever", _watched_loop)
    if scope.waits:
        yield from _of_waits(scope)
    yield Patch("asyncio.timeouts", "Timeout.__aexit__", exit_flags.watch_deadline)
    stacks = StackWatch(scope.includes)
    yield Patch("contextlib", "AsyncExitStack.enter_async_context", stacks.entering)
    yield Patch("contextlib", "AsyncExitStack.__aexit__", stacks.leaving)
    for adapter in lock_hooks.ADAPTERS.values():
        yield from patches_of_adapter(adapter, scope)
    blocks = BlockWatch(scope.includes)
    yield Patch(*DECORATORS, blocks.decorating)
    yield Patch(*THREADS, blocks.running_in_thread)
    for primitive in PRIMITIVES:
        yield from _of_primitive(primitive, scope)
    conditions = ConditionWatch(scope.includes)
    yield Patch("trio._sync", "Condition.wait", conditions.waiting)
    for method in ("notify", "notify_all"):
        yield Patch("trio._sync", f"Condition.{method}", conditions.notifying)
    creations = SpawnWatch(scope.includes)
    for module, function, argument, needed_by in CREATING:
        look = partial(creations.creating, argument)
        yield Patch(module, function, look, needed_by)
    yield Patch("trio._util", "coroutine_or_error", creations.spawning)


def _of_waits(scope: Scope) -> Iterator[Patch]:
    """Yield what says that a task or thread waits or is woken, and what the watchdog needs."""
    watches = ThreadWaits(scope.includes), ExecutorSlots(scope.includes)
    for module, function, change in (patch for watch in watches for patch in watch.patches()):
        yield Patch(module, function, change)
    yield Patch(
        "asyncio.base_events",
        "BaseEventLoop.call_soon",
        partial(_beginning, waits.scheduled, ("callback",)),
    )
    if watchdog.IS_POSSIBLE:
        yield Patch(
            "asyncio.base_events",
            "BaseEventLoop._run_once",
            partial(_beginning, watchdog.next_iteration, ()),
        )
    yield Patch(
        "trio._core._run",
        "Runner.reschedule",
        partial(_beginning, waits.rescheduled, ("task", "next_send")),
    )
    for module, function, change in functions_to_watch():
        yield Patch(module, function, change)


def patches_of_adapter(adapter: Adapter, scope: Scope) -> Iterator[Patch]:
    """Yield the patches of the library that ``adapter`` describes."""
    if adapter.pair is not None:
        watch_of(adapter, adapter.pair).own = scope.includes
        yield from _of_pair(adapter, adapter.pair)
    if adapter.checkout is not None:
        watch = checkout_watch(adapter, adapter.checkout)
        watch.installed = True
        watch.own_by(scope.includes)
        yield from _of_checkout(adapter)
    if isinstance(adapter.capacity, AtCreation):
        method, count = adapter.capacity.initializer, adapter.capacity.argument + 1
        yield Patch(*_split(method), partial(_creation, adapter.capacity.remember, count))


def _of_checkout(adapter: Adapter) -> Iterator[Patch]:
    checkout = adapter.checkout
    assert checkout is not None
    watch = checkout_watch(adapter, checkout)
    for take in checkout.takes:
        yield Patch(*_split(take.method), partial(watch.taking, take))
        if take.granted:
            yield Patch(*_split(take.granted), watch.granting)
    for give in checkout.gives:
        yield Patch(*_split(give.method), partial(watch.giving, give))


def _creation(
    remember: Callable[[Any, Any], None], count: int, code: CodeType, *consts: object
) -> CodeType:
    @suspended
    def made(*arguments: Any) -> None:
        remember(arguments[0], arguments[-1])

    return watched(code, made, _nothing, _nothing, count, *consts)


@suspended
def _nothing(handle: object, result: object) -> None:
    return None


def _of_pair(adapter: Adapter, pair: Pair) -> Iterator[Patch]:
    watch = watch_of(adapter, pair)
    yield Patch(*_split(pair.acquire), watch.acquiring)
    yield Patch(*_split(pair.release), watch.releasing)


def _of_primitive(primitive: Primitive, scope: Scope) -> Iterator[Patch]:
    watch = Watch(_PRIMITIVE, by_argument=primitive.by_argument)
    watch.own = scope.includes
    for method in primitive.acquire:
        yield Patch(primitive.module, f"{primitive.cls}.{method}", watch.acquiring)
    yield Patch(primitive.module, f"{primitive.cls}.{primitive.release}", watch.releasing)


_PRIMITIVE = Adapter("", "lock")
"""For primitives that are resources themselves; each class also has an adapter of its own."""


def apply_named(manager: object, resource: Resource) -> None:
    """Patch the methods of a ``manager`` that the program has named, such as ``acquire``."""
    adapter = adapter_for(type(manager))
    if adapter is None or not SUPPORTED:
        return
    if adapter.pair is not None:
        resource.is_named = True
        for patch in _of_pair(adapter, adapter.pair):
            apply(patch)
    if adapter.checkout is not None:
        resource.is_named = True
        for patch in _of_checkout(adapter):
            apply(patch)


def apply(patch: Patch) -> None:
    """Apply ``patch`` if its module is loaded and it is not applied yet."""
    module = sys.modules.get(patch.module)
    if module is None:
        return
    try:
        function: Any = reduce(getattr, patch.function.split("."), module)
        function = _plain(function)
        code: CodeType = function.__code__
        if original_of(code) is code:
            changed = patch.change(code, Original(code))
            _protect(code, changed)
            function.__code__ = changed
    except (AttributeError, UnsupportedCode, ValueError) as error:
        # Another version of that library: its managers are traced nevertheless.
        logging.getLogger("asyncctx_trace").debug(
            "asyncctx-trace: %s.%s is not watched: %s", patch.module, patch.function, error
        )


def _protect(code: CodeType, changed: CodeType) -> None:
    """Let trio protect ``changed`` from interrupts if it does so with ``code``."""
    known = getattr(sys.modules.get("trio._core._ki"), "_CODE_KI_PROTECTION_STATUS_WMAP", None)
    if known is not None:
        with contextlib.suppress(KeyError):
            known[changed] = known[code]


@suspended
def _unrewritten(code: Any) -> Any:
    return original_of(code) if type(code) is CodeType else code


def _result(look: Callable[[Any], Any], code: CodeType, *consts: object) -> CodeType:
    return filtering_result(code, look, *consts)


def _argument(name: str, look: Callable[[Any], Any], code: CodeType, *consts: object) -> CodeType:
    return filtering_argument(code, name, look, *consts)


def _beginning(
    call: Callable[..., object], arguments: tuple[str, ...], code: CodeType, *consts: object
) -> CodeType:
    return beginning_with(code, call, *consts, arguments=arguments)


def _watched_loop(code: CodeType, *consts: object) -> CodeType:
    return watched(code, watchdog.loop_started, _loop_ended, _loop_failed, 1, *consts)


@suspended
def _loop_ended(started: Any, result: object) -> None:
    watchdog.loop_ended(started)


@suspended
def _loop_failed(started: Any, error: BaseException) -> None:
    interrupts.loop_failed(error)
    watchdog.loop_ended(started)


def _plain(function: Any) -> Any:
    """Return the function of a class method, or inside decorators with ``__wrapped__``."""
    while True:
        inner = getattr(function, "__func__", None) or getattr(function, "__wrapped__", None)
        if inner is None:
            return function
        function = inner


def _split(path: str) -> tuple[str, str]:
    """``package.module.Class.method`` or ``package.module:function`` -> module, name in it."""
    if ":" in path:
        module, _, function = path.partition(":")
        return module, function
    module, cls, method = path.rsplit(".", 2)
    return module, f"{cls}.{method}"
