"""Name a resource by the program's own expression, read from the source of a statement."""

from __future__ import annotations

__all__ = ["receiver"]


def receiver(text: str, methods: tuple[str, ...]) -> str:
    """Return the source of the object on which ``text`` calls one of ``methods``.

    ``self.pool`` for ``wait_for(self.pool.acquire(), 1.5)`` and ``("acquire",)``. The outermost
    call counts. If there is none, a method counts that is passed to another function, as in
    ``nursery.start_soon(event.wait)``. ``""`` if ``text`` has neither.
    """
    import ast  # for the first acquisition of a resource by a call, and no other program

    if not any(f".{method}" in text for method in methods):
        return ""
    try:
        tree = ast.parse(text.removeprefix("async with ").strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    passed = [argument for call in calls for argument in call.args]
    for node in (*(call.func for call in calls), *passed):
        if isinstance(node, ast.Attribute) and node.attr in methods:
            return ast.get_source_segment(text, node.value) or ast.unparse(node.value)
    return ""
