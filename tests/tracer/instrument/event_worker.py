"""A process that runs programs and reports what its sinks receive: native code or pure Python.

Each line of standard input is a job in JSON: the source of a program and the faults of its sinks.
Each line of standard output is the transcript of one job.
"""

from __future__ import annotations

import asyncio
import json
import linecache
import logging
import sys
import warnings
from typing import Any

from asyncctx_trace import native, traced
from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.adapters import adapter_for
from asyncctx_trace.instrument.patches.patch_table import all_patches, apply, patches_of_adapter
from asyncctx_trace.instrument.rewriting.code_rewriter import rewritten
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.model.waits import OF_TASKS
from instrument.rewriting.random_programs import Closing, M, Stack


class Signal(BaseException):
    """The exception that a program's signal handler raises."""


ERRORS: dict[str, type[BaseException]] = {
    "ValueError": ValueError,
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
    "Signal": Signal,
}


class FaultySink:
    """Keeps each event, and raises at the chosen call of a chosen event."""

    def __init__(self, number: int, faults: dict[str, list[Any]]) -> None:
        self.number = number
        self.faults = faults
        self.calls: dict[str, int] = {}
        self.events: list[Any] = []
        self.names: dict[tuple[str, int], Any] = {}
        self.missed_events = 0
        self.acquisitions: dict[int, int] = {}
        self.tasks: dict[int, int] = {}

    def missed(self) -> None:
        self.missed_events += 1

    def manager_defined(self, manager: int, name: str) -> None:
        self.names["manager", manager] = name

    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None:
        self.names["site", site] = [line, function, text]

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        self.names["resource", resource] = [kind, name, capacity]

    def task_defined(
        self,
        at: int,
        task: int,
        name: str,
        runtime: str,
        parent: int,
        thread: str,
        coroutine: str = "",
    ) -> None:
        """Tasks are numbered as they appear: earlier ones may not be collected yet."""

    def task_ended(self, at: int, task: int) -> None:
        """Do nothing: when the collector frees a task is not compared."""

    def enter_started(
        self,
        at: int,
        acquisition: int,
        parent: int,
        task: int,
        manager: int,
        resource: int,
        site: int,
        flags: int = 0,
    ) -> None:
        self.acquisitions[acquisition] = len(self.acquisitions)
        self.receive(
            "enter_started",
            acquisition,
            self.acquisitions.get(parent),
            self.number_of(task),
            self.names["manager", manager],
            self.names["resource", resource],
            self.names["site", site] if site else None,
            flags,
        )

    def enter_ended(
        self, at: int, acquisition: int, outcome: int, error: BaseException | None
    ) -> None:
        self.receive("enter_ended", acquisition, outcome, type(error).__name__)

    def exit_started(
        self,
        at: int,
        acquisition: int,
        task: int,
        outcome: int,
        error: BaseException | None,
        site: int = 0,
    ) -> None:
        where = self.names["site", site] if site else None
        self.receive(
            "exit_started", acquisition, self.number_of(task), outcome, type(error).__name__, where
        )

    def exit_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        suppressed: bool,
        error: BaseException | None,
        flags: int = 0,
    ) -> None:
        self.receive(
            "exit_ended", acquisition, outcome, suppressed, type(error).__name__, int(flags)
        )

    def release_unmatched(self, at: int, task: int, resource: int, site: int) -> None:
        self.events.append(["release_unmatched", self.names["resource", resource]])

    def collected(self, at: int, acquisition: int) -> None:
        """Do nothing: when the collector frees an object is not compared."""

    def wait_started(
        self, at: int, wait: int, task: int, subject: int, site: int, wait_kind: int
    ) -> None:
        self.acquisitions[wait] = len(self.acquisitions)
        about_tasks = wait_kind in OF_TASKS
        self.receive(
            "wait_started",
            wait,
            self.number_of(task),
            None if about_tasks or not subject else self.names["resource", subject],
            self.names["site", site],
            int(wait_kind),
        )

    def wait_target(self, at: int, wait: int, task: int) -> None:
        self.receive("wait_target", wait)

    def wait_ended(self, at: int, wait: int, outcome: int, woken_by: int) -> None:
        self.receive("wait_ended", wait, outcome, self.number_of(woken_by) if woken_by else None)

    def number_of(self, task: int) -> int:
        return self.tasks.setdefault(task, len(self.tasks))

    def receive(self, event: str, acquisition: int, *values: Any) -> None:
        call = self.calls[event] = self.calls.get(event, 0) + 1
        fault = self.faults.get(event)
        if fault is not None and fault[0] == call:
            self.events.append([event, "raises", fault[1]])
            raise ERRORS[fault[1]](f"{event} of sink {self.number}")
        self.events.append([event, self.acquisitions.get(acquisition), *values])


class Messages(logging.Handler):
    """Keeps each log message and its exception."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.messages.append(f"{record.levelname} {record.getMessage()} ({error!r})")


def chain(error: BaseException | None) -> list[str]:
    """The exception and those that it was raised from or after, which may lead back to it."""
    found: dict[int, str] = {}
    while error is not None and id(error) not in found:
        found[id(error)] = f"{type(error).__name__}({error})"
        error = error.__cause__ or error.__context__
    return list(found.values())


def run(job: dict[str, Any], number: int) -> dict[str, Any]:
    file = f"<string{number}>"
    linecache.cache[file] = (len(job["source"]), None, job["source"].splitlines(True), file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        code = rewritten(compile(job["source"], file, "exec"), SCOPE)
    log: list[Any] = []
    namespace: dict[str, Any] = {
        "asyncio": asyncio,
        "M": M,
        "Stack": Stack,
        "Closing": Closing,
        "log": log,
        "traced": traced,
    }
    messages = Messages()
    logger = logging.getLogger("asyncctx_trace")
    logger.addHandler(messages)
    logger.propagate = False
    failures = sinks.failures
    attached = [FaultySink(index, faults) for index, faults in enumerate(job["sinks"])]
    for sink in attached:
        sinks.attach(sink)
    try:
        exec(code, namespace)
        end = ["returned", repr(asyncio.run(namespace["main"](True)))]
    except BaseException as error:
        end = chain(error)
    finally:
        still = sinks._sinks  # noqa: SLF001 - the program need not know which
        left = [sink.number for sink in attached if sink in still]
        for sink in attached:
            sinks.detach(sink)
        logger.removeHandler(messages)
    return {
        "program": [repr(entry) for entry in log],
        "end": end,
        "events": [sink.events for sink in attached],
        "missed": [sink.missed_events for sink in attached],
        "attached": left,
        "failures": sinks.failures - failures,
        "messages": messages.messages,
    }


class EverythingHere(Scope):
    """A scope that contains the programs of this module only."""

    def _decide(self, file: str) -> bool:
        return file.startswith("<string")


SCOPE = EverythingHere()


def main() -> None:
    for patch in all_patches(SCOPE):
        if patch.module in {"contextlib", "asyncio.base_events"}:
            apply(patch)
    for cls in (asyncio.Lock, asyncio.Semaphore, asyncio.BoundedSemaphore):
        adapter = adapter_for(cls)
        assert adapter is not None
        for patch in patches_of_adapter(adapter, SCOPE):
            apply(patch)
    print(json.dumps(native.status()), flush=True)
    for number, line in enumerate(sys.stdin):
        print(json.dumps(run(json.loads(line), number)), flush=True)


if __name__ == "__main__":
    main()
