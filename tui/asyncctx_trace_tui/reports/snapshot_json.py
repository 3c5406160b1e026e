"""Who holds and who waits in a running program, for other programs."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.attach.picture import Picture
from asyncctx_trace.attach.picture_model import Line
from asyncctx_trace.attach.verdict import Ring

__all__ = ["snapshot_json"]


def snapshot_json(picture: Picture, rings: list[Ring], pid: int) -> dict[str, Any]:
    """Return what ``--format json`` prints; ids are unique within one snapshot alone."""
    state = picture.state
    return {
        "version": 1,
        "pid": pid,
        "python": state["python"],
        "command": state["title"],
        "read_in_ns": state["took"],
        "truncated": state["truncated"],
        "deadlocks": [
            {
                "kind": ring.kind,
                "certain": ring.certain,
                "tasks": list(ring.members),
                "behind": list(ring.behind),
            }
            for ring in rings
        ],
        "tasks": [
            {
                "id": worker.key,
                "name": worker.name,
                "coroutine": worker.coroutine,
                "runtime": worker.runtime,
                "thread": worker.thread,
                "state": worker.state,
                "chain": [_line(line) for line in worker.chain],
                "wait": _wait(picture, worker.key),
                "holds": [
                    {
                        "resource": hold.resource,
                        "manager": hold.manager,
                        "phase": hold.phase,
                        "site": _line(hold.line),
                    }
                    for hold in picture.holds
                    if hold.worker == worker.key
                ],
            }
            for worker in picture.workers.values()
        ],
        "resources": [
            {
                "id": resource.key,
                "name": resource.name,
                "kind": resource.kind,
                "type": resource.type,
                "capacity": resource.capacity,
                "values": resource.values,
                "queue": resource.queue,
            }
            for resource in picture.resources.values()
        ],
    }


def _wait(picture: Picture, key: int) -> dict[str, Any] | None:
    wait = picture.waits.get(key)
    if wait is None:
        return None
    return {
        "kind": "acquire" if wait.kind is None else wait.kind.label,
        "resource": wait.resource,
        "tasks": list(wait.targets),
        "site": _line(wait.line),
        "blocks_thread": wait.blocking,
        "gives_up_in_s": wait.limit,
    }


def _line(line: Line) -> dict[str, Any]:
    return {"file": line.file, "line": line.line, "function": line.function, "text": line.text}
