"""Who holds and who waits in a running program, on one screen."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from asyncctx_trace.attach.picture import Picture
from asyncctx_trace.attach.picture_model import Wait
from asyncctx_trace.attach.verdict import Ring
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import cut, plain
from asyncctx_trace_tui.reports.rich_tables import table, titled

__all__ = ["snapshot_text"]

_ROWS = 12
"""Rows of a table on one screen."""
_CHAIN = 4
"""Lines of an await chain that are shown, from the innermost on."""


def snapshot_text(
    picture: Picture, rings: list[Ring], pid: int, *, full: bool, width: int
) -> Iterator[RenderableType]:
    """Render the verdict, the resources with their holders and waiters, and the tasks."""
    state = picture.state
    title = " ".join(state["title"])
    yield Text(
        cut(plain(f"process {pid} · Python {state['python']} · {title}"), width), style="bold"
    )
    took = format_duration(state["took"])
    tasks = [worker for worker in picture.workers.values() if worker.runtime != "none"]
    waiting = sum(worker.state == "waiting" for worker in tasks)
    yield Text(f"{len(tasks)} tasks, {waiting} waiting; read in {took}", style="dim")
    if state["truncated"]:
        yield Text("There are more tasks than were read: the verdict is incomplete.", "yellow")
    yield from _verdict(picture, rings)
    yield from _resources(picture, full)
    yield from _tasks(picture, full, width)


def _verdict(picture: Picture, rings: list[Ring]) -> Iterator[RenderableType]:
    if not rings:
        yield Text("\nno deadlock among what could be read", style="green")
        return
    for ring in rings:
        kind = {"deadlock": "DEADLOCK", "stuck": "STUCK"}[ring.kind]
        label = kind if ring.certain else f"possible {kind.lower()}"
        end = (
            "none of them can go on before another"
            if ring.kind == "deadlock"
            else "nothing in the program is left that could wake them"
        )
        yield Text(f"\n{label}: {end}", style="bold red" if ring.certain else "bold yellow")
        for key in ring.members:
            wait = picture.waits.get(key)
            name = plain(picture.workers[key].name)
            yield Text(f"  {name} {describe_wait(picture, wait)}")
        if ring.behind:
            names = ", ".join(plain(picture.workers[key].name) for key in ring.behind[:_ROWS])
            yield Text(f"  behind them: {names}", style="dim")


def describe_wait(picture: Picture, wait: Wait | None) -> str:
    """Return what a task does, such as ``waits for lock `a` at app.py:7, held by …``."""
    if wait is None:
        return "is not waiting"
    place = f"at {wait.line.short} in {wait.line.function}"
    limit = "" if wait.limit is None else f", gives up in {max(0.0, wait.limit):.3g} s"
    if wait.targets:
        names = [plain(picture.workers[key].name) for key in wait.targets]
        left = f" (+{len(names) - 3} more)" if len(names) > 3 else ""
        for_whom = "for its thread, which is blocked by" if wait.method == "event loop" else "for"
        return f"waits {for_whom} {', '.join(names[:3])}{left} {place}{limit}"
    if wait.resource is None:
        kind = "something that is not known" if wait.kind is None else wait.kind.label
        return f"waits for {kind} {place}{limit}"
    resource = picture.resources[wait.resource]
    kind = f"room in {resource.kind}" if wait.kind and "PUT" in wait.kind.name else resource.kind
    if wait.kind is not None:
        kind = wait.kind.label
    blocking = ", and blocks its thread" if wait.blocking else ""
    held = ""
    if wait.kind is None:
        holders = [
            f"{plain(picture.workers[hold.worker].name)} (since {hold.line.short})"
            for hold in picture.holds
            if hold.resource == wait.resource
        ]
        held = (
            f", held by {', '.join(holders[:4])}"
            if holders
            else ", held by a task that acquired it by a call: which one is not known"
            if resource.values.get("_locked", True) and resource.values.get("_value", 0) == 0
            else ", which is free"
        )
    return f"waits for {kind} `{plain(resource.name)}` {place}{held}{blocking}{limit}"


def _resources(picture: Picture, full: bool) -> Iterator[RenderableType]:
    waiters: dict[int, list[Wait]] = {}
    for wait in picture.waits.values():
        if wait.resource is not None:
            waiters.setdefault(wait.resource, []).append(wait)
    # What a library holds inside of itself matters only if somebody waits for it.
    held = {hold.resource for hold in picture.holds if full or picture.is_own(hold.line)}
    keys = sorted(
        held | set(waiters),
        key=lambda key: -len(waiters.get(key, ())),
    )
    shown = keys if full else keys[:_ROWS]
    body = table("resource", "kind", "held by", "waiting")
    for key in shown:
        resource = picture.resources[key]
        holders = [
            f"{picture.workers[hold.worker].name} {hold.line.short}"
            + (" (leaving)" if hold.phase == "exit" else "")
            for hold in picture.holds
            if hold.resource == key
        ]
        waiting = [
            f"{picture.workers[wait.worker].name} {wait.line.short}"
            for wait in waiters.get(key, ())
        ]
        body.add_row(
            plain(resource.name),
            resource.kind
            if resource.capacity in (None, 1)
            else f"{resource.kind} ({resource.capacity})",
            plain(_some(holders)),
            plain(_some(waiting)),
        )
    yield from titled("Who holds, who waits", body, len(keys) - len(shown), len(keys))


def _tasks(picture: Picture, full: bool, width: int) -> Iterator[RenderableType]:
    workers = sorted(picture.workers.values(), key=lambda worker: worker.key not in picture.waits)
    shown = workers if full else workers[:_ROWS]
    body = table("task", "state", "await chain, innermost last")
    for worker in shown:
        chain = [f"{line.function} {line.short}" for line in worker.chain]
        chain = chain if full or len(chain) <= _CHAIN else ["…", *chain[-_CHAIN:]]
        body.add_row(
            plain(f"{worker.name} ({worker.coroutine})"),
            worker.state if worker.runtime != "none" else "thread",
            plain(cut(" → ".join(chain), width)),
        )
    yield from titled("Tasks", body, len(workers) - len(shown), len(workers))


def _some(names: list[str]) -> str:
    left = len(names) - 3
    return ", ".join(names[:3]) + (f" (+{left} more)" if left > 0 else "") if names else "-"
