"""Command lines as they are shown."""

from __future__ import annotations

import pytest

from asyncctx_trace.model.command_line import program_of, short_command
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
    """Workers are started in ways that say nothing about the program."""
    server = ProcessDefined(0, 1, 100, 1, "python -m uvicorn app:app --workers 2")
    worker = ProcessDefined(1, 2, 101, 100, "python -B -c from multiprocessing.spawn import …")

    assert program_of([server, worker]) == "uvicorn app:app --workers 2"
    assert program_of([]) == ""
