"""Options of the whole suite."""

from __future__ import annotations

import pytest

from observers import plugin


def pytest_configure(config: pytest.Config) -> None:
    """Watch the tests run if ``ASYNCCTX_TEST_OBSERVER`` says how (see ``observers``)."""
    observing = plugin()
    if observing is not None:
        config.pluginmanager.register(observing, "observing")
