"""The app notifies of a deadlock while the program hangs."""

from __future__ import annotations

from pathlib import Path

from app.async_tests import async_test
from app.builders import RecordingBuilder
from app.driver import FakeProgram, open_app


@async_test
async def test_a_deadlock_is_notified_once_when_it_happens(tmp_path: Path) -> None:
    """With tasks, resources and sites; not before it has lasted for a moment."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "first").resource(2, "second")
    builder.task(1, "anna").task(2, "bert[red]")
    builder.acquisition(1, 1, 0, 0).acquisition(2, 2, 0, 0).acquisition(1, 2, 10).acquisition(
        2, 1, 10
    ).write()
    async with open_app(builder.path, (120, 36), ms=50, program=FakeProgram()) as driver:
        driver.app.notify_deadlocks()
        await driver.settle()
        early = driver.notified
        for ms in (500, 1000):
            await driver.settle(ms)
            driver.app.notify_deadlocks()
        messages = driver.notified

        assert early == []
        assert messages == [
            (
                "deadlock: anna waits for `second` at app.py:12 held by bert[red] (taken at "
                "app.py:12); bert[red] waits for `first` at app.py:12 held by anna (taken at "
                "app.py:12)"
            )
        ]
