"""Attach what consumers of a queue do to the items, so that any of them can do it."""

from __future__ import annotations

from collections.abc import Mapping

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.model import Op, Program, Step
from asyncctx_trace.analysis.what_if.queues import Queues

__all__ = ["attach_work"]


def attach_work(
    timeline: Timeline, queues: Queues, programs: Mapping[int, Program]
) -> dict[int, list[list[Step]]]:
    """Make the steps after each get of a queue those of the item, in the order of the gets.

    Where all consumers of a queue run one coroutine and use no other queue in this way, their
    ``GET`` steps become one ``WORK`` step each: it takes items, and does what belongs to them,
    until all are done. What a consumer does once its last get was cancelled stays its own.

    Returns queue -> the steps of each item.
    """
    work: dict[int, list[list[Step]]] = {}
    for queue, consumers in queues.consumers.items():
        names = {timeline.tasks[task].coroutine for task in consumers}
        mine = [programs[task] for task in consumers]
        gets = {step.value for program in mine for step in program.steps if step.op is Op.GET}
        if len(names) == 1 and gets == {queue}:
            work[queue] = _cut(timeline, queue, mine)
    return work


def _cut(timeline: Timeline, queue: int, programs: list[Program]) -> list[list[Step]]:
    """Take the steps that belong to items out of ``programs``."""
    items: list[tuple[int, int, list[Step]]] = []
    for program in programs:
        steps = program.steps
        gets = [index for index, step in enumerate(steps) if step.op is Op.GET]
        if not gets:
            continue
        end = next(
            (
                index
                for index in range(gets[-1], len(steps))
                if steps[index].op is Op.AWAIT
                and timeline.waits.subject[steps[index].value] == queue
            ),
            len(steps),
        )
        for start, until in zip(gets, [*gets[1:], end], strict=True):
            items.append((steps[start].extra, len(items), steps[start + 1 : until]))
        program.steps = [*steps[: gets[0]], Step(Op.WORK, queue), *steps[end:]]
    return [steps for _, _, steps in sorted(items)]
