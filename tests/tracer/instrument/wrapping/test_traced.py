"""``traced`` and ``untraced`` in each of their forms."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle
import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import pytest

from asyncctx_trace import NotTraceable, install, traced, uninstall, untraced
from instrument.event_log import events_of, log_events

T = TypeVar("T")


class Door:
    """A manager with an equality, an attribute and a method of its own."""

    def __init__(self, name: str = "front") -> None:
        self.name = name

    async def __aenter__(self) -> str:
        await asyncio.sleep(0)
        return self.name

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.sleep(0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Door) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Door({self.name!r})"


async def through(manager: Any) -> Any:
    async with manager as value:
        return value


def test_an_object_is_entered_by_many_tasks_at_once_and_each_acquisition_kept_apart() -> None:
    """Three tasks contend for a lock: three complete acquisitions, with the program's name."""

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="db lock")
        await asyncio.gather(*(through(lock) for _ in range(3)))

    with log_events() as received:
        asyncio.run(main())

    assert received.names == ["db lock"] * 3
    assert received.is_complete()
    assert len(received.events) == 12


def test_everything_else_is_forwarded_to_the_object() -> None:
    """isinstance, equality, hash, repr, attributes, weak references, copies and pickles."""
    door = Door()
    proxy = traced(door)
    proxy.name = "back"

    assert isinstance(proxy, Door)
    assert proxy == door == proxy
    assert hash(proxy) == hash(door)
    assert repr(proxy) == "Door('back')"
    assert door.name == "back"
    assert weakref.ref(proxy)() is proxy
    assert type(pickle.loads(pickle.dumps(proxy))) is Door
    assert copy.copy(proxy) == door
    assert type(copy.deepcopy(proxy)) is Door
    assert not callable(proxy)
    assert not hasattr(type(proxy), "__await__")


def test_a_lock_keeps_its_other_methods_and_these_are_seen_too() -> None:
    """``await lock.acquire()`` … ``lock.release()`` is an acquisition of a traced lock."""

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="by hand")
        await lock.acquire()
        assert lock.locked()
        lock.release()
        async with lock:
            assert lock.locked()

    with log_events() as received:
        asyncio.run(main())

    assert received.events == events_of(1, 2)
    assert received.names == ["by hand"] * 2


def test_after_uninstall_only_what_is_traced_by_name_is_seen() -> None:
    """Calls on a traced lock are recorded, calls on other locks are not."""
    install()
    uninstall()
    by_name, other = traced(asyncio.Lock(), name="by name"), asyncio.Lock()

    async def main() -> None:
        for lock in (by_name, other):
            await lock.acquire()
            lock.release()

    with log_events() as received:
        asyncio.run(main())

    assert received.names == ["by name"]


def test_a_class_is_traced_with_its_subclasses() -> None:
    """A subclass's call of its base is not another acquisition."""

    @traced
    class Base(Door):
        async def __aenter__(self) -> str:
            return await super().__aenter__()

    class Sub(Base):
        async def __aenter__(self) -> str:
            return "sub " + await super().__aenter__()

    class Other(Base):
        async def __aexit__(self, *exc: object) -> None:
            await super().__aexit__(*exc)

    async def main() -> list[str]:
        return [await through(Base()), await through(Sub()), await through(Other())]

    with log_events() as received:
        values = asyncio.run(main())

    assert values == ["front", "sub front", "front"]
    assert received.events == events_of(1, 2, 3)
    assert isinstance(Base, type)


