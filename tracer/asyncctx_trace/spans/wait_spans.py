"""Recorded waits for other things than managers -> spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.events import WaitEnded, WaitStarted
from asyncctx_trace.model.waits import OF_TASKS, WaitKind
from asyncctx_trace.spans.attributes import resource_attributes, site_attributes
from asyncctx_trace.spans.span import Attributes, Link, Span
from asyncctx_trace.spans.trace_tree import Trace, TraceTree

__all__ = ["WaitSpans"]


@dataclass(slots=True)
class _Open:
    """A wait that has not ended, and where its span belongs."""

    started: WaitStarted
    trace: Trace
    parent: int
    links: list[Link]
    targets: list[int] = field(default_factory=list)


class WaitSpans:
    """Makes a span of each wait: a child of the phase, or else of the task, in which it began."""

    def __init__(self, tree: TraceTree) -> None:
        self._tree = tree
        self._open: dict[int, _Open] = {}

    def started(self, event: WaitStarted, phase: tuple[Trace, int] | None) -> None:
        """Begin a wait; ``phase``: trace and span id of the innermost phase of its task, if any."""
        tree, links = self._tree, list[Link]()
        if phase is not None:
            trace, parent = phase
        else:
            parent = tree.id("task", event.task)
            trace, links = tree.trace_for(
                tree.trace_of(event.task), parent, event.at, names.WAIT, event.wait
            )
        trace.spans += 1
        self._open[event.wait] = _Open(event, trace, parent, links)

    def target(self, wait: int, task: int) -> None:
        """Note a further task that a wait is for."""
        if wait in self._open:
            self._open[wait].targets.append(task)

    def ended(self, event: WaitEnded) -> Iterator[Span]:
        """Yield the span of a wait that has ended."""
        open_ = self._open.pop(event.wait, None)
        if open_ is not None:
            yield self._span(open_, event)

    def finish(self) -> Iterator[Span]:
        """Yield the spans of the waits that have not ended."""
        for open_ in self._open.values():
            yield self._span(open_, None)
        self._open.clear()

    def _span(self, open_: _Open, ended: WaitEnded | None) -> Span:
        tree, started = self._tree, open_.started
        kind = WaitKind(started.wait_kind)
        attributes: Attributes = {
            names.PHASE: names.WAIT,
            names.WAIT_ID: started.wait,
            names.WAIT_KIND: kind.label,
            names.TASK_ID: started.task,
        }
        task = tree.tasks.get(started.task)
        if task is not None:
            attributes |= {names.TASK_NAME: task.name, names.TASK_RUNTIME: task.runtime}
            attributes[names.THREAD_NAME] = task.thread
        subject = started.subject or 0
        if kind in OF_TASKS:
            awaited = open_.targets or ([subject] if subject else [])
            if awaited:
                attributes[names.WAIT_TASKS] = awaited
        elif subject and subject in tree.resources:
            attributes |= resource_attributes(subject, tree.resources[subject])
        site = tree.sites.get(started.site)
        if site is not None:
            attributes |= {names.SITE_ID: started.site, **site_attributes(site)}
        links = open_.links
        if ended is None:
            attributes[names.UNFINISHED] = True
        else:
            attributes[names.OUTCOME] = names.OUTCOMES[ended.outcome]
            if ended.woken_by:
                attributes[names.WAIT_WOKEN_BY] = ended.woken_by
                waker = tree.tasks.get(ended.woken_by)
                if waker is not None:
                    attributes[names.WAIT_WOKEN_BY_NAME] = waker.name
                kinds = {names.LINK_KIND: names.WOKEN_BY}
                trace = tree.trace_of(ended.woken_by)
                links = [*links, Link(trace.id, tree.id("task", ended.woken_by), kinds)]
        end = max(tree.end, started.at) if ended is None else ended.at
        return Span(
            tree.origin(0 if task is None else task.process),
            open_.trace.id,
            tree.id(names.WAIT, started.wait),
            None if open_.links else open_.parent,
            f"{names.WAIT} {kind.label}",
            tree.wall(started.at),
            tree.wall(end),
            attributes,
            links=links,
        )
