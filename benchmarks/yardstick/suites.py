"""The table of suites: what is fetched, how it is run, how much there is to see in it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CPYTHON", "SUITES", "Suite"]

_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--capture=fd")
CPYTHON = (
    "asyncgen",
    "asyncio",
    "bdb",
    "contextlib",
    "contextlib_async",
    "coroutines",
    "dis",
    "grammar",
    "inspect",
    "monitoring",
    "pdb",
    "sys_setprofile",
    "sys_settrace",
    "traceback",
    "with",
)
"""The interpreter's own tests of what a tracer might disturb; a name may stand for a package."""


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
        ("-m", "unittest", "discover", "-v"),
        300,
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
