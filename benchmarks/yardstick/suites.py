"""The table of suites: what is fetched, how it is run, how much there is to see in it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SUITES", "Suite"]

_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--capture=fd")
_CPYTHON = (
    "contextlib_async coroutines asyncgen sys_settrace grammar locks timeouts taskgroups runners "
    "queues pep492 server waitfor streams async_case"
)


@dataclass(frozen=True)
class Suite:
    """One project's tests."""

    name: str
    pin: str
    """The source distribution; ``""`` for the tests of the interpreter itself."""
    command: tuple[str, ...]
    """What follows ``python``, in the folder of the sources."""
    acquisitions: int
    """About so many were seen by two other tracers: far fewer means that one is blind."""
    shadow: str = ""
    """A package folder beside the tests: removed, so that the installed one is imported."""


SUITES = (
    Suite(
        "cpython",
        "",
        ("-m", "unittest", "-v", *(f"test_{name}" for name in _CPYTHON.split())),
        240,
    ),
    Suite("httpcore", "httpcore==1.0.9", (*_PYTEST, "tests"), 2300, "httpcore"),
    Suite("asyncstdlib", "asyncstdlib==3.14.0", (*_PYTEST, "unittests"), 800, "asyncstdlib"),
    Suite("aiostream", "aiostream==0.8.1", (*_PYTEST, "-o", "addopts=", "tests"), 1600),
    Suite(
        "aiosqlite",
        "aiosqlite==0.22.1",
        ("-m", "unittest", "-v", "aiosqlite.tests"),
        57,
        "aiosqlite",
    ),
)
