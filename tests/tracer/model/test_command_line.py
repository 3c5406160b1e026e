"""Command lines as they are shown."""

from __future__ import annotations

import pytest

from asyncctx_trace.model.command_line import program_of, program_processes, short_command
from asyncctx_trace.model.events import ProcessDefined


@pytest.mark.parametrize(
    ("command", "short"),
    [
        ("python app.py --port 80", "app.py --port 80"),
        ("/usr/bin/python3.13 -X dev -W error -B /srv/app/main.py -v", "main.py -v"),
        ("python svc/shop.py 8 60", "svc/shop.py 8 60"),
        ("/v/bin/python /v/lib/site-packages/asyncctx_trace_tui/scenarios/lock.py", "lock.py"),
        ("python -m uvicorn app:app --workers 2", "uvicorn app:app --workers 2"),
        ("python -Im pytest -q", "pytest -q"),
        ("python -mpytest", "pytest"),
        ("python -Wignore -Xdev app.py", "app.py"),
        ("python --check-hash-based-pycs always app.py", "app.py"),
        ("/v/bin/python /v/lib/tool/__main__.py -x", "tool -x"),
        ("/v/bin/python -c print(1) x", "python -c print(1) x"),
        ("/v/bin/python - x", "python - x"),
        ("/v/bin/python", "python"),
        ("/usr/sbin/nginx -g x", "nginx -g x"),
        ("", ""),
    ],
)
def test_interpreters_options_and_folders_are_left_out(command: str, short: str) -> None:
    """What identifies the program stays."""
    assert short_command(command) == short


def test_a_program_is_named_after_its_first_process() -> None:
    """Workers are started in ways that say nothing about the program, nor does the launcher."""
    launcher = ProcessDefined(0, 1, 99, 1, "/v/bin/python /v/bin/asyncctx-trace run app.py")
    server = ProcessDefined(1, 2, 100, 99, "python -m uvicorn app:app --workers 2")
    worker = ProcessDefined(2, 3, 101, 100, "python -B -c from multiprocessing.spawn import …")
    keeper = ProcessDefined(3, 4, 102, 1, "python -P -m asyncctx_trace_tui.run.keeper {}")

    assert program_of([launcher, server, worker]) == "uvicorn app:app --workers 2"
    assert program_of([server, worker]) == "uvicorn app:app --workers 2"
    assert program_processes([launcher, server, worker, keeper]) == [server, worker]
    assert program_of([]) == ""


def test_the_launcher_is_left_out_however_it_was_called() -> None:
    """As in the README: by a path that is relative to the folder of the program."""
    program = ProcessDefined(1, 2, 100, 99, "/v/bin/python app.py")
    for command in (".venv/bin/asyncctx-trace run app.py", "-m asyncctx_trace_tui run app.py"):
        launcher = ProcessDefined(0, 1, 99, 1, f"/v/bin/python {command}")

        assert program_processes([launcher, program]) == [program]


def test_the_launcher_itself_may_be_the_program() -> None:
    """If it records itself, it is the program."""
    alone = ProcessDefined(0, 1, 99, 1, "python -m asyncctx_trace_tui report x.actx")

    assert program_of([alone]) == "asyncctx_trace_tui report x.actx"
