"""Call a function of somebody else's and wait no longer than a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["BoundedCall"]


class BoundedCall:
    """Calls ``function``, on a thread of its own where there is a limit.

    A call that exceeds its limit goes on in the background. The next one first waits for it, so
    there is at most one such thread.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._running: threading.Thread | None = None

    def __call__(self, limit: float | None, *args: Any, **kwargs: Any) -> tuple[bool, Any]:
        """Return whether the call ended within ``limit`` (s), and what it returned.

        Raises:
            Exception: What the function raised.
        """
        if limit is None:
            return True, self._function(*args, **kwargs)
        deadline = time.monotonic() + limit
        running = self._running
        if running is not None:
            running.join(max(0.0, limit))
            if running.is_alive():
                return False, None
        outcome: list[Any] = []
        errors: list[Exception] = []

        def call() -> None:
            try:
                outcome.append(self._function(*args, **kwargs))
            except Exception as error:
                errors.append(error)

        self._running = threading.Thread(target=call, name="asyncctx-trace flush", daemon=True)
        self._running.start()
        self._running.join(max(0.0, deadline - time.monotonic()))
        if errors:
            raise errors[0]
        return bool(outcome), outcome[0] if outcome else None