def test_every_kind_of_class_can_be_traced() -> None:
    """__slots__, dataclasses, generics, abstract and protocol classes."""

    @traced(kind="slotted")
    class Slotted:
        __slots__ = ("x",)

        async def __aenter__(self) -> None: ...
        async def __aexit__(self, *exc: object) -> None: ...

    @traced
    @dataclass(slots=True)
    class Data(Door):
        name: str = "data"

    @dataclass(slots=True)
    @traced
    class DataBelow(Door):
        name: str = "data"

    @traced
    class Box(Door, Generic[T]):
        pass

    @traced
    class Abstract(ABC):
        @abstractmethod
        async def __aenter__(self) -> str: ...
        @abstractmethod
        async def __aexit__(self, *exc: object) -> None: ...

    class Concrete(Abstract):
        async def __aenter__(self) -> str:
            return "concrete"

        async def __aexit__(self, *exc: object) -> None: ...

    @traced
    @runtime_checkable
    class Enterable(Protocol):
        async def __aenter__(self) -> str: ...
        async def __aexit__(self, *exc: object) -> None: ...

    class Below(DataBelow):
        pass

    managers = [Slotted(), Data(), DataBelow(), Below(), Box[int](), Concrete()]

    async def main() -> None:
        for manager in managers:
            await through(manager)

    with log_events() as received:
        asyncio.run(main())

    assert received.events == events_of(1, 2, 3, 4, 5, 6)
    assert isinstance(Door(), Enterable)
    assert not isinstance(42, Enterable)
    with pytest.raises(TypeError, match="abstract"):
        Abstract()  # type: ignore[abstract]  # must raise


def test_a_librarys_class_is_used_as_before_and_restored() -> None:
    """``traced(asyncio.Semaphore)`` used as a constructor; untraced restores everything."""
    before = dict(vars(Door))
    cls = traced(Door)

    with log_events() as received:
        asyncio.run(through(cls("x")))
    untraced(cls)
    with log_events() as later:
        asyncio.run(through(cls("x")))

    assert received.events == events_of(1)
    assert later.events == []
    assert dict(vars(Door)) == before


@traced
@contextlib.asynccontextmanager
async def session(value: int = 1) -> AsyncIterator[int]:
    """The docstring."""
    yield value


def test_a_function_that_returns_a_manager() -> None:
    """It keeps its name and docstring, and works as a decorator of coroutine functions."""

    @session(2)
    async def decorated() -> str:
        return "done"

    async def main() -> list[object]:
        return [await through(session(7)), await decorated(), await decorated()]

    with log_events() as received:
        values = asyncio.run(main())

    assert values == [7, "done", "done"]
    assert received.events == events_of(1, 2, 3)
    assert received.names == ["session"] * 3
    assert (session.__name__, session.__doc__) == ("session", "The docstring.")


def test_every_kind_of_method() -> None:
    """Plain, class and static methods, decorated above and below."""

    class Factory:
        @traced
        def plain(self) -> Door:
            return Door("plain")

        @traced
        @classmethod
        def above(cls) -> Door:
            return Door("above")

        @classmethod
        @traced
        def below(cls) -> Door:
            return Door("below")

        @traced
        @staticmethod
        def static() -> Door:
            return Door("static")

    async def main() -> list[object]:
        factory = Factory()
        made = [factory.plain(), Factory.above(), factory.below(), Factory.static()]
        return [await through(manager) for manager in made]

    with log_events() as received:
        values = asyncio.run(main())

    assert values == ["plain", "above", "below", "static"]
    assert received.events == events_of(1, 2, 3, 4)


class Pool:
    """Returns objects that can be awaited or entered, as asyncpg's pool does."""

    def acquire(self) -> _Acquiring:
        return _Acquiring()


class _Acquiring:
    async def __aenter__(self) -> str:
        return "entered"

    async def __aexit__(self, *exc: object) -> None: ...

    def __await__(self) -> Generator[Any, Any, str]:
        yield from asyncio.sleep(0).__await__()
        return "awaited"


def test_a_bound_factory_stands_for_its_pool_and_what_it_makes_can_be_awaited() -> None:
    """Both uses of a dual object keep working."""
    pool = Pool()
    acquire = traced(pool.acquire, resource=pool, name="pg", capacity=3)

    async def main() -> list[str]:
        return [await through(acquire()), await acquire(), await through(traced(pool.acquire()))]

    with log_events() as received:
        values = asyncio.run(main())

    assert values == ["entered", "awaited", "entered"]
    assert received.names == ["pg", "_Acquiring"]
    assert ("manager", "pg", 3) in received.resources.values()


