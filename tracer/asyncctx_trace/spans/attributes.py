"""What spans say of an acquisition, whether it is told live or read from a recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.outcomes import ExitFlag

__all__ = [
    "Named",
    "Placed",
    "Tasked",
    "exit_flags_in",
    "of_exit_flags",
    "of_lifecycle",
    "of_phase",
    "of_resource",
    "of_site",
]

_FLAGS = {
    ExitFlag.EXPIRED: names.EXPIRED,
    ExitFlag.SKIPPED: names.SKIPPED,
    ExitFlag.PASSED_ON: names.PASSED_ON,
    ExitFlag.CUT_SHORT: names.CUT_SHORT,
    ExitFlag.FINISHED: names.FINISHED,
}


class Named(Protocol):
    """A resource."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def capacity(self) -> int | None: ...


class Placed(Protocol):
    """A site."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def function(self) -> str: ...
    @property
    def text(self) -> str: ...


class Tasked(Protocol):
    """A task."""

    @property
    def name(self) -> str: ...
    @property
    def runtime(self) -> str: ...
    @property
    def thread(self) -> str: ...


def of_lifecycle(
    acquisition: int,
    manager: str,
    resource: tuple[int, Named],
    site: Placed | None,
    task: tuple[int, Tasked],
    caller: Placed | None = None,
    by_call: bool = False,
) -> dict[str, Any]:
    """All that is known when an acquisition begins: what a sampler gets to see."""
    attributes: dict[str, Any] = {
        names.PHASE: names.LIFECYCLE,
        names.ACQUISITION: acquisition,
        names.MANAGER: manager,
        **of_resource(*resource),
        names.TASK_ID: task[0],
        names.TASK_NAME: task[1].name,
        names.TASK_RUNTIME: task[1].runtime,
        names.THREAD_NAME: task[1].thread,
    }
    if site is not None:
        attributes |= of_site(site)
    if caller is not None:
        attributes |= of_site(caller, _CALLER)
    if by_call:
        attributes[names.BY_CALL] = True
    return attributes


def of_resource(number: int, resource: Named) -> dict[str, Any]:
    """What tasks contend for."""
    attributes: dict[str, Any] = {
        names.RESOURCE_ID: number,
        names.RESOURCE_KIND: resource.kind,
        names.RESOURCE_NAME: resource.name,
    }
    if resource.capacity is not None:
        attributes[names.RESOURCE_CAPACITY] = resource.capacity
    return attributes


_SITE = (
    names.CODE_FILE_PATH,
    names.CODE_LINE_NUMBER,
    names.CODE_FUNCTION_NAME,
    names.SITE_TEXT,
)
_CALLER = (
    names.CALLER_FILE_PATH,
    names.CALLER_LINE_NUMBER,
    names.CALLER_FUNCTION_NAME,
    names.CALLER_TEXT,
)


def of_site(site: Placed, keys: tuple[str, str, str, str] = _SITE) -> dict[str, Any]:
    """Where something stands in the source; ``keys`` are of file, line, function and text."""
    file, line, function, text = keys
    attributes: dict[str, Any] = {file: site.file, line: site.line}
    if site.function:
        attributes[function] = site.function
    if site.text:
        attributes[text] = site.text
    return attributes


def of_phase(phase: str, outcome: int, error: tuple[str, str] | None) -> dict[str, Any]:
    """How a phase ended; ``error`` in words, its class and its message."""
    attributes: dict[str, Any] = {names.PHASE: phase, names.OUTCOME: names.OUTCOMES[outcome]}
    if error is not None:
        attributes[names.ERROR_TYPE], attributes[names.ERROR_MESSAGE] = error
    return attributes


def of_exit_flags(flags: int) -> dict[str, bool]:
    """Return an attribute for each flag that is set: an exit has none as a rule."""
    return {name: True for flag, name in _FLAGS.items() if flags & flag} if flags else {}


def exit_flags_in(attributes: Mapping[str, Any]) -> ExitFlag:
    """Return the flags of which ``attributes`` tell."""
    found = ExitFlag(0)
    for flag, name in _FLAGS.items():
        if attributes.get(name):
            found |= flag
    return found
