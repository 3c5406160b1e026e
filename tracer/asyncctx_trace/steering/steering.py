"""Steer this process by the rules of an order file.

Only suspensions that the program itself makes are prolonged: a task is held after it has yielded to
the event loop, and never where it would not have done so. So everything that happens in a steered
run can happen in another one as well, if what was awaited takes longer.
"""

from __future__ import annotations

import atexit
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncctx_trace.instrument.publish import ENTERING, HOLDING
from asyncctx_trace.instrument.registry import resources
from asyncctx_trace.instrument.registry.tasks import current_task, running
from asyncctx_trace.instrument.rewriting.steered_awaits import Steered
from asyncctx_trace.steering.accounts import Lost, lost_permits
from asyncctx_trace.steering.order import Hold, Injection, Others, Place, Rule, place_text

if TYPE_CHECKING:
    from asyncctx_trace.steering.wakeup import Wakeup

__all__ = ["Steering"]

_SETTLING = 0.2
"""Seconds after the end of a cancelled task in which what it held must have been returned."""
_MOST_HOLDS = 20
"""How often a rule may hold a task in vain: a program that never comes to the other place would
otherwise run for hours."""


class _InjectedError(OSError):
    """What an awaited object raises because of a rule ``fail``."""


class _Held:
    """A suspension at a place that some rule names."""

    def __init__(self, places: frozenset[Place], holds: list[_HoldState]) -> None:
        self.places = places
        self.holds = holds
        self.timer: Any = None


class _HoldState:
    """A rule ``hold``, and how often it has held a task in vain."""

    def __init__(self, rule: Hold) -> None:
        self.rule = rule
        self.in_vain = 0


class _InjectionState:
    """A rule ``cancel`` or ``fail``, and how often a task was suspended at its place."""

    def __init__(self, rule: Injection) -> None:
        self.rule = rule
        self.seen = 0


