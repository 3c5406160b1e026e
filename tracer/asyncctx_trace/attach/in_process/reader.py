"""Read who holds and who waits in this process, from what its suspended coroutines keep.

The text of the modules in this folder is run inside programs in which this package need not be
installed. So they import nothing but the standard library, run no code of the program's, and change
nothing: they read frames, the stacks of suspended coroutines (``gc.get_referents``) and attributes.

The result of :func:`read_state` contains only what JSON can represent;
:mod:`asyncctx_trace.attach.state` describes it.
"""

import gc
import sys
import time
from types import FrameType
from typing import Any

from asyncctx_trace.attach.in_process.coroutines import (
    EXITS,
    NESTED,
    awaited,
    code_and_frame,
    exception_table,
    first_argument,
    opcodes_of,
    pending_exits,
)
from asyncctx_trace.attach.in_process.threads import (
    future_of_thread,
    is_asleep,
    is_quiescent,
    local_of,
    own_thread,
    stack_of,
    thread_names,
    trio_runner,
)
from asyncctx_trace.attach.in_process.values import (
    MAX_FRAMES,
    MAX_NAMES,
    MAX_TASKS,
    attempt,
    attributes_of,
    cells_of,
    class_name,
    is_instance,
    name_of,
    task_ids,
    type_name,
)

__all__ = ["Reader", "read_state"]

__asyncctx_trace_look__ = True  # its frames are not the program's

_QUEUES = ("_waiters", "_getters", "_putters")
PLAIN = (bool, int, float, type(None))
THREAD_LOCKS = ("_thread.lock", "_thread.RLock", "builtins.RLock")


def read_state(seconds: float = 2.0, hidden: frozenset[int] = frozenset()) -> dict[str, Any]:
    """Return the tasks, threads and objects of this process.

    At most ``seconds`` are spent; then the result says that it is truncated. Threads in ``hidden``
    are left out.
    """
    interval, collecting = sys.getswitchinterval(), gc.isenabled()
    # No other thread and no finalizer of the program runs meanwhile: what is read is one moment.
    sys.setswitchinterval(max(interval, 0.25))
    gc.disable()
    try:
        return Reader(seconds, hidden).read()
    finally:
        sys.setswitchinterval(interval)
        if collecting:
            gc.enable()


