"""What spans say of an acquisition, whether it is told live or read from a recording."""

from __future__ import annotations

from typing import Any, Protocol

from asyncctx_trace.spans import conventions as names

__all__ = ["Named", "Placed", "Tasked", "of_lifecycle", "of_phase"]


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
) -> dict[str, Any]:
    """All that is known when an acquisition begins: what a sampler gets to see."""
    attributes: dict[str, Any] = {
        names.PHASE: names.LIFECYCLE,
        names.ACQUISITION: acquisition,
        names.MANAGER: manager,
        names.RESOURCE_ID: resource[0],
        names.RESOURCE_KIND: resource[1].kind,
        names.RESOURCE_NAME: resource[1].name,
        names.TASK_ID: task[0],
        names.TASK_NAME: task[1].name,
        names.TASK_RUNTIME: task[1].runtime,
        names.THREAD_NAME: task[1].thread,
    }
    if resource[1].capacity is not None:
        attributes[names.RESOURCE_CAPACITY] = resource[1].capacity
    if site is not None:
        attributes[names.CODE_FILE_PATH] = site.file
        attributes[names.CODE_LINE_NUMBER] = site.line
        if site.function:
            attributes[names.CODE_FUNCTION_NAME] = site.function
        if site.text:
            attributes[names.SITE_TEXT] = site.text
    return attributes


def of_phase(phase: str, outcome: int, error: tuple[str, str] | None) -> dict[str, Any]:
    """How a phase ended; ``error`` in words, its class and its message."""
    attributes: dict[str, Any] = {names.PHASE: phase, names.OUTCOME: names.OUTCOMES[outcome]}
    if error is not None:
        attributes[names.ERROR_TYPE], attributes[names.ERROR_MESSAGE] = error
    return attributes
