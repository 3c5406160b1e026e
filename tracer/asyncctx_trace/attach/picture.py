"""Who holds and who waits in a program, out of what was read from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asyncctx_trace.attach.picture_model import Hold, Line, Resource, Wait, Worker
from asyncctx_trace.attach.primitives import (
    BOUNDS,
    LIBRARY,
    LOCKS,
    NOT_SHARED,
    SUBJECTS,
    awaited_by,
)
from asyncctx_trace.attach.source_text import SourceText
from asyncctx_trace.instrument.adapters.registry import built_in
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["Picture"]


class Picture:
    """Tasks and threads, what they hold and wait for."""

    def __init__(self, state: dict[str, Any], root: Path = Path("/")) -> None:
        """``state``: what ``in_process.reader.read_state`` returned; ``root``: of its files."""
        self.state = state
        self.source = SourceText(root)
        self.workers: dict[int, Worker] = {}
        self.resources: dict[int, Resource] = {}
        self.holds: list[Hold] = []
        self.waits: dict[int, Wait] = {}
        self._kinds = {a.manager: a.kind for a in built_in()}
        self._objects = {int(key): value for key, value in state["objects"].items()}
        self._names = {thread["ident"]: thread["name"] for thread in state["threads"]}
        self._threads = {t["future"]: -t["ident"] for t in state["threads"] if t["future"]}
        self._attributes = {
            key: f"{each['types'][0].rpartition('.')[2]}.{name}"
            for each in self._objects.values()
            for name, key in each["refs"].items()
        }
        quiet = {loop["id"] for loop in state["loops"] if loop["quiescent"]}
        for task in state["tasks"]:
            self._add_task(task, task["loop"] in quiet)
        loops = {loop["thread"] for loop in state["loops"]}
        for thread in state["threads"]:
            self._add_thread(thread, thread["ident"] in loops)
        for task in state["tasks"]:
            self._add_holds(task["id"], task["frames"])
        for task in state["tasks"]:
            if task["state"] == "waiting":
                self._add_wait(task)
        self._add_blocked_loops(state)
        self._name_apart()

    # -- tasks --------------------------------------------------------------------------------

    def _add_task(self, task: dict[str, Any], quiescent: bool) -> None:
        self.workers[task["id"]] = Worker(
            key=task["id"],
            name=task["name"],
            coroutine=task["coroutine"],
            runtime=task["runtime"],
            thread=self._names.get(task["thread"], "?"),
            state=task["state"],
            chain=[self._line(f) for f in task["frames"] if not f.get("generator")],
            parent=task.get("parent", 0),
            quiescent=quiescent,
        )

    def _line(self, frame: dict[str, Any], text: str = "") -> Line:
        shown = text or self.source.line(frame["file"], frame["line"])
        return Line(frame["file"], frame["line"], frame["function"], shown)

    # -- holds --------------------------------------------------------------------------------

    def _add_holds(self, worker: int, frames: list[dict[str, Any]]) -> None:
        released = self._released(frames)
        for frame in frames:
            used: dict[int, int] = {}
            for hold in frame["holds"]:
                if hold["phase"] == "enter" or hold["object"] in released:
                    continue
                line = hold["line"] or frame["line"]
                own = hold["line"] and not LIBRARY.search(frame["file"])
                texts = self.source.managers(frame["file"], line) if own else []
                index = used.setdefault(line, 0)
                used[line] += 1
                text = texts[index] if index < len(texts) else ""
                resource = self._resource(hold["object"], text)
                manager = resource.type
                where = Line(frame["file"], line, frame["function"], text or resource.name)
                self.holds.append(
                    Hold(worker, resource.key, hold["object"], manager, where, hold["phase"])
                )

    def _released(self, frames: list[dict[str, Any]]) -> set[int]:
        """Return what the task has entered, but has released until it is notified."""
        found = set()
        for frame in frames:
            if frame["function"] == "Condition.wait" and frame["self"]:
                refs = self._objects.get(frame["self"], {}).get("refs", {})
                found |= {frame["self"], refs.get("_lock", frame["self"])}
        return found

    def is_own(self, line: Line) -> bool:
        """Return whether a line is the program's, and not a library's."""
        return not LIBRARY.search(line.file)

    def _resource(self, key: int, text: str = "") -> Resource:
        known = self.resources.get(key)
        if known is not None:
            if text and not known.name:
                known.name = text
            return known
        found = self._objects.get(key, {"types": ["?"], "values": {}, "waiters": {}, "name": ""})
        kind, capacity = self._kind(found["types"])
        if kind == "condition" and "_lock" in found.get("refs", {}):
            # Who is inside holds its lock, which others may use without the condition.
            inner = self._objects.get(found["refs"]["_lock"])
            if inner is not None:
                return self._resource(found["refs"]["_lock"], text)
        values = found["values"]
        bound = next((values[name] for name in BOUNDS if type(values.get(name)) is int), None)
        resource = self.resources[key] = Resource(
            key=key,
            kind=kind,
            type=found["types"][0],
            capacity=bound if kind == "semaphore" else capacity,
            name=found["name"] or text or self._attributes.get(key, ""),
            values=values,
            queue=sum(map(len, found["waiters"].values())),
        )
        return resource

    def _kind(self, types: list[str]) -> tuple[str, int | None]:
        for name in types:
            if name in LOCKS:
                return LOCKS[name]
            if name in self._kinds:
                return self._kinds[name], 1 if self._kinds[name] == "lock" else None
        return "manager", None

    # -- waits --------------------------------------------------------------------------------

    def _add_wait(self, task: dict[str, Any]) -> None:
        frames = [frame for frame in task["frames"] if not frame.get("generator")]
        if not frames:
            return
        own = [i for i, frame in enumerate(frames) if not LIBRARY.search(frame["file"])]
        at = own[-1] if own else 0
        kind, thing, method = awaited_by(frames[at + 1 :] if own else frames)
        future = task["future"] or {"kind": "future", "tasks": [], "source": 0}
        targets = self._targets(task, frames, kind, future)
        limit = self._limit(frames)
        if kind is None:
            kind = WaitKind.TASK if len(targets) == 1 else WaitKind.TASKS
            kind = kind if targets else WaitKind.FUTURE
        if future["kind"] == "thread":
            worker = self._threads.get(future["source"])
            kind = WaitKind.TASK if worker is not None else WaitKind.THREAD
            targets = (worker,) if worker is not None else ()
        if targets and kind not in OF_TASKS:
            kind = WaitKind.TASKS
        if targets and limit is not None:
            kind = WaitKind.TIMED_TASKS
        resource = None
        if thing:
            subject = self._resource(thing, self._text(frames, at, method))
            if subject.kind == "manager":
                subject.kind = SUBJECTS.get(kind, "future") if kind else "manager"
            if kind is WaitKind.LOCK:
                kind = None
            resource = subject.key
        if kind not in (WaitKind.IO, WaitKind.SLEEP, WaitKind.THREAD) and not targets:
            pool, entering = self._pool(frames, resource)
            if pool is not None:
                kind, resource, at = None, pool, entering
        text = self.resources[resource].name if resource else ""
        self.waits[task["id"]] = Wait(
            worker=task["id"],
            kind=kind,
            resource=resource,
            targets=targets,
            line=self._line(frames[at], text),
            method=method,
            manager=max((h["object"] for h in _entering(frames[at])), default=0),
            limit=limit,
        )

    def _text(self, frames: list[dict[str, Any]], at: int, method: str) -> str:
        """Return the expression at which the program's own code waits."""
        frame = frames[at]
        if _entering(frame):
            texts = self.source.managers(frame["file"], frame["line"])
            if len(texts) == 1:
                return texts[0]
        return self.source.receiver(frame["file"], frame["line"], (method,))

    def _targets(
        self,
        task: dict[str, Any],
        frames: list[dict[str, Any]],
        kind: WaitKind | None,
        future: dict[str, Any],
    ) -> tuple[int, ...]:
        found = list(future["tasks"])
        if kind in OF_TASKS and not found:
            for frame in frames[::-1]:
                of_self = self._objects.get(frame["self"], {}).get("tasks", [])
                of_arguments = [each["tasks"] for each in frame["arguments"]]
                found = of_self or (of_arguments[0] if of_arguments else [])
                if found:
                    break
        if any("NurseryManager.__aexit__" in frame["function"] for frame in frames):
            found = task.get("children", [])
        return tuple(each for each in found if each in self.workers and each != task["id"])

    def _limit(self, frames: list[dict[str, Any]]) -> float | None:
        """Return after how many seconds the task gives up, if it does."""
        left = [frame["limit"] for frame in frames if frame["limit"] is not None]
        for frame in frames:
            for hold in frame["holds"]:
                values = self._objects.get(hold["object"], {}).get("values", {})
                if hold["phase"] == "body" and "left" in values:
                    left.append(values["left"])
        return min(left) if left else None

    def _pool(self, frames: list[dict[str, Any]], primitive: int | None) -> tuple[int | None, int]:
        """Return what others hold that keeps the task from entering, and the frame that enters.

        Something that a method of the manager being entered belongs to, and that the managers that
        others hold refer to. ``None`` if there is nothing like that, or a holder is known.
        """
        if primitive and any(hold.resource == primitive for hold in self.holds):
            return None, 0
        first = next((i for i, frame in enumerate(frames) if _entering(frame)), None)
        if first is None:
            return None, 0
        asked = {frame["self"] for frame in frames[first + 1 :] if frame["self"]}
        entering = [hold["object"] for hold in _entering(frames[first])]
        for manager in entering:
            asked |= {manager, *self._objects.get(manager, {}).get("refs", {}).values()}
        found: dict[int, None] = {}
        for task in self.state["tasks"]:
            for frame in task["frames"]:
                for hold in frame["holds"]:
                    if hold["phase"] != "body":
                        continue
                    manager = hold["object"]
                    refs = {manager, *self._objects.get(manager, {}).get("refs", {}).values()}
                    refs |= {f["self"] for f in task["frames"] if f.get("generator") == manager}
                    for shared in asked & refs:
                        if shared and self._is_shared(shared):
                            found[shared] = None
                            self._regroup(task["id"], manager, shared)
        return next(iter(found), None), first

    def _is_shared(self, key: int) -> bool:
        described = self._objects.get(key)
        return described is not None and not any(
            name.rpartition(".")[0] in NOT_SHARED for name in described["types"][:1]
        )

    def _regroup(self, worker: int, manager: int, shared: int) -> None:
        """Count what ``worker`` holds as a part of ``shared``."""
        resource = self._resource(shared)
        if resource.kind == "manager":
            resource.kind = "pool"
        self.holds = [
            Hold(h.worker, shared, h.key, h.manager, h.line, h.phase, False)
            if h.worker == worker and h.resource == manager
            else h
            for h in self.holds
        ]

    # -- threads ------------------------------------------------------------------------------

    def _add_thread(self, thread: dict[str, Any], has_loop: bool) -> None:
        """Add what a thread holds and waits for, in the name of its running task."""
        frames = [frame for frame in thread["frames"] if frame]
        own = [frame for frame in frames if not LIBRARY.search(frame["file"])]
        if not own or (has_loop and thread["asleep"]):
            return
        running = next(
            (
                task["id"]
                for task in self.state["tasks"]
                if task["state"] == "running" and task["thread"] == thread["ident"]
            ),
            None,
        )
        worker = running if running is not None else -thread["ident"]
        if running is None:
            self.workers[worker] = Worker(
                key=worker,
                name=thread["name"],
                coroutine=own[0]["function"],
                runtime="none",
                thread=thread["name"],
                state="running",
                chain=[self._line(frame) for frame in frames[::-1]],
            )
        for frame in own[::-1]:
            for line in frame["blocks"]:
                for text in self.source.managers(frame["file"], line):
                    if text in frame["names"]:
                        resource = self._resource(frame["names"][text], text)
                        where = Line(frame["file"], line, frame["function"], text)
                        key = resource.key
                        self.holds.append(Hold(worker, key, key, resource.type, where, "body"))
        self._blocked_thread(worker, own[0], frames)

    def _blocked_thread(
        self, worker: int, own: dict[str, Any], frames: list[dict[str, Any]]
    ) -> None:
        """Add for which lock a thread waits: its innermost line is the call."""
        inside = frames[: frames.index(own)]
        if any(frame["module"] != "threading" for frame in inside):
            return
        texts = self.source.managers(own["file"], own["line"])
        called = self.source.receiver(own["file"], own["line"], ("acquire", "wait", "join", "get"))
        for text in (*texts, called):
            if text in own["names"] and own["line"] not in own["blocks"]:
                resource = self._resource(own["names"][text], text)
                if resource.kind not in ("lock", "semaphore", "condition"):
                    continue
                self.waits[worker] = Wait(
                    worker=worker,
                    kind=None,
                    resource=resource.key,
                    targets=(),
                    line=Line(own["file"], own["line"], own["function"], text),
                    method="acquire",
                    blocking=True,
                )
                self.workers[worker].state = "waiting"
                return

    def _add_blocked_loops(self, state: dict[str, Any]) -> None:
        """Have tasks that could run wait for the one that blocks their event loop's thread."""
        blockers = {
            task["thread"]: task["id"]
            for task in state["tasks"]
            if task["id"] in self.waits and self.waits[task["id"]].blocking
        }
        for task in state["tasks"]:
            blocker = blockers.get(task["thread"])
            wait = self.waits.get(task["id"])
            goes_on = wait is None or wait.kind in (WaitKind.SLEEP, WaitKind.IO)
            if blocker is not None and blocker != task["id"] and goes_on and task["frames"]:
                self.waits[task["id"]] = Wait(
                    worker=task["id"],
                    kind=WaitKind.TASK,
                    resource=None,
                    targets=(blocker,),
                    line=self.workers[task["id"]].chain[-1],
                    method="event loop",
                )

    def _name_apart(self) -> None:
        """Number resources that have the same name."""
        named: dict[str, list[Resource]] = {}
        for resource in self.resources.values():
            resource.name = resource.name or resource.type.rpartition(".")[2]
            named.setdefault(resource.name, []).append(resource)
        for name, alike in named.items():
            if len(alike) > 1:
                for number, resource in enumerate(alike, 1):
                    resource.name = f"{name} #{number}"


def _entering(frame: dict[str, Any]) -> list[dict[str, Any]]:
    return [hold for hold in frame["holds"] if hold["phase"] == "enter"]
