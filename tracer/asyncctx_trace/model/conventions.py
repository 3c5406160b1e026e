"""Names of our spans, attributes, events and metrics; see ``docs/opentelemetry.md``."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "asyncctx_trace"
"""Name of the instrumentation scope."""
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.33.0"
"""The version of the semantic conventions in which the names below are stable."""

# -- span names: few, so that backends can group by them ------------------------------------------
LIFECYCLE_PREFIX: Final = "async with "
ENTER: Final = "enter"
BODY: Final = "body"
EXIT: Final = "exit"
WAIT: Final = "wait"
TASK: Final = "task"
PROCESS: Final = "process"

# -- from the semantic conventions ----------------------------------------------------------------
CODE_FILE_PATH: Final = "code.file.path"
CODE_LINE_NUMBER: Final = "code.line.number"
CODE_FUNCTION_NAME: Final = "code.function.name"
THREAD_NAME: Final = "thread.name"
FAILURE_TYPE: Final = "error.type"
"""On spans with the status ERROR; :data:`ERROR_TYPE` is on cancelled phases as well."""
EXCEPTION_EVENT: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
SERVICE_NAME: Final = "service.name"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
PROCESS_PID: Final = "process.pid"
PROCESS_PARENT_PID: Final = "process.parent_pid"
PROCESS_COMMAND_LINE: Final = "process.command_line"
PROCESS_EXIT_CODE: Final = "process.exit.code"

# -- own attributes, on every span ----------------------------------------------------------------
PHASE: Final = "asyncctx.phase"
"""``lifecycle``, ``enter``, ``body`` or ``exit``; in exports of a recording also ``wait``, ``task``
and ``process``."""
LIFECYCLE: Final = "lifecycle"
OUTCOME: Final = "asyncctx.outcome"
ERROR_TYPE: Final = "asyncctx.error.type"
ERROR_MESSAGE: Final = "asyncctx.error.message"

# -- own attributes, on the lifecycle span --------------------------------------------------------
ACQUISITION: Final = "asyncctx.acquisition.id"
PARENT_ACQUISITION: Final = "asyncctx.acquisition.parent"
MANAGER: Final = "asyncctx.manager"
RESOURCE_ID: Final = "asyncctx.resource.id"
RESOURCE_KIND: Final = "asyncctx.resource.kind"
RESOURCE_NAME: Final = "asyncctx.resource.name"
RESOURCE_CAPACITY: Final = "asyncctx.resource.capacity"
SITE_ID: Final = "asyncctx.site.id"
SITE_TEXT: Final = "asyncctx.site.text"
BY_CALL: Final = "asyncctx.by_call"
CALLER_ID: Final = "asyncctx.caller.id"
CALLER_FILE_PATH: Final = "asyncctx.caller.file.path"
CALLER_LINE_NUMBER: Final = "asyncctx.caller.line.number"
CALLER_FUNCTION_NAME: Final = "asyncctx.caller.function.name"
CALLER_TEXT: Final = "asyncctx.caller.text"
TASK_ID: Final = "asyncctx.task.id"
TASK_NAME: Final = "asyncctx.task.name"
TASK_RUNTIME: Final = "asyncctx.task.runtime"
TASK_PARENT: Final = "asyncctx.task.parent"
TASK_COROUTINE: Final = "asyncctx.task.coroutine"
SUPPRESSED: Final = "asyncctx.suppressed"
UNFINISHED: Final = "asyncctx.unfinished"
COLLECTED_EVENT: Final = "asyncctx.collected"
"""The garbage collector took the object that an open acquisition holds."""

# -- own attributes, on the enter span ------------------------------------------------------------
WAITERS_BEFORE: Final = "asyncctx.waiters_before"
BLOCKERS: Final = "asyncctx.blocked_by.count"

# -- own attributes, on the body span -------------------------------------------------------------
LET_IN_BY: Final = "asyncctx.let_in_by.acquisition.id"
LET_IN_BY_TASK: Final = "asyncctx.let_in_by.task.name"

# -- own attributes, on the exit span -------------------------------------------------------------
EXIT_TASK_ID: Final = "asyncctx.exit.task.id"
EXIT_TASK_NAME: Final = "asyncctx.exit.task.name"
EXPIRED: Final = "asyncctx.expired"
SKIPPED: Final = "asyncctx.skipped"
PASSED_ON: Final = "asyncctx.passed_on"
CUT_SHORT: Final = "asyncctx.cut_short"
FINISHED: Final = "asyncctx.finished"

# -- own attributes, on spans of waits for other things than managers -----------------------------
WAIT_ID: Final = "asyncctx.wait.id"
WAIT_KIND: Final = "asyncctx.wait.kind"
WAIT_TASKS: Final = "asyncctx.wait.tasks"
WAIT_WOKEN_BY: Final = "asyncctx.wait.woken_by.id"
WAIT_WOKEN_BY_NAME: Final = "asyncctx.wait.woken_by.name"

# -- own attributes, on task and process spans, exported from a recording -------------------------
PROCESS_ORDINAL: Final = "asyncctx.process"
ENDED: Final = "asyncctx.ended"
"""Whether its end was recorded; otherwise the span ends with the recording."""
PRINTED_EVENT: Final = "asyncctx.printed"
MARKED_EVENT: Final = "asyncctx.marked"
DROPPED_EVENT: Final = "asyncctx.dropped"
RELEASE_UNMATCHED_EVENT: Final = "asyncctx.release_unmatched"
STREAM: Final = "asyncctx.stream"
TEXT: Final = "asyncctx.text"
INTERRUPTED_EVENT: Final = "asyncctx.interrupted"
INTERRUPTED_LATE: Final = "asyncctx.interrupted.late"
DROPPED_ACQUISITIONS: Final = "asyncctx.dropped.acquisitions"
DROPPED_LATER: Final = "asyncctx.dropped.later"
DROPPED_STOPS: Final = "asyncctx.dropped.stops"
STALL_EVENT: Final = "asyncctx.stall"
STALL_DURATION: Final = "asyncctx.stall.duration"
STALL_COLLECTIONS: Final = "asyncctx.stall.collections"
STALL_DELAYED: Final = "asyncctx.stall.delayed"
STALL_STACK: Final = "asyncctx.stall.stack"

# -- own attributes, on links ---------------------------------------------------------------------
LINK_KIND: Final = "asyncctx.link.kind"
BLOCKED_BY: Final = "blocked_by"
BLOCKS: Final = "blocks"
ENTERED_IN: Final = "entered_in"
WOKEN_BY: Final = "woken_by"

# -- metrics --------------------------------------------------------------------------------------
WAIT_DURATION: Final = "asyncctx.wait.duration"
HOLD_DURATION: Final = "asyncctx.hold.duration"
CLEANUP_DURATION: Final = "asyncctx.cleanup.duration"
BLOCKED_TIME: Final = "asyncctx.blocked.time"
WAITERS: Final = "asyncctx.waiters"
HOLDERS: Final = "asyncctx.holders"
TRIGGER: Final = "asyncctx.trigger"
DUMPS: Final = "asyncctx.dumps"
TRIGGER_NAME: Final = "asyncctx.trigger.name"
"""The condition of a dump, such as ``wait>2s``."""
DUMP_OUTCOME: Final = "asyncctx.dump.outcome"
"""``written``, ``suppressed`` because others had just been written, or ``failed``."""

# -- tags in Jaeger's own JSON --------------------------------------------------------------------
JAEGER_SCOPE_NAME: Final = "otel.scope.name"
JAEGER_SCOPE_VERSION: Final = "otel.scope.version"
JAEGER_SPAN_KIND: Final = "span.kind"
SPAN_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""SpanKind -> its name; the index is the value of OTLP's enum."""

