"""Give the C implementation of the hot path the tables that it shares with the Python code."""

from __future__ import annotations

from asyncctx_trace import native
from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.patches import spawned_tasks
from asyncctx_trace.instrument.registry import open_acquisitions, resources, sites, tasks
from asyncctx_trace.instrument.rewriting import lock_hooks
from asyncctx_trace.instrument.waits import subjects
from asyncctx_trace.instrument.wrapping import awaiting
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = ["bind"]

_PACKAGE = "asyncctx_trace.instrument"
_bound = False


def bind() -> None:
    """Switch the C implementation on, once; without it, its functions call the Python ones.

    Called by the modules whose functions start acquisitions, when they have been imported.
    """
    global _bound
    extension = native.extension(_PACKAGE)
    if _bound or extension is None:
        return
    _bound = True
    try:
        extension.bind(
            ActiveSink=sinks.ActiveSink,
            Kind=resources.Kind,
            Site=sites.Site,
            Resource=resources.Resource,
            Task=tasks.Task,
            active=sinks.active,
            awaiting_by_code=subjects.awaiting_by_code,
            by_code=sites.by_code.by_id,
            by_item=open_acquisitions.by_item.by_id,
            by_name=resources.by_name,
            by_object=resources.by_object.by_id,
            cancelled=int(Outcome.CANCELLED),
            count_missed=sinks.count_missed,
            disable_sink=sinks.disable_sink,
            enter_ended=publish.enter_ended,
            enter_started=publish.enter_started,
            exit_ended=publish.exit_ended,
            exit_started=publish.exit_started,
            failed_exit_ended=awaiting.failed_exit_ended,
            failed_exit_started=awaiting.failed_exit_started,
            future_kind=int(WaitKind.FUTURE),
            ids=publish.ids,
            ignored=spawned_tasks.ignored.by_id,
            lock_begin=lock_hooks.lock_begin,
            lock_classes=lock_hooks.CLASSES,
            lock_entered=lock_hooks.lock_entered,
            lock_leaving=lock_hooks.lock_leaving,
            lock_owned=lock_hooks.lock_owned,
            kinds=resources.kinds.by_id,
            resource_at=resources.resource_at,
            site_of=awaiting.site_of,
            spawned=spawned_tasks.by_coroutine.by_id,
            task_kind=int(WaitKind.TASK),
            task_namespace=vars(tasks),
            tasks=tasks.by_native.by_id,
            traced_flag=publish.TRACED,
        )
    except (AttributeError, TypeError) as error:
        native.refuse(_PACKAGE, f"stale: {error}")
