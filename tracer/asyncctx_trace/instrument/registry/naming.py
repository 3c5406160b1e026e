"""Name a resource by the program's own expression, read from the source of a statement."""

from __future__ import annotations

__all__ = ["receiver"]


def receiver(text: str, methods: tuple[str, ...]) -> str:
    """Return the source of the object on which ``text`` calls one of ``methods``.

    ``self.pool`` for ``wait_for(self.pool.acquire(), 1.5)`` and ``("acquire",)``. The outermost
    call counts. ``""`` if ``text`` has no such call.
    """
    import ast  # for the first acquisition of a resource by a call, and no other program

    if not any(f".{method}" in text for method in methods):
        return ""
    try:
        tree = ast.parse(text.removeprefix("async with ").strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in methods
        ):
            return ast.get_source_segment(text, node.func.value) or ast.unparse(node.func.value)
    return ""
