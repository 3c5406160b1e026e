"""The footer: as many key bindings as fit."""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Footer, Input
from textual.widgets._footer import FooterKey

__all__ = ["Keys"]

_ALWAYS = ("help", "quit")
"""Actions that are always shown."""


class Keys(Footer):
    """A footer that leaves out whole bindings instead of cutting the last one.

    While text is typed, it shows only the keys of the prompt: the others type. Otherwise the keys
    of the focused pane come first.
    """

    of_view: reactive[tuple[str, ...]] = reactive((), recompose=True)
    """The ids of further bindings to show, which are useful in the current view."""

    def compose(self) -> ComposeResult:
        found = list(super().compose())
        focused = self.screen.focused
        active = [*self.screen.active_bindings.values()]
        own = {each.binding.key for each in active if each.node is focused}
        first: list[Widget] = [
            each for each in found if isinstance(each, FooterKey) and each.key in own
        ]
        if isinstance(focused, Input):
            found = first
        else:
            extra = [each.binding for each in active if each.binding.id in self.of_view]
            first += [self._key(binding) for binding in extra if not binding.show]
            found = [*first, *(each for each in found if each not in first)]
        free = self.app.size.width
        free -= sum(_width(each) for each in found if _kept(each))
        for each in found:
            if not _kept(each):
                if _width(each) > free:
                    continue
                free -= _width(each)
            yield each

    def _key(self, binding: Binding) -> FooterKey:
        """Return the footer's widget for a binding."""
        key = self.app.get_key_display(binding)
        return FooterKey(
            binding.key, key, binding.description, binding.action, tooltip=binding.tooltip
        ).data_bind(compact=Footer.compact)

    async def on_resize(self) -> None:
        await self.recompose()


def _kept(key: object) -> bool:
    return isinstance(key, FooterKey) and key.action.rpartition(".")[2] in _ALWAYS


def _width(key: object) -> int:
    return cell_len(key.key_display + key.description) + 2 if isinstance(key, FooterKey) else 0
