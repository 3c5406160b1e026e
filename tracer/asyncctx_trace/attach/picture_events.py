"""A picture of a program as events, so that the analysis of recordings answers for it, too."""

from __future__ import annotations

from asyncctx_trace.attach.picture import Picture
from asyncctx_trace.attach.picture_model import Line
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    Event,
    ExitStarted,
    Outcome,
    ProcessDefined,
    Quiescent,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
    WaitStarted,
    WaitTarget,
)

__all__ = ["EventIds", "events_of"]

_HELD, _WAITED = 2_000_000_000, 1_000_000_000
"""How long before the picture what is held is said to be acquired, and waits to begin, in ns: when
they did is not known, but holders came before those who wait for them."""


class EventIds:
    """The ids that the events of a picture use for what has an address in the program."""

    def __init__(self) -> None:
        self.tasks: dict[int, int] = {}
        self.resources: dict[int, int] = {}
        self.sites: dict[Line, int] = {}

    def task(self, key: int) -> int:
        """Return the id of a task or thread."""
        return self.tasks.setdefault(key, len(self.tasks) + 1)

    def resource(self, key: int) -> int:
        """Return the id of a resource."""
        return self.resources.setdefault(key, len(self.resources) + 1)

    def site(self, line: Line) -> int:
        """Return the id of a line."""
        return self.sites.setdefault(line, len(self.sites) + 1)


def events_of(picture: Picture, pid: int, at: int) -> tuple[list[Event], EventIds]:
    """Return events that say what is held and waited for at time ``at`` (monotonic ns).

    Acquisitions come before waits, in the order in which each task entered them.
    """
    ids = EventIds()
    defined: list[Event] = [ProcessDefined(at - _HELD, 0, pid, 0, "")]
    begun: list[Event] = []
    number = 0
    defined += [
        TaskDefined(
            at=at - _HELD,
            task=ids.task(worker.key),
            name=worker.name,
            runtime=worker.runtime,
            parent=ids.task(worker.parent) if worker.parent in picture.workers else None,
            process=0,
            thread=worker.thread,
            coroutine=worker.coroutine,
        )
        for worker in picture.workers.values()
    ]
    parents: dict[int, int] = {}
    for hold in picture.holds:
        number += 1
        task = ids.task(hold.worker)
        begun += [
            EnterStarted(
                at - _HELD,
                number,
                parents.get(task),
                task,
                hold.manager,
                ids.resource(hold.resource),
                ids.site(hold.line),
            ),
            EnterEnded(at - _HELD, number, Outcome.OK, None),
        ]
        if hold.phase == "exit":
            begun.append(ExitStarted(at - _WAITED, number, task, Outcome.OK, None))
        parents[task] = number
    for wait in picture.waits.values():
        number += 1
        task, site = ids.task(wait.worker), ids.site(wait.line)
        if wait.kind is None and wait.resource is not None:
            asked = ids.resource(wait.resource)
            manager = picture.resources[wait.resource].type
            parent = parents.get(task)
            begun.append(EnterStarted(at - _WAITED, number, parent, task, manager, asked, site))
        elif wait.kind is not None:
            targets = [ids.task(target) for target in wait.targets]
            subject = ids.resource(wait.resource) if wait.resource else None
            if len(targets) == 1:
                subject = targets[0]
            begun.append(WaitStarted(at - _WAITED, number, task, subject, site, wait.kind))
            if len(targets) > 1:
                begun += [WaitTarget(at - _WAITED, number, target) for target in targets]
    for key, resource_id in ids.resources.items():
        resource = picture.resources[key]
        defined.append(
            ResourceDefined(resource_id, resource.kind, resource.name, resource.capacity)
        )
    defined += [
        SiteDefined(site, line.file, line.line, line.function, line.text)
        for line, site in ids.sites.items()
    ]
    begun.sort(key=lambda event: getattr(event, "at", 0))
    if any(worker.quiescent for worker in picture.workers.values()):
        begun.append(Quiescent(at, at, 0))
    return [*defined, *begun], ids
