"""Run each test under a trace function, a profile function or a monitoring tool.

``ASYNCCTX_TEST_OBSERVER=settrace`` (or ``setprofile``, ``monitoring``) installs such an observer
for the time of each test. It sees calls, lines and exceptions of everything and changes nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings

__all__ = ["VARIABLE", "Observing"]

VARIABLE = "ASYNCCTX_TEST_OBSERVER"

_UNWATCHED = (
    *("hypothesis", "pytest", "pluggy", "numpy"),
    *(f"{os.sep}analysis{os.sep}", f"{os.sep}recording{os.sep}reader"),
)
"""Parts of paths: what is in them is slow to watch, and runs in no traced program."""

_SETTINGS = "_hypothesis_internal_use_settings"
"""Where ``@settings`` keeps what it was given; without it a test tries as many as ever."""
_EXAMPLES = 15


class Observing:
    """A pytest plugin: every test runs under the observer of this name.

    A test that starts a process is skipped when it does: the observer does not reach there.
    """

    def __init__(self, name: str) -> None:
        if name not in _OBSERVERS:
            raise pytest.UsageError(f"{VARIABLE} must be one of {', '.join(_OBSERVERS)}")
        if name == "monitoring" and sys.version_info < (3, 12):
            raise pytest.UsageError(f"{VARIABLE}=monitoring needs CPython 3.12")
        self._observe = _OBSERVERS[name]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Let property tests try few examples: this run tests the observer."""
        for item in items:
            function = getattr(item, "obj", None)
            wanted = getattr(function, _SETTINGS, None)
            if wanted is not None:
                setattr(function, _SETTINGS, settings(wanted, max_examples=_EXAMPLES))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch, self._observe():
            patch.setattr(subprocess.Popen, "__init__", _skip)
            return (yield)


def _skip(*_: Any, **__: Any) -> None:
    pytest.skip("it starts a process, and the observer is in this one")


def _watched(file: str) -> bool:
    return not any(part in file for part in _UNWATCHED)


@contextmanager
def _settrace() -> Iterator[None]:
    def trace(frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        file = frame.f_code.co_filename
        if not _watched(file):
            return None
        frame.f_trace_lines = "instrument" in file
        return trace

    before = sys.gettrace()
    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(before)


@contextmanager
def _setprofile() -> Iterator[None]:
    def profile(frame: FrameType, event: str, arg: Any) -> None: ...

    before = sys.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)
        threading.setprofile(before)


if sys.version_info >= (3, 12):

    @contextmanager
    def _monitoring() -> Iterator[None]:
        monitoring = sys.monitoring
        tool = next(tool for tool in range(4, -1, -1) if monitoring.get_tool(tool) is None)
        names = [name for name in vars(monitoring.events) if name.isupper() and name != "NO_EVENTS"]
        every = 0

        def event(*_: Any) -> Any:
            return None

        def once(*_: Any) -> Any:
            return monitoring.DISABLE

        monitoring.use_tool_id(tool, "asyncctx-trace-tests")
        for name in names:
            number = getattr(monitoring.events, name)
            every |= number
            # Each instruction and each line is reported once, everything else each time.
            callback = once if name in ("INSTRUCTION", "LINE", "JUMP") else event
            monitoring.register_callback(tool, number, callback)
        monitoring.set_events(tool, every)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            for name in names:
                monitoring.register_callback(tool, getattr(monitoring.events, name), None)
            monitoring.free_tool_id(tool)
            monitoring.restart_events()

else:
    _monitoring = _settrace  # refused above


_OBSERVERS = {"settrace": _settrace, "setprofile": _setprofile, "monitoring": _monitoring}


def plugin() -> Observing | None:
    """Return the plugin that the environment selects, if any."""
    name = os.environ.get(VARIABLE)
    return Observing(name) if name else None
