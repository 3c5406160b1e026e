"""A deadlock is told in the app while the program hangs."""

from __future__ import annotations

from pathlib import Path

from app.loops import in_a_loop
from app.screens import FakeProgram, staged
from app.stories import Story


@in_a_loop
async def test_a_deadlock_is_told_as_it_happens_and_once(tmp_path: Path) -> None:
    """Who waits for whom, with places; not before it has lasted a moment."""
    story = Story(tmp_path / "x.actx").resource(1, "first").resource(2, "second")
    story.task(1, "anna").task(2, "bert[red]")
    story.pass_(1, 1, 0, 0).pass_(2, 2, 0, 0).pass_(1, 2, 10).pass_(2, 1, 10).tell()
    async with staged(story.path, (120, 36), ms=50, program=FakeProgram()) as stage:
        stage.app.notify_deadlocks()
        await stage.settle()
        early = list(stage.app._notifications)
        for ms in (500, 1000):
            await stage.settle(ms)
            stage.app.notify_deadlocks()
        told = [notification.message for notification in stage.app._notifications]

        assert early == []
        assert told == [
            (
                "deadlock: anna waits for `second` at app.py:12 held by bert[red] (taken at "
                "app.py:12); bert[red] waits for `first` at app.py:12 held by anna (taken at "
                "app.py:12)"
            )
        ]
