"""The processes, tasks, resources and sites that spans describe, as definitions of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.constants import PROCESS_SHIFT
from asyncctx_trace.model.events import (
    Event,
    ProcessDefined,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
)
from asyncctx_trace.model.names import undefined_task
from asyncctx_trace.spans.span import Span

__all__ = ["DefinitionReader", "to_int"]

_MAX_ID = 1 << 62
_MAX_LINE = 1 << 31
_MAX_ORDINAL = 1 << 28
_OWN_IDS = 1 << 62
"""The first of the ids that are assigned to what has none: exported ids are below it."""


class DefinitionReader:
    """Collects the definitions in spans.

    Ids of exported recordings are kept. Ids of spans that were made in the traced process are
    unique in that process only, so they get the number of the process in their upper bits, as in a
    recording of several processes. What has no id gets one.
    """

    def __init__(self) -> None:
        self.definitions: dict[tuple[type, int], Event] = {}
        """By type and id."""
        self._processes: dict[object, int] = {}
        self._own_ids: dict[object, int] = {}

    def own_id(self, key: object) -> int:
        """Return the id that is assigned to what ``key`` identifies."""
        if isinstance(key, Span):
            key = (key.trace, key.id)
        return self._own_ids.setdefault(key, _OWN_IDS + len(self._own_ids))

    def offset(self, span: Span) -> int:
        """Return what to add to the ids in ``span``."""
        process = self.process(span)
        return 0 if names.PROCESS_ORDINAL in span.origin.resource else process << PROCESS_SHIFT

    def process(self, span: Span) -> int:
        """Return the number of the process of ``span``, and define it."""
        resource = span.origin.resource
        ordinal = resource.get(names.PROCESS_ORDINAL)
        if not isinstance(ordinal, int) or not 0 <= ordinal < _MAX_ORDINAL:
            ordinal = None
        key: object = ordinal
        if ordinal is None:
            key = tuple(
                str(resource.get(name))
                for name in (names.SERVICE_NAME, names.SERVICE_INSTANCE_ID, names.PROCESS_PID)
            )
        process = self._processes.get(key)
        if process is None:
            process = len(self._processes) if ordinal is None else ordinal
            self._processes[key] = process
            service = resource.get(names.SERVICE_NAME, "unknown_service")
            self.definitions[ProcessDefined, process] = ProcessDefined(
                span.start,
                process,
                to_int(resource, names.PROCESS_PID),
                to_int(resource, names.PROCESS_PARENT_PID),
                str(resource.get(names.PROCESS_COMMAND_LINE, service)),
            )
        return process

    def start_process(self, span: Span) -> ProcessDefined:
        """Return the definition of the process whose own span is ``span``, which starts it."""
        process = self.process(span)
        known = self.definitions[ProcessDefined, process]
        assert isinstance(known, ProcessDefined)
        defined = ProcessDefined(span.start, process, known.pid, known.parent_pid, known.title)
        self.definitions[ProcessDefined, process] = defined
        return defined

    def define_task(self, task: int, span: Span, *, replace: bool = False) -> None:
        """Define the task of ``span``; ``replace`` if it is the task's own span."""
        attributes = span.attributes
        parent = None
        if isinstance(attributes.get(names.TASK_PARENT), int):
            parent = self.offset(span) + to_int(attributes, names.TASK_PARENT)
        defined = TaskDefined(
            span.start,
            task,
            str(attributes.get(names.TASK_NAME, undefined_task(task))),
            str(attributes.get(names.TASK_RUNTIME, "none")),
            parent,
            self.process(span),
            str(attributes.get(names.THREAD_NAME, "")),
            str(attributes.get(names.TASK_COROUTINE, "")),
        )
        known = self.definitions.get((TaskDefined, task))
        # The first span of a task in the file need not be the earliest one.
        if (
            not replace
            and isinstance(known, TaskDefined)
            and (known.at <= span.start or known.parent is not None)
        ):
            return
        self.definitions[TaskDefined, task] = defined

    def define_foreign_task(self, span: Span) -> int:
        """Return the id of a task for the thread of a service in the trace of ``span``."""
        service = str(span.origin.resource.get(names.SERVICE_NAME, "unknown_service"))
        thread = str(span.attributes.get(names.THREAD_NAME, ""))
        task = self.own_id(("task", service, thread, span.trace))
        name = f"{service} {thread}".strip()
        process = self.process(span)
        self._define(task, TaskDefined(span.start, task, name, "none", None, process, thread))
        return task

    def define_resource(
        self, resource: int, attributes: Mapping[str, Any], default_name: str
    ) -> None:
        """Define the resource that ``attributes`` describe."""
        capacity = None
        if isinstance(attributes.get(names.RESOURCE_CAPACITY), int):
            capacity = to_int(attributes, names.RESOURCE_CAPACITY)
        kind = str(attributes.get(names.RESOURCE_KIND, "manager"))
        name = str(attributes.get(names.RESOURCE_NAME, default_name))
        self._define(resource, ResourceDefined(resource, kind, name, capacity))

    def define_foreign_resource(self, span: Span) -> int:
        """Return the id of a resource with the name of ``span``."""
        service = str(span.origin.resource.get(names.SERVICE_NAME, "unknown_service"))
        resource = self.own_id(("resource", service, span.name))
        self._define(resource, ResourceDefined(resource, "span", span.name, None))
        return resource

    def define_site(self, attributes: Mapping[str, Any], offset: int) -> int | None:
        """Return the id of the site that ``attributes`` describe, ``None`` if they do not."""
        file = attributes.get(names.CODE_FILE_PATH) or attributes.get("code.filepath")
        if not file:
            return None
        line = attributes.get(names.CODE_LINE_NUMBER) or attributes.get("code.lineno") or 0
        function = attributes.get(names.CODE_FUNCTION_NAME)
        if function is None:  # the attributes of older semantic conventions
            older = ("code.namespace", "code.function")
            function = ".".join(str(attributes[key]) for key in older if attributes.get(key))
        function = names.unqualified_function(str(file), str(function))
        text = attributes.get(names.SITE_TEXT, "")
        place = (str(file), _to_line(line), str(function), str(text))
        site = self._site_id(attributes, names.SITE_ID, place, offset)
        self._define(site, SiteDefined(site, *place, self._define_caller(attributes, offset)))
        return site

    def _define_caller(self, attributes: Mapping[str, Any], offset: int) -> int | None:
        file = attributes.get(names.CALLER_FILE_PATH)
        if not file:
            return None
        place = (
            str(file),
            to_int(attributes, names.CALLER_LINE_NUMBER),
            str(attributes.get(names.CALLER_FUNCTION_NAME) or ""),
            str(attributes.get(names.CALLER_TEXT, "")),
        )
        site = self._site_id(attributes, names.CALLER_ID, place, offset)
        self._define(site, SiteDefined(site, *place))
        return site

    def _site_id(self, attributes: Mapping[str, Any], key: str, place: object, offset: int) -> int:
        return offset + to_int(attributes, key) if key in attributes else self.own_id(place)

    def _define(self, id: int, definition: Event) -> None:
        self.definitions.setdefault((type(definition), id), definition)


def to_int(attributes: Mapping[str, Any], name: str) -> int:
    """Return an attribute that is an id, a count or a line; 0 if it is missing or out of range."""
    value = attributes.get(name, 0)
    return value if isinstance(value, int) and 0 <= value < _MAX_ID else 0


def _to_line(value: Any) -> int:
    try:
        line = int(value)
    except (ArithmeticError, TypeError, ValueError):
        return 0
    return line if 0 <= line < _MAX_LINE else 0
