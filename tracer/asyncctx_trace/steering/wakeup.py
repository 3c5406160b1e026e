"""A future between what a task waits for and the task, which can delay the wake-up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["Wakeup"]


class Wakeup(asyncio.Future[Any]):
    """What a steered task waits for in place of ``original``: it is done when both are ready.

    The coroutine does not see it: it is resumed in the same way as by ``original``, and reads the
    result there. A cancellation passes through at once, as if nothing were in between.
    """

    def __init__(self, original: asyncio.Future[Any] | None, loop: Any) -> None:
        """``original``: what was yielded; ``None``, as by ``asyncio.sleep(0)``, is ready."""
        super().__init__(loop=loop)
        self._asyncio_future_blocking = True
        self._original = original
        self._gate: Callable[[Wakeup], bool] | None = None
        self._cancelling = False
        self.on_resumed: Callable[[Wakeup], None] | None = None
        """Called once, when nothing delays the task any more."""
        if original is not None:
            original._asyncio_future_blocking = False  # noqa: SLF001 - the task has seen it

    def start(self, gate: Callable[[Wakeup], bool] | None) -> None:
        """Wait for the original; ``gate``, called when it is done, returns whether to go on."""
        self._gate = gate
        if self._original is None:
            self.get_loop().call_soon(self._arrived)
        else:
            self._original.add_done_callback(self._arrived)

    @property
    def is_ready(self) -> bool:
        """Whether the program itself would resume the task now."""
        return self._original is None or self._original.done()

    def _arrived(self, _original: object = None) -> None:
        if self.done():
            return
        if self._gate is not None and not self._cancelling and not self._gate(self):
            return
        self.resume()

    def resume(self) -> None:
        """Resume the task as the original does, which must be ready."""
        if self.done():
            return
        self._tell_resumed()
        original = self._original
        if original is None or not original.done():
            self.set_result(None)
        elif original.cancelled():
            super().cancel()
        else:
            # Besides what the coroutine reads from the original, tracers read it here.
            error = original.exception()
            try:
                self.set_result(None) if error is None else self.set_exception(error)
            except TypeError:  # a StopIteration
                self.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Resume the task with ``error`` in place of a result."""
        if not self.done():
            self._tell_resumed()
            self.set_exception(error)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the original; called by ``task.cancel()``."""
        if self.done():
            return False
        if self._original is None or self._original.done():
            # The task was about to be resumed: then it gets the cancellation at its next step.
            self.resume()
            return False
        self._cancelling = self._original.cancel(msg)
        return self._cancelling

    def _tell_resumed(self) -> None:
        if self.on_resumed is not None:
            self.on_resumed(self)
            self.on_resumed = None
