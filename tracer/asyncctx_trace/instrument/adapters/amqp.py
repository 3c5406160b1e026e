"""aio-pika's pool of connections or channels."""

from __future__ import annotations

import weakref
from typing import Any

from asyncctx_trace.instrument.adapters.model import Adapter, Everywhere

__all__ = ["ADAPTERS"]

_sizes: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
"""The limit of the pool to which a queue belongs."""


def _queue(manager: Any) -> Any:
    """The pool is not weakly referable; its queue lives as long."""
    pool = manager.pool
    queue = pool._Pool__items
    if queue not in _sizes:
        _sizes[queue] = pool._Pool__max_size or 0
    return queue


ADAPTERS = (
    Adapter("aio_pika.pool.PoolItemContextManager", "pool", _queue, _sizes.get),
    Adapter("aio_pika.pool.Pool", "open pool", Everywhere("aio_pika.Pool")),
)
