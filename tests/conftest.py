"""Options of the whole suite."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from observers import plugin

# A busy machine is slow, and no fault of a test.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    """Watch the tests run if ``ASYNCCTX_TEST_OBSERVER`` says how (see ``observers``)."""
    observing = plugin()
    if observing is not None:
        config.pluginmanager.register(observing, "observing")
