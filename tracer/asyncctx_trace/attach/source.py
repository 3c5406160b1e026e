"""The text of the modules that are sent into other programs, as one script."""

from __future__ import annotations

import ast
from pathlib import Path

__all__ = ["script"]

_FOLDER = Path(__file__).parent / "in_process"
_OWN = "asyncctx_trace.attach.in_process"


def script(*modules: str, ending: str) -> str:
    """Return the text of ``modules`` of ``in_process``, one after the other, and ``ending``.

    ``values`` is always the first of them.

    Their imports of each other, and of what annotations need alone, are left out: list a module
    after those that it imports.
    """
    return "\n".join([*map(_without_own_imports, ("values", *modules)), ending])


def _without_own_imports(module: str) -> str:
    text = (_FOLDER / f"{module}.py").read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith((_OWN, "typing")):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "\n".join(lines)
