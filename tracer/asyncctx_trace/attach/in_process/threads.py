"""Read what the threads of a program do."""

import sys
from types import FrameType
from typing import Any

from asyncctx_trace.attach.in_process.values import MAX_FRAMES, MAX_NAMES

__all__ = [
    "future_of_thread",
    "is_asleep",
    "is_quiescent",
    "local_of",
    "own_thread",
    "stack_of",
    "thread_names",
]

__asyncctx_trace_look__ = True  # its frames are not the program's


def stack_of(frame: FrameType | None) -> list[FrameType]:
    """Return the frames of a thread, innermost first, without those of this look."""
    stack = []
    while frame is not None:
        if "__asyncctx_trace_look__" not in frame.f_globals:
            stack.append(frame)
        frame = frame.f_back
    return stack[:MAX_FRAMES]


def local_of(frame: FrameType, name: str) -> Any:
    """Return a local variable of a frame, ``None`` if there is none."""
    return frame.f_locals.get(name) if name in frame.f_code.co_varnames else None


def trio_runner(stack: list[FrameType]) -> Any:
    """Return what runs trio's tasks in the thread with this stack, ``None`` if nothing does."""
    for frame in stack:
        if frame.f_globals.get("__name__") == "trio._core._run":
            runner = local_of(frame, "runner")
            if runner is not None:
                return runner
    return None


def is_asleep(stack: list[FrameType]) -> bool:
    """Return whether a thread's event loop waits for something to happen."""
    names = [(f.f_globals.get("__name__"), f.f_code.co_name) for f in stack[:2]]
    return ("selectors", "select") in names or ("trio._core._io_epoll", "get_events") in names


def future_of_thread(stack: list[FrameType]) -> int:
    """Return the future of what a worker of an executor runs."""
    for frame in stack:
        if frame.f_code.co_qualname == "_WorkItem.run":
            return id(getattr(local_of(frame, "self"), "future", None))
    return 0


def thread_names() -> dict[int, str]:
    """Return the names of the threads that ``threading`` knows, by their number."""
    threads = getattr(sys.modules.get("threading"), "_active", {})
    return {ident: str(t.name)[:MAX_NAMES] for ident, t in list(threads.items())}


def own_thread() -> int:
    """Return the number of this thread."""
    import _thread

    return _thread.get_ident()


def is_quiescent(loop: Any, thread: int, frames: dict[int, list[FrameType]]) -> bool:
    """Return whether nothing in this process can wake ``loop``: asyncio's own loops alone.

    Nothing is ready or scheduled, no file descriptor but its own is watched, no signal has a
    handler, and every other thread is an idle worker or sleeps for ever.
    """
    if (
        not is_asleep(frames[thread])
        or loop._ready
        or not all(handle._cancelled for handle in loop._scheduled)
        or len(loop._selector.get_map()) != loop._internal_fds
        or loop._signal_handlers
    ):
        return False
    for ident, stack in frames.items():
        top = stack[0] if stack else None
        if ident == thread or top is None:
            continue
        idle = top.f_code.co_name == "_worker"
        waits = (
            top.f_globals.get("__name__") == "threading"
            and top.f_code.co_name in ("wait", "join")
            and local_of(top, "timeout") is None
        )
        if not idle and not waits:
            return False
    return True
