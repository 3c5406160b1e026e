"""The program that a recording is of, so that it can be run again."""

from __future__ import annotations

from pathlib import Path

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.command_line import program_processes, without_arguments
from asyncctx_trace.recording.writing.redaction import REDACTED

__all__ = ["NotRepeatable", "recorded_arguments"]

_HINT = "give the program after --, such as `-- app.py --port 80`"
_LEFT_OUT = "'…'"
"""What stands for a string literal in a redacted recording."""


class NotRepeatable(AsyncctxTraceError):
    """A recording does not say which program was run, or it is not here."""


def recorded_arguments(timeline: Timeline, folder: Path) -> list[str]:
    """Return the arguments of ``python`` that run the recorded program again in ``folder``.

    Raises:
        NotRepeatable: The recording has no command line, was redacted, or its program is not here.
    """
    processes = program_processes(timeline.processes.values())
    words = processes[0].title.split(" ") if processes else []
    if not words or "python" not in Path(words[0]).name.lower():
        raise NotRepeatable(f"the recording does not say which program was run: {_HINT}")
    if _is_redacted(timeline):
        raise NotRepeatable(f"the recording was made with --redact, without arguments: {_HINT}")
    upto = without_arguments(processes[0].title).split(" ")
    if upto[-2:-1] != ["-m"] and "-c" not in upto:
        script = Path(upto[-1])
        if len(upto) == 1 or not (folder / script).exists():
            raise NotRepeatable(
                f"{script}: no such file: call this where the program was started, or {_HINT}"
            )
    elif "-c" in upto:  # its words cannot be told apart any more
        raise NotRepeatable(f"the program was an argument of `python -c`: {_HINT}")
    return words[1:]


def _is_redacted(timeline: Timeline) -> bool:
    texts = [
        *(line.text for line in timeline.printed),
        *(error.message for error in timeline.errors.values()),
    ]
    names = [
        *(site.text for site in timeline.sites.values()),
        *(resource.name for resource in timeline.resources.values()),
    ]
    return REDACTED in texts or any(_LEFT_OUT in name for name in names)
