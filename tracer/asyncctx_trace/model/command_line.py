"""Command lines of processes, as they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from asyncctx_trace.model.events import ProcessDefined

__all__ = ["program_of", "short_command"]

_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
"""Options of ``python`` whose value is a word of its own."""
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


def program_of(processes: Iterable[ProcessDefined]) -> str:
    """Return the command line of a recorded program: that of its first process.

    The others are its children, such as workers. Empty if no process is known.
    """
    first = next(iter(processes), None)
    return "" if first is None else short_command(first.title)
