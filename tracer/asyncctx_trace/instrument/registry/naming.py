"""What the program calls a resource, read from the source of a statement."""

from __future__ import annotations

__all__ = ["receiver"]


def receiver(text: str, methods: tuple[str, ...]) -> str:
    """Return the source of what one of ``methods`` is called on in the expression ``text``.

    ``self.pool`` for ``wait_for(self.pool.acquire(), 1.5)`` and ``("acquire",)``; of several the
    outermost. ``""`` where no such call stands in ``text``.
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
