"""Keep our frames out of the program's tracebacks, stacks, warnings and debugger."""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable
from functools import update_wrapper
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, ParamSpec, TypeVar, cast

from asyncctx_trace.model.constants import HIDDEN_FILE
from asyncctx_trace.native import extension

__all__ = [
    "adopt_main_thread",
    "as_hook",
    "call_hidden",
    "frequent",
    "hidden",
    "hide",
    "is_observed",
    "is_ours",
    "is_suspended",
    "program_frame",
    "suspended",
    "without_lines",
]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])

_RESUME = opcode.opmap["RESUME"]
_NOP = opcode.opmap["NOP"]
_CACHE = opcode.opmap["CACHE"]
_LOAD_SUPER_ATTR = opcode.opmap.get("LOAD_SUPER_ATTR")
_TOOL = 4
"""An id of `sys.monitoring` that is reserved for no kind of tool."""
_native = extension(__package__)


def adopt_main_thread() -> None:
    """In a forked child: handlers of signals run in this thread from now on, the only one left."""
    if _native is not None:
        _native.adopt_main_thread()


def without_lines(function: F) -> F:
    """Hide the frames of ``function``, which may be a coroutine function, as far as possible.

    - ``warnings.warn(stacklevel=2)`` skips frames whose file name has both ``importlib`` and
      ``_bootstrap`` in it, as it does for the import system's own.
    - A debugger stops at lines, and the code has none.
    - A traceback gets an entry for a frame when an exception propagates into it. The function
      removes that entry and re-raises with a bare ``raise``, which adds none::

          except BaseException as error:
              error.__traceback__ = error.__traceback__.tb_next
              raise
    """
    plain = cast(FunctionType, function)
    plain.__code__ = plain.__code__.replace(co_filename=HIDDEN_FILE, co_linetable=b"")
    return function


def hidden(function: F) -> F:
    """Hide the frames of ``function``, which must not be a generator.

    The interpreter considers a frame complete, and shows it, once it has executed the instruction
    RESUME. Without that, a frame is in no traceback and on no stack (``sys._getframe`` skips it),
    and its calls, lines and returns are reported to no tracer. Exceptions are reported on CPython
    3.12 to 3.14: a function that handles any must be called through ``suspended`` or
    ``call_hidden``. CPython 3.11 would report the return alone, so there the function stays
    visible.
    """
    if sys.version_info < (3, 12):
        return function
    plain = cast(FunctionType, function)
    code = _hidden(plain.__code__)
    # A new function, for the interpreter never again calls one fast that has had its code changed.
    made = FunctionType(
        code, plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__
    )
    made.__kwdefaults__ = plain.__kwdefaults__
    return cast(F, update_wrapper(made, plain, updated=("__dict__",)))


def hide(function: FunctionType) -> None:
    """Hide, where there is no native code, another package's function that hooks call.

    Native code suspends tracing around the call instead, and leaves the function unchanged.
    """
    if sys.version_info >= (3, 12) and _native is None:
        function.__code__ = _hidden(function.__code__)


