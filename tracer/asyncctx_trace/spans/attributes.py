"""The attributes of an acquisition's spans, made live or from a recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.outcomes import ExitFlag

__all__ = [
    "ResourceLike",
    "SiteLike",
    "TaskLike",
    "exit_flags_from",
    "exit_flag_attributes",
    "lifecycle_attributes",
    "phase_attributes",
    "place_attributes",
    "release_attributes",
    "resource_attributes",
    "site_attributes",
]

_FLAGS = {
    ExitFlag.EXPIRED: names.EXPIRED,
    ExitFlag.SKIPPED: names.SKIPPED,
    ExitFlag.PASSED_ON: names.PASSED_ON,
    ExitFlag.CUT_SHORT: names.CUT_SHORT,
    ExitFlag.FINISHED: names.FINISHED,
}


class ResourceLike(Protocol):
    """The definition of a resource."""

    @property
    def kind(self) -> str:
        """Its kind, such as ``lock``."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def capacity(self) -> int | None:
        """How many tasks may hold it at once; ``None`` if unknown."""


class SiteLike(Protocol):
    """The definition of a site."""

    @property
    def file(self) -> str:
        """The path of its source file."""

    @property
    def line(self) -> int:
        """The line, from 1."""

    @property
    def function(self) -> str:
        """The qualified name of the function."""

    @property
    def text(self) -> str:
        """The source of the expression."""


class TaskLike(Protocol):
    """The definition of a task."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def runtime(self) -> str:
        """``asyncio`` or ``trio``."""

    @property
    def thread(self) -> str:
        """The name of the thread that it runs on."""


def lifecycle_attributes(
    acquisition: int,
    manager: str,
    resource: tuple[int, ResourceLike],
    site: SiteLike | None,
    task: tuple[int, TaskLike],
    caller: SiteLike | None = None,
    by_call: bool = False,
) -> dict[str, Any]:
    """Return what is known when an acquisition begins, which is what a sampler gets.

    ``resource`` and ``task`` are pairs of an id and a definition; ``caller`` is the site that
    called the function at ``site``.
    """
    attributes: dict[str, Any] = {
        names.PHASE: names.LIFECYCLE,
        names.ACQUISITION: acquisition,
        names.MANAGER: manager,
        **resource_attributes(*resource),
        names.TASK_ID: task[0],
        names.TASK_NAME: task[1].name,
        names.TASK_RUNTIME: task[1].runtime,
        names.THREAD_NAME: task[1].thread,
    }
    if site is not None:
        attributes |= site_attributes(site)
    if caller is not None:
        attributes |= site_attributes(caller, _CALLER)
    if by_call:
        attributes[names.BY_CALL] = True
    return attributes


def resource_attributes(number: int, resource: ResourceLike) -> dict[str, Any]:
    """Return the attributes of the resource with the id ``number``."""
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


def site_attributes(site: SiteLike, keys: tuple[str, str, str, str] = _SITE) -> dict[str, Any]:
    """Return the attributes of a site; ``keys`` are those of file, line, function and text."""
    file, line, function, text = keys
    attributes: dict[str, Any] = {file: site.file, line: site.line}
    if site.function:
        attributes[function] = names.qualified_function(site.file, site.function)
    if site.text:
        attributes[text] = site.text
    return attributes


def place_attributes(resource: ResourceLike, site: SiteLike | None) -> dict[str, Any]:
    """Return what a phase repeats of its acquisition, so that it can be found by itself."""
    attributes: dict[str, Any] = {
        names.RESOURCE_KIND: resource.kind,
        names.RESOURCE_NAME: resource.name,
    }
    if site is not None:
        attributes |= {names.CODE_FILE_PATH: site.file, names.CODE_LINE_NUMBER: site.line}
        if site.function:
            attributes[names.CODE_FUNCTION_NAME] = names.qualified_function(
                site.file, site.function
            )
    return attributes


def release_attributes(site: SiteLike) -> dict[str, Any]:
    """Return the attributes of an exit that begins by a call at ``site``."""
    return {**site_attributes(site), names.BY_CALL: True}


def phase_attributes(phase: str, outcome: int, error: tuple[str, str] | None) -> dict[str, Any]:
    """Return how a phase ended; ``error`` is the class and the message of an exception."""
    attributes: dict[str, Any] = {names.PHASE: phase, names.OUTCOME: names.OUTCOMES[outcome]}
    if error is not None:
        attributes[names.ERROR_TYPE], attributes[names.ERROR_MESSAGE] = error
    return attributes


def exit_flag_attributes(flags: int) -> dict[str, bool]:
    """Return an attribute for each flag that is set; most exits have none."""
    return {name: True for flag, name in _FLAGS.items() if flags & flag} if flags else {}


def exit_flags_from(attributes: Mapping[str, Any]) -> ExitFlag:
    """Return the flags that :func:`exit_flag_attributes` has made ``attributes`` of."""
    found = ExitFlag(0)
    for flag, name in _FLAGS.items():
        if attributes.get(name):
            found |= flag
    return found
