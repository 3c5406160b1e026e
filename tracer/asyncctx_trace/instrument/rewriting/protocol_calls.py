"""Insert calls of hooks around ``await m.__aenter__()`` and ``await m.__aexit__(…)``.

With our hooks on the right::

    m                                        [.., manager]
                                             begin(site, manager)          -> handle
    look up the method, push the arguments   [.., handle, method, self, type, error, traceback]
                                             arguments(handle, error)      of __aexit__ alone
    call it                                  [.., handle, awaitable]
    await  ······························•   any exception: failed(handle, error)
                                             ended(handle, result)
                                             [.., result]

The handle lies on the stack only until the ``await`` is over. A call whose result is not awaited at
once is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType

from asyncctx_trace.instrument.rewriting.bytecode import (
    Assembly,
    Instruction,
    Position,
    copy,
    make,
    pop,
    swap,
)
from asyncctx_trace.instrument.rewriting.guards import await_region, guard
from asyncctx_trace.instrument.rewriting.method_calls import (
    MethodCall,
    find_method_calls,
    second_argument,
)

__all__ = ["ProtocolCalls", "ProtocolHooks", "has_protocol_calls"]

_METHODS = frozenset({"__aenter__", "__aexit__"})
_HAS_END_SEND = sys.version_info >= (3, 12)


@dataclass(frozen=True, slots=True)
class ProtocolHooks:
    """The functions to call; see the picture above."""

    begin_enter: Callable[..., object]
    entered: Callable[..., object]
    not_entered: Callable[..., object]
    begin_exit: Callable[..., object]
    exit_arguments: Callable[..., object]
    exited: Callable[..., object]
    not_exited: Callable[..., object]


def has_protocol_calls(code: CodeType) -> bool:
    """Return whether ``code`` itself may call a method of the protocol by its name."""
    return not _METHODS.isdisjoint(code.co_names)


class ProtocolCalls:
    """One pass that inserts hooks around the hand-made calls of one code object."""

    def __init__(
        self, assembly: Assembly, hooks: ProtocolHooks, depths: Mapping[Instruction, int]
    ) -> None:
        self.assembly = assembly
        self.hooks = hooks
        self.order = tuple(assembly.instructions)
        self.index = {instruction: index for index, instruction in enumerate(self.order)}
        self.depths = depths
        self.calls = [
            call
            for call in find_method_calls(assembly, self.order, self.depths, _METHODS)
            if self.order[call.call + 1].name == "GET_AWAITABLE"
        ]
        self.awaits = {self.order[call.call + 1] for call in self.calls}
        """The GET_AWAITABLE of each."""

    def run(self, make_site: Callable[[Position], object]) -> None:
        """Insert the hooks; see :func:`async_with.with_hooks` for ``make_site``."""
        for call in self.calls:
            # What is before the load ends the expression of the manager.
            self._insert(call, make_site(self.order[call.load - 1].position))

    def _insert(self, call: MethodCall, site: object) -> None:
        assembly, hooks, order = self.assembly, self.hooks, self.order
        leaves = call.name == "__aexit__"
        region, after = await_region(order, self.index, call.call + 1)
        load = order[call.load]
        # [manager] -> [handle, manager]; a NULL may lie below the manager.
        begin = assembly.call(
            hooks.begin_exit if leaves else hooks.begin_enter, assembly.const(site), copy(4)
        )
        sinking = [swap(3), swap(2)] if call.has_null else [swap(2)]
        assembly.insert(load, [*begin, *sinking])
        failed = assembly.call(hooks.not_exited if leaves else hooks.not_entered, copy(5), copy(4))
        guard(
            assembly,
            [*order[call.load : call.call + 1], *region],
            call.below + 1,
            more=1,
            failed=[*failed, pop(), make("RERAISE", 1)],
        )
        if leaves:
            first = order[call.first]
            handle = self.depths[first] + 1 - call.below
            found = second_argument(order, call)
            argument = assembly.const(None) if found is None else copy(found[0] + 3)
            reported = assembly.call(hooks.exit_arguments, copy(handle + 2), argument)
            assembly.insert(first, [*reported, pop()])
        # [handle, result] -> [result]
        ended = assembly.call(hooks.exited if leaves else hooks.entered, copy(4), copy(4))
        added = [*ended, pop(), swap(2), pop()]
        # Other branches of a conditional expression may jump to what comes after the await.
        assembly.insert(after, added, once=True)
        if not _HAS_END_SEND:
            self._send(call).target = added[0]

    def _send(self, call: MethodCall) -> Instruction:
        return next(i for i in self.order[call.call + 1 :] if i.name == "SEND")