class Reader:
    """One look at this process."""

    def __init__(self, seconds: float, hidden: frozenset[int]) -> None:
        self.deadline = time.monotonic() + seconds
        self.hidden = hidden
        self.objects: dict[int, dict[str, Any]] = {}
        self.alive: list[Any] = []
        """What is described: as long as it is kept, no address is used twice."""
        self.truncated = False
        self.asyncio = sys.modules.get("asyncio.tasks")
        self.handler = opcodes_of("PUSH_EXC_INFO", "WITH_EXCEPT_START")
        self.globals: dict[int, dict[str, Any]] = {}

    def read(self) -> dict[str, Any]:
        """See :func:`read_state`."""
        started = time.monotonic_ns()
        frames = {
            ident: list(stack_of(frame))
            for ident, frame in sys._current_frames().items()
            if ident not in self.hidden
        }
        names = thread_names()
        loops = self.loops(frames)
        tasks: list[dict[str, Any]] = []
        for loop, thread in loops:
            for task in self._tasks_of(loop):
                if len(tasks) >= MAX_TASKS or time.monotonic() > self.deadline:
                    self.truncated = True
                    break
                found = attempt(self._task, task, loop, thread, frames)
                if found:
                    tasks.append(found)
        for ident, stack in frames.items():
            tasks += attempt(self._trio_tasks, ident, stack) or ()
        attempt(self._name_globals)
        return {
            "version": 1,
            "python": ".".join(map(str, sys.version_info[:3])),
            "title": [str(word)[:MAX_NAMES] for word in getattr(sys, "orig_argv", sys.argv)[:50]],
            "path": [str(entry) for entry in sys.path[:50]],
            "at": started,
            "took": time.monotonic_ns() - started,
            "truncated": self.truncated,
            "tasks": tasks,
            "threads": [
                {
                    "ident": ident,
                    "name": names.get(ident, str(ident)),
                    "asleep": is_asleep(stack),
                    "frames": [attempt(self._thread_frame, frame) for frame in stack],
                    "future": future_of_thread(stack),
                }
                for ident, stack in frames.items()
            ],
            "loops": [
                {
                    "id": id(loop),
                    "thread": thread,
                    "type": type_name(loop),
                    "quiescent": bool(attempt(is_quiescent, loop, thread, frames)),
                }
                for loop, thread in loops
            ],
            "objects": self.objects,
        }

    # -- asyncio ------------------------------------------------------------------------------

    def loops(self, frames: dict[int, list[FrameType]]) -> list[tuple[Any, int]]:
        """Return the running loops, each with its thread."""
        found: dict[int, tuple[Any, int]] = {}
        for ident, stack in frames.items():
            for frame in stack:
                loop = None
                if frame.f_code.co_name in ("run_forever", "run_until_complete"):
                    loop = local_of(frame, "self")
                elif frame.f_code.co_qualname == "Runner.run":
                    loop = getattr(local_of(frame, "self"), "_loop", None)
                if hasattr(loop, "call_soon_threadsafe"):
                    found.setdefault(id(loop), (loop, ident))
        running = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
        loop = running() if running else None
        if loop is not None:
            found.setdefault(id(loop), (loop, own_thread()))
        return list(found.values())

    def _tasks_of(self, loop: Any) -> list[Any]:
        return list(attempt(self.asyncio.all_tasks, loop) or ()) if self.asyncio else []

    def _task(
        self, task: Any, loop: Any, thread: int, frames: dict[int, list[FrameType]]
    ) -> dict[str, Any]:
        self.alive.append(task)
        coroutine = task.get_coro()
        waiter = getattr(task, "_fut_waiter", None)
        running = attempt(self.asyncio.current_task, loop) is task if self.asyncio else False
        state = "running" if running else "ready"
        if waiter is not None and not running and not waiter.done():
            state = "waiting"
        if running:
            chain = [f for f in (attempt(self._thread_frame, f) for f in frames[thread]) if f]
            last = next((i for i, f in enumerate(chain) if f["function"] == "Handle._run"), None)
            # The innermost comes first in a stack.
            chain = (chain if last is None else chain[:last])[::-1]
        else:
            chain = self._chain(coroutine)
        return {
            "id": id(task),
            "name": str(task.get_name())[:MAX_NAMES],
            "coroutine": name_of(coroutine),
            "runtime": "asyncio",
            "loop": id(loop),
            "thread": thread,
            "state": state,
            "frames": chain,
            "future": self._future(waiter) if state == "waiting" else None,
        }

    def _future(self, future: Any) -> dict[str, Any]:
        """Return what a future that is awaited stands for."""
        kind, tasks, other = "future", [], 0
        children = getattr(future, "_children", None)
        if hasattr(future, "get_coro"):
            kind, tasks = "task", [future]
        elif type(children) is list:
            kind, tasks = "gather", [child for child in children if not child.done()]
        for callback in getattr(future, "_callbacks", None) or ():
            function = callback[0] if type(callback) is tuple else callback
            name = getattr(function, "__qualname__", "")
            cells = cells_of(function)
            if name.startswith("_chain_future.") and "source" in cells:
                kind, other = "thread", id(cells["source"])
            elif name.startswith("shield.") and "inner" in cells:
                kind, tasks = "shield", [cells["inner"]]
        return {"id": id(future), "kind": kind, "tasks": [id(t) for t in tasks], "source": other}

    # -- trio ---------------------------------------------------------------------------------

    def _trio_tasks(self, thread: int, stack: list[FrameType]) -> list[dict[str, Any]]:
        runner = trio_runner(stack)
        result = []
        for task in list(getattr(runner, "tasks", None) or ()):
            self.alive.append(task)
            parent = getattr(task.parent_nursery, "_parent_task", None)
            nurseries = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
            result.append(
                {
                    "id": id(task),
                    "name": str(task.name)[:MAX_NAMES],
                    "coroutine": name_of(task.coro),
                    "runtime": "trio",
                    "loop": id(runner),
                    "thread": thread,
                    "state": "waiting" if task._abort_func is not None else "ready",
                    "frames": self._chain(task.coro),
                    "future": None,
                    "parent": id(parent) if parent is not None else 0,
                    "children": [id(child) for child in nurseries],
                }
            )
        return result

    # -- frames -------------------------------------------------------------------------------

    def _chain(self, awaitable: Any) -> list[dict[str, Any]]:
        """Return the frames of a suspended task, outermost first, with what they hold."""
        things, frames = awaited(awaitable), []
        for index, thing in enumerate(things):
            below = things[index + 1] if index + 1 < len(things) else None
            frames += self._frames(thing, below)
        return frames

    def _frames(self, thing: Any, below: Any) -> list[dict[str, Any]]:
        """Return the frame of ``thing``, and those of the generators whose managers it holds."""
        code, frame = code_and_frame(thing)
        if frame is None:
            return []
        stacked = gc.get_referents(thing)
        exits = pending_exits(stacked)
        lines = [line for _, line, _ in self._with_blocks(code, frame.f_lasti)]
        below_code = code_and_frame(below)[0] if below is not None else None
        called = below_code.co_name if below_code is not None else ""
        # One more than blocks: the innermost is not in its body yet, or not any more.
        moving = len(exits) == len(lines) + 1
        lines = lines if len(lines) == len(exits) - moving else [0] * (len(exits) - moving)
        result = self._frame(frame, stacked)
        holds = result["holds"]
        for (kind, manager), line in zip(exits, lines, strict=False):
            holds += self._holds(kind, manager, line, "body")
        own = None
        if below_code is not None and called in (*EXITS, "__aenter__"):
            own = first_argument(below_code, gc.get_referents(below))
        if moving:
            phase = "exit" if called in EXITS else "enter"
            holds += self._holds(exits[-1][0], exits[-1][1], result["line"], phase)
        elif called in EXITS and own is not None:
            holds += self._holds("async", own, 0, "exit")
        inner: list[dict[str, Any]] = []
        for _, manager in exits[: len(lines)]:
            generator = getattr(manager, "gen", None)
            if type(generator) in NESTED and len(inner) < MAX_FRAMES:
                inner += [{**f, "generator": id(manager)} for f in self._frames(generator, None)]
        return [result, *inner]

    def _frame(self, frame: FrameType, stacked: list[Any]) -> dict[str, Any]:
        code = frame.f_code
        own = first_argument(code, stacked)
        self.globals[id(frame.f_globals)] = frame.f_globals
        return {
            "file": code.co_filename,
            "line": frame.f_lineno or code.co_firstlineno,
            "function": code.co_qualname,
            "module": str(frame.f_globals.get("__name__", "")),
            "self": 0 if own is None else self._object(own),
            "arguments": [
                {"tasks": sorted(task_ids(thing))}
                for thing in stacked
                if type(thing) in (set, frozenset, list, tuple) and task_ids(thing)
            ],
            "limit": next((t for t in stacked if type(t) in (int, float)), None)
            if code.co_name in ("wait_for", "wait", "_wait")
            else None,
            "holds": [],
        }

    def _holds(self, kind: str, manager: Any, line: int, phase: str) -> list[dict[str, Any]]:
        found = [{"object": self._object(manager), "line": line, "kind": kind, "phase": phase}]
        for entry in list(getattr(manager, "_exit_callbacks", None) or ())[:MAX_FRAMES]:
            inside = getattr(entry[1], "__self__", None) if type(entry) is tuple else None
            if inside is not None:
                found += self._holds("sync" if entry[0] else "async", inside, line, phase)
        return found

    def _thread_frame(self, frame: FrameType) -> dict[str, Any]:
        """Describe a frame that is being executed, of whose stack nothing is visible."""
        code = frame.f_code
        own = local_of(frame, "self")
        result = self._frame(frame, [])
        result["self"] = 0 if own is None else self._object(own)
        result["blocks"] = [line for _, line, _ in self._with_blocks(code, frame.f_lasti)]
        result["names"] = self._locks_by_name(frame)
        return result

    def _locks_by_name(self, frame: FrameType) -> dict[str, int]:
        """Return the locks of threads that the expressions of a frame can name."""
        code, found = frame.f_code, {}
        if frame.f_globals.get("__name__") == "threading":
            return {}
        values = dict(frame.f_locals)
        values.update((n, frame.f_globals[n]) for n in code.co_names if n in frame.f_globals)
        for name, value in values.items():
            attributes = attributes_of(value)
            inner = {f"{name}.{n}": attributes[n] for n in code.co_names if n in attributes}
            for expression, thing in {name: value, **inner}.items():
                if type_name(thing) in THREAD_LOCKS or type(thing).__module__ == "threading":
                    found[expression] = self._object(thing)
        return found

    def _with_blocks(self, code: Any, lasti: int) -> list[tuple[int, int, int]]:
        """Return the blocks around an instruction: depth, line and target, outermost first."""
        table = exception_table(code.co_exceptiontable)
        found: list[tuple[int, int, int]] = []
        seen: set[int] = set()
        offset, lines = lasti, None
        while True:
            entry = next((e for e in table if e[0] <= offset < e[1]), None)
            if entry is None or entry[2] in seen:
                return found[::-1]
            offset = entry[2]
            seen.add(offset)
            # The handler of a `with`; others of the same range are around an `await`, for example.
            if tuple(code.co_code[offset : offset + 4 : 2]) == self.handler:
                lines = lines or [position[0] for position in code.co_positions()]
                found.append((entry[3], lines[offset // 2 + 1] or 0, offset))

    def _name_globals(self) -> None:
        """Give the objects that are variables of modules the names of these."""
        for module in self.globals.values():
            for name, value in list(module.items()):
                described = self.objects.get(id(value))
                if described is not None and not described["name"]:
                    described["name"] = str(name)[:MAX_NAMES]

    # -- objects ------------------------------------------------------------------------------

    def _object(self, thing: Any) -> int:
        """Describe an object once; returns its address."""
        number = id(thing)
        if number in self.objects:
            return number
        attributes = attributes_of(thing)
        plain = {n: v for n, v in attributes.items() if type(v) in PLAIN and len(n) < MAX_NAMES}
        self.alive.append(thing)
        described: dict[str, Any] = {
            "types": [class_name(cls) for cls in type(thing).__mro__[:-1]],
            "values": dict(list(plain.items())[:20]),
            "waiters": {},
            "refs": {},
            "name": "",
        }
        self.objects[number] = described
        for name in _QUEUES:
            waiting = attributes.get(name)
            if waiting is not None and hasattr(waiting, "__iter__"):
                described["waiters"][name] = [id(w) for w in list(waiting)[:MAX_TASKS]]
        stored: Any = attributes.get("_queue")
        if hasattr(stored, "__len__") and attributes.get("_getters") is not None:
            described["values"]["length"] = len(stored)
        if "_when" in attributes and attributes["_when"] is not None:
            loop = getattr(attributes.get("_task"), "get_loop", lambda: None)()
            if loop is not None:
                described["values"]["left"] = attributes["_when"] - loop.time()
        group = attributes.get("_tasks")
        if type(group) is set and "_parent_task" in attributes:
            described["tasks"] = sorted(task_ids(group))
        for name, value in list(attributes.items())[:MAX_FRAMES]:
            if is_instance(value):
                described["refs"][name[:MAX_NAMES]] = id(value)
                self.alive.append(value)
        return number
