"""The keys at the foot of the screen, as many as it has room for."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

__all__ = ["Keys"]

_ALWAYS = ("help", "quit")
"""Actions whose keys have their place however little room there is."""


class Keys(Footer):
    """Leaves out whole keys rather than half of one."""

    def compose(self) -> ComposeResult:
        found = list(super().compose())
        room = self.app.size.width
        room -= sum(_width(each) for each in found if _kept(each))
        for each in found:
            if not _kept(each):
                if _width(each) > room:
                    continue
                room -= _width(each)
            yield each

    async def on_resize(self, event: events.Resize) -> None:
        await self.recompose()


def _kept(key: object) -> bool:
    return isinstance(key, FooterKey) and key.action.rpartition(".")[2] in _ALWAYS


def _width(key: object) -> int:
    return cell_len(key.key_display + key.description) + 2 if isinstance(key, FooterKey) else 0