class _Point:
    """The places that one ``await`` in the program may be."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self.places = places


class Steering:
    """The state of all rules. One event loop at a time is steered: that which comes first."""

    def __init__(self, rules: Iterable[Rule], account: Path | None = None) -> None:
        """``account``: where to write, at the end, what the injections did and what was lost."""
        rules = tuple(rules)
        self._lost: list[Lost] = []
        self._holds = [_HoldState(rule) for rule in rules if isinstance(rule, Hold)]
        self._injections = [_InjectionState(rule) for rule in rules if isinstance(rule, Injection)]
        self._places = tuple(
            dict.fromkeys(
                place
                for rule in rules
                for place in (
                    rule.place,
                    *(each.place for each in (rule.until if isinstance(rule, Hold) else ())),
                )
            )
        )
        self._by_file: dict[str, tuple[Place, ...]] = {}
        self._suspended: dict[Wakeup, _Held] = {}
        self._names: dict[int, str] = {}
        self._loop: Any = None
        if account is not None:
            atexit.register(self._write, account)

    # -- when code is rewritten -------------------------------------------------------------

    def points(self, file: str, lines: frozenset[int], in_exit: bool) -> Steered | None:
        """Return what steers an await in ``file`` on one of ``lines``, ``None`` for nothing."""
        if file not in self._by_file:
            self._by_file[file] = tuple(place for place in self._places if place.is_in(file))
        found = tuple(
            place
            for place in self._by_file[file]
            if place.in_exit == in_exit and place.has_line(lines)
        )
        return Steered(_Point(found), self._suspends) if found else None

    def wants(self, file: str) -> bool:
        """Return whether a place is in ``file``."""
        return any(place.is_in(file) for place in self._places)

    # -- when a task suspends ---------------------------------------------------------------

    def _suspends(self, point: _Point, value: Any) -> Any:
        """Return what the task is to wait for, that suspends on ``value`` at ``point``."""
        try:
            return self._steered(point, value)
        except Exception:  # nothing of ours may raise into the program
            import logging  # a tenth of our import time, and seldom needed

            log = logging.getLogger("asyncctx_trace")
            log.exception("asyncctx-trace: steering failed and stops")
            self._holds, self._injections, self._places = [], [], ()
            return value

    def _steered(self, point: _Point, value: Any) -> Any:
        native, _ = running()
        asyncio: Any = sys.modules.get("asyncio")
        if asyncio is None or not isinstance(native, asyncio.Future):
            return value  # trio's, or no task
        if value is not None and not getattr(value, "_asyncio_future_blocking", False):
            return value
        from asyncctx_trace.steering.wakeup import Wakeup  # it imports asyncio

        if isinstance(value, Wakeup):  # of an inner await
            return value
        loop = asyncio.get_running_loop()
        if self._loop is None or self._loop.is_closed():
            self._loop = loop
        if loop is not self._loop:
            return value
        names = self._names_of(current_task().open)
        places = frozenset(
            place for place in point.places if not place.holding or place.holding in names
        )
        injected = self._injected(places)
        holds = [
            hold for hold in self._holds if hold.rule.place in places and hold.in_vain < _MOST_HOLDS
        ]
        if not places or (injected is None and not self._holds):
            return value
        wakeup = Wakeup(value, loop)
        self._suspended[wakeup] = _Held(places, holds)
        wakeup.on_resumed = self._resumed
        task = current_task()
        if task.wait and value is not None and task.suspended_on == id(value):
            task.suspended_on = id(wakeup)  # outer frames pass on this one
        gate: Callable[[Wakeup], bool] | None = self._may_go_on if holds else None
        if injected is not None:
            gate = self._inject(injected, wakeup, native, loop) or gate
        wakeup.start(gate)
        self._release()
        return wakeup

    def _names_of(self, open_: Iterable[Any]) -> set[str]:
        """Return the names of what a task has acquired or is acquiring."""
        names = set()
        for acquisition in open_:
            if acquisition.state not in (ENTERING, HOLDING):
                continue
            if acquisition.resource not in self._names:
                self._names = {each.id: " ".join(each.name.split()) for each in resources.known()}
            names.add(self._names.get(acquisition.resource, ""))
        return names

    # -- holding ----------------------------------------------------------------------------

    def _may_go_on(self, wakeup: Wakeup) -> bool:
        """Return whether the task may be resumed now that what it awaits is ready."""
        held = self._suspended[wakeup]
        waiting = [hold for hold in held.holds if not self._is_met(hold, wakeup)]
        if not waiting:
            return True
        limit = min(hold.rule.at_most for hold in waiting)
        held.timer = self._loop.call_later(limit / 1e9, self._give_up, wakeup)
        return False

    def _give_up(self, wakeup: Wakeup) -> None:
        held = self._suspended.get(wakeup)
        for hold in () if held is None else held.holds:
            hold.in_vain += 1
        wakeup.resume()

    def _is_met(self, hold: _HoldState, wakeup: Wakeup) -> bool:
        until = hold.rule.until
        return bool(until) and all(self._count(others, wakeup) >= others.count for others in until)

    def _count(self, others: Others, besides: Wakeup) -> int:
        return sum(
            each is not besides and others.place in held.places
            for each, held in self._suspended.items()
        )

    def _release(self) -> None:
        """Let go all tasks that were held for the one that has come."""
        met = [
            wakeup
            for wakeup, held in self._suspended.items()
            if held.holds and all(self._is_met(hold, wakeup) for hold in held.holds)
        ]
        for wakeup in met:
            self._suspended[wakeup].holds = []
            if wakeup.is_ready:
                wakeup.resume()

    def _resumed(self, wakeup: Wakeup) -> None:
        held = self._suspended.pop(wakeup, None)
        if held is not None and held.timer is not None:
            held.timer.cancel()

    # -- injecting --------------------------------------------------------------------------

    def _injected(self, places: frozenset[Place]) -> Injection | None:
        """Return the rule that takes effect at this suspension."""
        result = None
        for state in self._injections:
            if state.rule.place in places:
                state.seen += 1
                if state.seen == state.rule.on:
                    result = state.rule
        return result

    def _inject(
        self, rule: Injection, wakeup: Wakeup, native: Any, loop: Any
    ) -> Callable[[Wakeup], bool] | None:
        """Carry out ``rule``; returns what is to be called when the awaited object is done."""
        if rule.fails:
            loop.call_soon(wakeup.fail, _InjectedError("injected by asyncctx-trace"))
            native.add_done_callback(lambda _: loop.call_later(_SETTLING, self._settle, loop))
            return None

        def cancel(_wakeup: Wakeup | None = None) -> bool:
            native.cancel()
            native.add_done_callback(lambda _: loop.call_later(_SETTLING, self._settle, loop))
            if rule.twice:
                # By then it has suspended in the cleanup, or has ended.
                loop.call_soon(loop.call_soon, loop.call_soon, native.cancel)
            return False

        if rule.when_done:
            return cancel
        loop.call_soon(cancel)
        return None

    def _settle(self, loop: Any) -> None:
        """Note what is in use and held by no task, now and a little later."""
        before = {each["name"]: each for each in lost_permits()}

        def again() -> None:
            self._lost = [each for each in lost_permits() if each["name"] in before]

        if before:
            loop.call_later(_SETTLING, again)

    def _write(self, account: Path) -> None:
        seen = [[place_text(each.rule.place), each.seen] for each in self._injections]
        injected = any(each.seen >= each.rule.on for each in self._injections)
        account.write_text(json.dumps({"seen": seen, "injected": injected, "lost": self._lost}))