def _hidden(code: CodeType) -> CodeType:
    """Return ``code`` without a reachable RESUME; unchanged where it would not work then."""
    raw = bytearray(code.co_code)
    start = next((i for i in range(0, len(raw), 2) if raw[i] == _RESUME), len(raw))
    end = start + 2
    while end < len(raw) and raw[end] == _CACHE:  # CPython 3.15 keeps something behind it
        end += 2
    if end >= len(raw):  # none, or out of reach already
        return code
    if "__class__" in code.co_freevars and not _name_super(code, raw):
        return code
    resume = raw[start:end]
    raw[start:end] = bytes((_NOP, 0)) * ((end - start) // 2)
    if sys.version_info < (3, 15):
        return code.replace(co_code=bytes(raw))
    # It looks up the tools that listen for an exception in data that RESUME allocates, and crashes
    # without. `sys.monitoring` allocates it too, but only for code that has a RESUME.
    code = code.replace(co_code=bytes(raw + resume))
    _allocate_monitoring_data(code)
    return code


def _name_super(code: CodeType, raw: bytearray) -> bool:
    """Let ``super().name`` find its class and object in the code, not in the frame.

    A call of ``super()`` looks for them in the frame, and skips a hidden one. Return whether every
    use has that form.
    """
    import dis

    others = 0
    for instruction in dis.get_instructions(code):
        if instruction.opcode == _LOAD_SUPER_ATTR:
            raw[instruction.offset + 1] |= 2  # as `super(class, object).name`
            others -= 1
        elif instruction.opname == "LOAD_GLOBAL" and instruction.argval == "super":
            others += 1
    return others == 0


def _allocate_monitoring_data(code: CodeType) -> None:
    if sys.version_info < (3, 15):
        return
    monitoring = sys.monitoring
    for tool in range(6):
        if monitoring.get_tool(tool) is not None:
            monitoring.set_local_events(tool, code, 0)
            return
    monitoring.use_tool_id(_TOOL, "asyncctx-trace")
    try:
        monitoring.set_local_events(_TOOL, code, 0)
    finally:
        monitoring.free_tool_id(_TOOL)


def suspended(function: F) -> F:
    """Report nothing to tracers, profilers and debuggers while ``function`` runs.

    Native code does so at almost no cost; the Python code first asks whether there are any.
    """
    function = hidden(function)
    return cast(F, _gate(function) if _native is None else _native.suspended(function))


def frequent(function: F) -> F:
    """Hide a hook that is called too often for a gate in front of it.

    Where it is not native, it uses ``call_hidden`` for what would be reported otherwise.
    """
    function = hidden(function)
    function.__asyncctx_gate__ = True  # type: ignore[attr-defined]  # as the gate of `_gate`
    return function


def as_hook(function: object) -> Any:
    """Return ``function`` as rewritten code calls it: ``suspended``, unless it is already."""
    is_python = type(function) is FunctionType or type(function) is MethodType
    if not is_python:
        return function
    if _native is not None:
        return _native.suspended(function)
    return function if hasattr(function, "__asyncctx_gate__") else _gate(function)


def _gate(function: Any) -> Any:
    """Return a hidden function that suspends tracing around ``function`` if there are tools."""
    if sys.version_info < (3, 12):  # the gate would be visible
        return function
    # Objects die, and this is called, when this module's names are gone already.
    events, state_of, suspend, resume = _all_events, _state, _suspend, _resume

    @hidden
    def gate(*args: Any, **keywords: Any) -> Any:
        if not events():
            return function(*args, **keywords)
        state = state_of()
        suspend(state)
        try:
            return function(*args, **keywords)
        finally:
            resume(state)

    gate.__asyncctx_gate__ = True
    return gate


def is_suspended() -> bool:
    """Return whether ``suspended`` really suspends tracing, as native code does."""
    return _native is not None


def _tracing_of_thread() -> tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the interpreter's functions for this thread: its state, suspend and resume tracing."""
    import ctypes

    api = ctypes.pythonapi
    api.PyThreadState_Get.restype = ctypes.c_void_p
    api.PyThreadState_EnterTracing.argtypes = api.PyThreadState_LeaveTracing.argtypes = [
        ctypes.c_void_p
    ]
    return api.PyThreadState_Get, api.PyThreadState_EnterTracing, api.PyThreadState_LeaveTracing


def _nothing(state: object = None) -> None:
    pass


if sys.version_info >= (3, 12):
    # The events that tools listen for, with the tracer and the profiler among the tools.
    _all_events: Callable[[], Any] = getattr(sys.monitoring, "_all_events", lambda: True)

    @hidden
    def is_observed() -> bool:
        """Return whether a tracer, a profiler or a tool of ``sys.monitoring`` listens."""
        return bool(_all_events())

else:

    def is_observed() -> bool:
        """Return whether a tracer or a profiler listens in this thread."""
        return sys.gettrace() is not None or sys.getprofile() is not None

    _all_events = is_observed


if _native is not None:
    call_hidden = _native.call_hidden
else:
    try:
        _state, _suspend, _resume = _tracing_of_thread()
    except (ImportError, AttributeError, OSError):  # an interpreter without ctypes
        _state = _suspend = _resume = _nothing

    @hidden
    def call_hidden(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call ``function``, and report nothing of it to tracers, profilers and debuggers."""
        if not is_observed():
            return function(*args, **kwargs)
        state = _state()
        _suspend(state)
        try:
            return function(*args, **kwargs)
        finally:
            _resume(state)


@hidden
def program_frame() -> FrameType | None:
    """Return the innermost frame that is not ours."""
    # Not 0: a hidden function must not ask for its own frame.
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_ours(frame):
        frame = frame.f_back
    return frame


_OURS = "asyncctx_trace.instrument.", "asyncctx_trace.attach."


@hidden
def is_ours(frame: FrameType) -> bool:
    """Return whether ``frame`` runs code of this package."""
    name = frame.f_globals.get("__name__", "")
    return frame.f_code.co_filename == HIDDEN_FILE or name.startswith(_OURS)
