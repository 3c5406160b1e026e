"""What an adapter says about a class of managers or about a pool."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from asyncctx_trace.instrument.hidden_frames import hidden
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap

__all__ = ["Adapter", "AtCreation", "Checkout", "Everywhere", "Give", "Pair", "Take", "itself"]


def itself(thing: Any) -> Any:
    """Return the argument: the manager is what tasks contend for."""
    return thing


def unknown(resource: Any) -> int | None:
    """Return ``None``: the capacity cannot be read."""
    return None


def unnamed(pool: Any) -> str | None:
    """Return ``None``: the program's expression is the name."""
    return None


def one(resource: Any) -> int | None:
    """Return the capacity of a lock."""
    return 1


def attribute(*names: str) -> Callable[[Any], Any]:
    """Read the first of these attributes that is there and not ``None``."""

    def read(thing: Any) -> Any:
        for name in names:
            found = getattr(thing, name, None)
            if found is not None:
                return found
        return None

    return read


class Everywhere:
    """Reads from all managers of a class that they stand for one resource with this name."""

    def __init__(self, name: str) -> None:
        self.name = name

    @hidden
    def __call__(self, manager: Any) -> str:
        """Return the name."""
        return self.name


class AtCreation:
    """Reads a capacity that an object is given when it is made and does not keep.

    ``initializer`` (``module.Class.__init__``) is watched; the capacity is the argument
    ``argument`` (1 is the first one after ``self``). ``kept`` reads a capacity that the object
    does keep, and wins; ``unused`` reads the capacity of an object that nobody has taken yet.
    Objects made before tracing began have an unknown capacity.
    """

    def __init__(
        self,
        initializer: str,
        argument: int = 1,
        kept: Callable[[Any], Any] = unknown,
        unused: Callable[[Any], Any] = unknown,
    ) -> None:
        self.initializer = initializer
        self.argument = argument
        self.unused = unused
        self._kept = kept
        self._made: WeakIdMap[int] = WeakIdMap()

    def remember(self, thing: Any, capacity: Any) -> None:
        """Note that ``thing`` is made with this capacity."""
        if not isinstance(capacity, int):
            return
        with suppress(TypeError):  # it cannot be watched
            self._made.add(thing, capacity)

    def __call__(self, thing: Any) -> int | None:
        """Return the capacity of ``thing``, ``None`` if it was made before tracing began."""
        kept = self._kept(thing)
        if kept is not None:
            return int(kept)
        return self._made.get(thing)


# Named tuples: importing dataclasses takes as long as importing all of this package.


class Pair(NamedTuple):
    """Two methods that acquire and release a resource without ``async with``.

    Example:
        >>> from asyncctx_trace import Pair
        >>> Pair("asyncio.locks.Lock.acquire", "asyncio.locks.Lock.release").by_result
        False
    """

    acquire: str
    """``module.Class.method`` of the coroutine function that acquires."""
    release: str
    """``module.Class.method`` of the function or coroutine function that releases."""
    by_result: bool = False
    """Whether ``release`` takes what ``acquire`` returned, such as a connection."""


class Take(NamedTuple):
    """A method through which a library takes an item out of its pool."""

    method: str
    """``module.Class.method`` or ``module:function``; a coroutine function or a plain one."""
    item: Callable[[Any], Any] = itself
    """Called with the result of the method; returns the item, which must be weakly referable."""
    pool: Callable[..., Any] = itself
    """Called with the arguments of the method; returns the pool, or ``None`` to ignore the call."""
    arguments: int = 1
    """How many leading arguments ``pool`` gets, ``self`` included."""
    granted: str = ""
    """The method whose return ends the wait, where ``method`` goes on after it."""
    holder: Callable[[Any], Any] | None = None
    """Called with the result of the method; returns the object whose garbage collection loses the
    item, where that is not the item itself."""


class Give(NamedTuple):
    """A method through which an item goes back into its pool, or is dropped from it.

    Where such methods call each other, the first to start begins the exit and the first to end
    completes it.
    """

    method: str
    """As in :class:`Take`."""
    item: Callable[..., Any]
    """Called with the arguments of the method; returns the item, or ``None`` to ignore the call."""
    arguments: int = 1
    """How many leading arguments ``item`` gets, ``self`` included."""
    every: bool = False
    """Whether ``item`` returns pools instead, and everything taken from them goes back."""


class Checkout(NamedTuple):
    """How a library takes items out of its pools and gives them back, for the program.

    Each item taken is recorded as an acquisition by call, whoever called the library. Its site is
    the innermost line of the program's own code.

    Example:
        >>> from asyncctx_trace import Adapter, Checkout, Give, Take, register_adapter
        >>> register_adapter(
        ...     Adapter(
        ...         manager="acme.db.Pool",
        ...         kind="open pool",
        ...         checkout=Checkout(
        ...             takes=(Take("acme.db.Pool.get"),),
        ...             gives=(
        ...                 Give("acme.db.Pool.put", lambda pool, item: item, arguments=2),
        ...                 Give("acme.db.Connection.close", lambda item: item),
        ...             ),
        ...             limit=lambda pool: pool.max_size,
        ...             methods=("get",),
        ...         ),
        ...     )
        ... )
    """

    takes: tuple[Take, ...]
    gives: tuple[Give, ...]
    limit: Callable[[Any], int | None] = unknown
    """Called with the pool; returns how many items may be out at once: 0 or less where there is no
    limit, ``None`` where it is not known."""
    resource: Callable[[Any], Any] = itself
    """Called with the pool; returns the object that stands for it, which must be weakly
    referable."""
    name: Callable[[Any], str | None] = unnamed
    """Called with the pool; returns its name. ``None``: the expression on which the program calls
    one of ``methods``, otherwise the class."""
    methods: tuple[str, ...] = ()
    """Methods of the pool that programs call to take an item."""
    manager: str = ""
    """The manager (``module.Class``) that takes an item when it is entered. If the program enters
    it, that acquisition stands for the item, and no second one is recorded."""
    forgets: bool = False
    """Whether the pool has room again once an item was garbage collected."""


class Adapter(NamedTuple):
    """Describes one class of managers, without importing the library that defines it.

    Example:
        A pool whose ``acquire()`` returns a new manager each time:

        >>> from asyncctx_trace import Adapter, register_adapter
        >>> register_adapter(
        ...     Adapter(
        ...         manager="acme.db._AcquireContext",
        ...         kind="pool",
        ...         resource=lambda manager: manager._pool,
        ...         capacity=lambda pool: pool.max_size,
        ...     )
        ... )
    """

    manager: str
    """``module.QualifiedName`` of the class. It applies to subclasses too."""
    kind: str
    """Kind of the resource: ``"lock"``, ``"semaphore"``, ``"pool"``, ``"session"`` or your own."""
    resource: Callable[[Any], Any] = itself
    """Called with the manager; returns the object that tasks contend for, or a name that all such
    managers share. With a pair, it is also called with the object that has the two methods."""
    capacity: Callable[[Any], int | None] = unknown
    """Called with the resource; returns how many acquisitions may hold it at once: 0 or less where
    there is no limit, ``None`` where it is not known."""
    pair: Pair | None = None
    """The methods that acquire and release without ``async with``, if there are any."""
    checkout: Checkout | None = None
    """How a library takes items out of the pool that this class is, or belongs to."""
