"""Look at classes as the interpreter does, without running any code of a metaclass."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.instrument.hidden_frames import hidden

__all__ = ["full_name", "module_name", "mro", "on_type", "qualified_name"]

_mro: Any = type.__dict__["__mro__"].__get__
_namespace: Any = type.__dict__["__dict__"].__get__
_module: Any = type.__dict__["__module__"].__get__
_qualified_name: Any = type.__dict__["__qualname__"].__get__


@hidden
def mro(cls: type) -> tuple[type, ...]:
    """Return the class and its bases, in the order of look-ups."""
    found: tuple[type, ...] = _mro(cls)
    return found


@hidden
def module_name(cls: type) -> str:
    """Return ``cls.__module__``; ``"?"`` if that is not a string."""
    name = _module(cls)
    return name if isinstance(name, str) else "?"


@hidden
def qualified_name(cls: type) -> str:
    """Return ``cls.__qualname__``."""
    name: str = _qualified_name(cls)
    return name


@hidden
def full_name(cls: type) -> str:
    """Return ``module.QualifiedName``."""
    return f"{module_name(cls)}.{qualified_name(cls)}"


@hidden
def on_type(cls: type, name: str) -> Any:
    """Return attribute ``name`` of the class or its nearest base, unbound; ``None`` for none."""
    for base in mro(cls):
        namespace = _namespace(base)
        if name in namespace:
            return namespace[name]
    return None
