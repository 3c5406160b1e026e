"""A resource is called what the program calls it."""

from __future__ import annotations

import pytest

from asyncctx_trace.instrument.registry.naming import receiver


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pool.getconn()", "pool"),
        ("pool.getconn(timeout=0.05)", "pool"),
        ("await pool.getconn(timeout=0.05)", "pool"),
        ("self.state.pool.getconn(key='a.b(c')", "self.state.pool"),
        ("asyncio.wait_for(self.pool.getconn(), timeout=1.5)", "self.pool"),
        ("pools[kind].getconn()", "pools[kind]"),
        ("await (await make()).getconn()", "await make()"),
        ("pool_of(user.name).getconn()", "pool_of(user.name)"),
        ("nursery.start_soon(self.pool.getconn)", "self.pool"),
        ("to_thread(outer.getconn, inner.getconn())", "inner"),
        ("pool.connection()", ""),
        ("getconn()", ""),
        ("pool.getconn(", ""),
        ("", ""),
    ],
)
def test_the_expression_before_the_method_is_the_name(text: str, name: str) -> None:
    assert receiver(text, ("getconn",)) == name