def test_methods_called_directly_across_tasks_or_not_at_all() -> None:
    """Entered in one task and exited in another; one that is never exited stays open."""

    async def main() -> None:
        door, dropped = traced(Door()), traced(Door("dropped"))
        await door.__aenter__()
        await dropped.__aenter__()
        await asyncio.create_task(leave(door))

    async def leave(door: Any) -> None:
        await door.__aexit__(None, None, None)

    with log_events() as received:
        asyncio.run(main())

    assert received.events == [
        ("wait", 1),
        ("enter", 1, "ok"),
        ("wait", 2),
        ("enter", 2, "ok"),
        ("body", 1, "ok"),
        ("exit", 1, "ok"),
    ]


def test_exit_stacks_take_traced_managers() -> None:
    """enter_async_context, push_async_exit, push_async_callback and pop_all."""

    async def main() -> list[str]:
        log: list[str] = []

        async def callback() -> None:
            log.append("callback")

        async with contextlib.AsyncExitStack() as stack:
            log.append(await stack.enter_async_context(traced(Door("entered"))))
            pushed = traced(Door("pushed"))
            await pushed.__aenter__()
            stack.push_async_exit(pushed)
            stack.push_async_callback(callback)
            kept = stack.pop_all()
        log.append("popped")
        await kept.aclose()
        return log

    with log_events() as received:
        log = asyncio.run(main())

    assert log == ["entered", "popped", "callback"]
    assert received.is_complete()
    assert received.names == ["Door", "Door"]


def test_traced_twice_traces_once_and_untraced_gives_the_original() -> None:
    """For objects and functions; anything that was never traced is returned unchanged."""
    lock = asyncio.Lock()
    once = traced(lock)

    assert traced(once) is once
    assert untraced(once) is lock
    assert untraced(lock) is lock
    assert traced(session) is session
    assert untraced(traced(Pool.acquire)) is Pool.acquire


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (42, "pass an async context manager"),
        (int, "has no __aenter__"),
        (open, None),
        (contextlib.nullcontext().__enter__, None),
        (contextlib.ExitStack(), "plain `with`"),
    ],
)
def test_what_cannot_be_traced_is_refused_at_once(wrong: Any, advice: str | None) -> None:
    """In one line that says what to do; a callable may yet return a manager."""
    if advice is None:
        assert callable(traced(wrong))
        return
    with pytest.raises(NotTraceable, match=advice) as refusal:
        traced(wrong)

    assert "\n" not in str(refusal.value)


def test_the_wrong_order_of_decorators_is_refused_with_the_right_one() -> None:
    """@asynccontextmanager above @traced would hide the manager from us."""

    async def generator() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(NotTraceable, match="put @traced above @asynccontextmanager"):
        contextlib.asynccontextmanager(traced(generator))


def test_a_coroutine_function_is_refused() -> None:
    """What it returns is not there before it has been awaited."""

    async def connect() -> Door:
        return Door()

    with pytest.raises(NotTraceable, match="await"):
        traced(connect)


def test_a_site_is_the_item_and_not_the_statement_around_it() -> None:
    """Whatever else the statement has: other items, a name for the value, a body."""
    front, back = traced(Door("front"), name="front"), traced(Door("back"), name="back")
    doors = [front, back]

    async def main() -> None:
        async with front as name:
            assert name
        async with (
            Door(),
            back,
        ):
            pass
        async with doors[0] as one, doors[1] as other:
            assert one != other

    with log_events() as received:
        asyncio.run(main())

    assert [text for _, _, text, _ in received.started] == ["front", "back", "doors[0]", "doors[1]"]
