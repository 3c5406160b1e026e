"""Prepares a launched program: restores its environment, and starts to record."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncctx_trace.instrument.rewriting.steered_awaits import SteeringRules

__all__ = ["BOOTSTRAP", "LAUNCH", "begin", "environment"]

LAUNCH = "ASYNCCTX_TRACE_LAUNCH"
"""The environment variable with the settings of the launcher, as JSON."""

BOOTSTRAP = Path(__file__).parent / "bootstrap"
"""The folder whose ``sitecustomize`` calls :func:`begin`."""


def environment(recording: Path, options: dict[str, Any]) -> dict[str, str]:
    """Return the environment in which a ``python`` that this process starts records itself.

    Args:
        recording: The existing file to which it adds its events.
        options: Values that JSON can represent: ``captured``, whether its output is a pipe that
            needs complete lines at once; ``keep``, see :class:`asyncctx_trace.record`;
            ``include``, ``exclude`` and ``all``, which modules are traced, see
            :func:`asyncctx_trace.install`; ``redact``, see :class:`asyncctx_trace.record`;
            ``dump_options``, those of dumps, by the names that they have in
            :class:`asyncctx_trace.record`; ``spans``, whether spans go to the program's provider;
            ``waits``, whether waits for other things than managers are recorded, ``None``: as the
            settings say; ``order``, the order file by which the program is steered, if it is;
            ``account``, the file to which the program then writes how often it was suspended at
            the places of injections, and what was lost.
    """
    path = os.environ.get("PYTHONPATH")
    settings = {
        "recording": str(recording.resolve()),
        "launcher": os.getpid(),
        "pythonpath": path,
        **options,
    }
    return {
        **os.environ,
        LAUNCH: json.dumps(settings),
        "PYTHONPATH": str(BOOTSTRAP) + (os.pathsep + path if path else ""),
    }


def begin() -> None:
    """Join the launcher's recording if this process is the program or one of its workers.

    An error is printed as one line to stderr, and the program continues without a recording.
    """
    if LAUNCH not in os.environ:
        return
    if not _is_main_interpreter():
        _hide_launch()
        return
    launched = os.environ.pop(LAUNCH)
    settings = json.loads(launched)
    ours = os.environ.pop("PYTHONPATH")
    if settings["pythonpath"] is not None:
        os.environ["PYTHONPATH"] = settings["pythonpath"]
    if os.getppid() != settings["launcher"] and not _is_worker():
        return
    # For the programs that this one starts, such as workers of multiprocessing. The program's own
    # os.environ is what it would be without the launch.
    os.putenv(LAUNCH, launched)
    os.putenv("PYTHONPATH", ours)
    if settings["captured"]:
        # To a pipe, stdout is buffered in blocks, and lines would get the time of their block.
        with contextlib.suppress(AttributeError):  # there is no stdout, or it is not a text file
            sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # see above
    try:
        from asyncctx_trace.runtime.recording_session import join

        join(
            Path(settings["recording"]),
            settings.get("keep"),
            redact=settings.get("redact", False),
            options=settings.get("dump_options"),
        )

        from asyncctx_trace.instrument.rewriting.import_hook import install_at_start

        install_at_start(
            settings.get("include", ()),
            settings.get("exclude", ()),
            settings.get("all", False),
            spans=settings.get("spans", False),
            waits=settings.get("waits"),
            steering=_steering(settings),
        )
    except Exception as error:
        _give_up(error)


def _steering(settings: dict[str, Any]) -> SteeringRules | None:
    """Return what steers this process by the order file of ``settings``, ``None`` for none."""
    order, account = settings.get("order"), settings.get("account")
    if order is None:
        return None
    from asyncctx_trace.steering.order import read  # here, as above: few programs are steered
    from asyncctx_trace.steering.steering import Steering

    # The program alone accounts for the injections, not its workers.
    is_program = os.getppid() == settings["launcher"]
    return Steering(read(Path(order)), Path(account) if account and is_program else None)


def _give_up(error: Exception) -> None:
    """Say on stderr, and in the recording if there is one, why this process is not recorded."""
    with contextlib.suppress(Exception):
        from asyncctx_trace.runtime.recording_session import give_up

        give_up(error)
    if sys.stderr is not None:  # or the line would go to stdout
        with contextlib.suppress(OSError, ValueError):
            print(f"asyncctx-trace: not recording process {os.getpid()}: {error}", file=sys.stderr)


def _is_main_interpreter() -> bool:
    """Return whether this interpreter is the process's first one.

    Interpreters that a program creates in its own process start in the same way. They would write
    to the recording beside the first one, and without the C extension, which refuses to load there.
    """
    for name in "_interpreters", "_xxsubinterpreters":  # the second until CPython 3.12
        with contextlib.suppress(ImportError):
            interpreters = importlib.import_module(name)
            return bool(interpreters.get_current() == interpreters.get_main())
    return True  # Python code cannot create others


def _hide_launch() -> None:
    """Take the launch out of ``os.environ`` alone.

    The environment of the process is that of the first interpreter, which passes the launch on.
    """
    environ: Any = os.environ
    settings = json.loads(environ[LAUNCH])
    with contextlib.suppress(AttributeError):  # implementation details
        seen = environ._data  # noqa: SLF001 - what this interpreter alone sees
        del seen[environ.encodekey(LAUNCH)], seen[environ.encodekey("PYTHONPATH")]
        if settings["pythonpath"] is not None:
            seen[environ.encodekey("PYTHONPATH")] = environ.encodevalue(settings["pythonpath"])


def _is_worker() -> bool:
    """Return whether the program started this interpreter to run its own code in it.

    Workers of multiprocessing do, and what a sampling profiler observes. The resource tracker of
    multiprocessing is started in the same way and runs nothing of the program. What stands around
    the import in the fork server's command differs between versions.
    """
    words = sys.orig_argv
    command = words[words.index("-c") + 1] if "-c" in words else ""
    return (
        "--multiprocessing-fork" in words
        or "from multiprocessing.forkserver import main;" in command
        or "profiling.sampling._sync_coordinator" in words
    )
