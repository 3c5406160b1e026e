"""Command lines of processes, as they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from asyncctx_trace.model.events import ProcessDefined

__all__ = ["process_label", "program_of", "program_processes", "short_command", "without_arguments"]

_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
"""Options of ``python`` whose value is a word of its own."""
_LAUNCHERS = ("asyncctx-trace", "asyncctx_trace_tui")
"""The programs that start others under the tracer."""
_KEEPER = "asyncctx_trace_tui.run.keeper"
_ENDS_OPTIONS = re.compile(r"-[A-Za-z]*?([cm])(.*)")
"""An option of ``python`` after which the arguments of the program follow: ``-c``, ``-Im``."""


def short_command(command: str) -> str:
    """Return a command line of Python without the interpreter, its options and folders.

    ``/usr/bin/python3 -X dev /srv/app/main.py --port 80`` becomes ``main.py --port 80``, and
    ``python -m uvicorn app:app`` becomes ``uvicorn app:app``. A relative path is kept as it is.
    Words must be separated by one space. Commands of other programs lose their folder only.
    """
    executable, *words = command.split(" ")
    name = PurePath(executable).name
    if "python" not in name.lower():
        return " ".join([name, *words])
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "-":  # the program comes from standard input
            return " ".join([name, option, *words])
        last = None if option.startswith(("--", "-W", "-X")) else _ENDS_OPTIONS.fullmatch(option)
        if last is not None:
            words = [last[2], *words] if last[2] else words
            return " ".join(words if last[1] == "m" else [name, "-c", *words])
        if option in _WITH_VALUE and words:
            del words[0]
    if not words:
        return name
    script = PurePath(words[0])
    if script.name == "__main__.py" and script.parent.name:
        script = script.parent
    return " ".join([script.name if script.is_absolute() else str(script), *words[1:]])


def without_arguments(command: str) -> str:
    """Return a command line up to the script or module; of other programs only their own path.

    ``python -X dev app.py --password x`` becomes ``python -X dev app.py``.
    """
    executable, *words = command.split(" ")
    kept = [executable]
    if "python" not in PurePath(executable).name.lower():
        return executable
    while words and words[0].startswith("-"):
        option = words.pop(0)
        last = None if option.startswith(("--", "-W", "-X")) else _ENDS_OPTIONS.fullmatch(option)
        if last is not None:
            if last[1] == "c":  # what follows is the program itself
                return " ".join([*kept, "-c"])
            return " ".join([*kept, option, *([] if last[2] else words[:1])])
        kept.append(option)
        if option in _WITH_VALUE and words:
            kept.append(words.pop(0))
        if option == "-":
            return " ".join(kept)
    return " ".join([*kept, *words[:1]])


def program_processes(processes: Iterable[ProcessDefined]) -> list[ProcessDefined]:
    """Return the processes of a recorded program, in the order in which they were defined.

    The first one is the program that was started, the others are its children, such as workers.
    A recording also contains the process of ``asyncctx-trace run``, and that which records the
    output of a program that was left running; these are left out.
    """
    known = list(processes)
    parents = {each.parent_pid for each in known}
    return [
        each
        for each in known
        if not (each.pid in parents and _name(each) in _LAUNCHERS) and _name(each) != _KEEPER
    ]


def process_label(processes: Mapping[int, ProcessDefined], process: int) -> str:
    """Return what a process is, with its id: ``pid 4711 · worker 2``, ``pid 4709 · main``.

    ``main`` is the program that was started. Its children that run the same program, or that were
    made by :mod:`multiprocessing`, are its workers.
    """
    found = processes.get(process)
    if found is None:
        return f"process {process}"
    program = program_processes(processes.values())
    if not program or found not in program:
        return f"pid {found.pid} · {short_command(found.title)}"
    if found == program[0]:
        return f"pid {found.pid} · main"
    workers = [each for each in program[1:] if _is_worker(each, program[0])]
    if found in workers:
        return f"pid {found.pid} · worker {workers.index(found) + 1}"
    return f"pid {found.pid} · {short_command(found.title)}"


def _is_worker(process: ProcessDefined, main: ProcessDefined) -> bool:
    return process.title == main.title or "multiprocessing" in process.title


def program_of(processes: Iterable[ProcessDefined], *, arguments: bool = True) -> str:
    """Return the command line of a recorded program, shortened; empty if it is not known.

    Without ``arguments``, it ends with the script or module.
    """
    found = program_processes(processes)
    if not found:
        return ""
    return short_command(found[0].title if arguments else without_arguments(found[0].title))


def _name(process: ProcessDefined) -> str:
    return PurePath(short_command(process.title).partition(" ")[0]).name