OUTCOMES: Final = ("", "ok", "error", "cancelled", "timed_out")
"""The names of outcomes; the index is the value of ``Outcome``."""


def task_span_name(coroutine: str) -> str:
    """Return the name of the span of a task that runs ``coroutine``, a qualified name."""
    name = coroutine.rpartition(".")[2]
    return f"{TASK} {name}" if name else TASK


def qualified_function(file: str, function: str) -> str:
    """Return ``code.function.name``: ``function`` with the module that ``file`` is likely to be.

    Below ``site-packages`` that is the path from there, elsewhere the name of the file.
    """
    return f"{_module(file)}.{function}" if function else ""


def unqualified_function(file: str, name: str) -> str:
    """Return the function that :func:`qualified_function` has made ``name`` of."""
    return name.removeprefix(f"{_module(file)}.")


def _module(file: str) -> str:
    words = file.replace("\\", "/").removesuffix(".py").split("/")
    for folder in ("site-packages", "dist-packages"):
        if folder in words[:-1]:
            words = words[words.index(folder) + 1 :]
            break
    else:
        words = words[-2:] if words[-1] == "__init__" else words[-1:]
    return ".".join(words[:-1] if words[-1] == "__init__" and len(words) > 1 else words)


def span_name(resource: str) -> str:
    """Return the name of the lifecycle span of an acquisition of ``resource``."""
    return LIFECYCLE_PREFIX + resource
