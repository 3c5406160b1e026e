"""What the tests of instrumentation share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asyncctx_trace import install, uninstall


@pytest.fixture(scope="module")
def installed() -> Iterator[None]:
    """``async with`` and calls of a module's tests are traced.

    Once for a module: :func:`install` goes through every function of the process.
    """
    install()
    try:
        yield
    finally:
        uninstall()
