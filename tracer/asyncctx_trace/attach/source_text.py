"""The expressions at a line of source, by which people know a lock."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SourceText"]

_LARGEST = 4_000_000
"""Bytes of a source file that is read."""


class SourceText:
    """Reads source files as another process sees them; what cannot be read has no text."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, tuple[str, list[ast.AST]]] = {}

    def managers(self, file: str, line: int) -> list[str]:
        """Return the expressions of the ``with`` items at a line, in order."""
        text, nodes = self._file(file)
        found = [
            item.context_expr
            for node in nodes
            if isinstance(node, ast.With | ast.AsyncWith)
            for item in node.items
            if item.context_expr.lineno <= line <= (item.context_expr.end_lineno or 0)
            or node.lineno == line
        ]
        return [self._segment(text, expression) for expression in found]

    def receiver(self, file: str, line: int, methods: tuple[str, ...]) -> str:
        """Return on what one of ``methods`` is called at a line: ``self.lock``, or ``""``."""
        text, nodes = self._file(file)
        for node in nodes:
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in methods
                and node.lineno <= line <= (node.end_lineno or 0)
            ):
                return self._segment(text, node.func.value)
        return ""

    def line(self, file: str, line: int) -> str:
        """Return a line without its indentation."""
        lines = self._file(file)[0].splitlines()
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""

    def _file(self, file: str) -> tuple[str, list[ast.AST]]:
        found = self._files.get(file)
        if found is None:
            found = self._files[file] = self._read(file)
        return found

    def _read(self, file: str) -> tuple[str, list[ast.AST]]:
        path = self._root / file.lstrip("/")
        try:
            if not path.is_file() or path.stat().st_size > _LARGEST:
                return "", []
            text = path.read_text(encoding="utf-8", errors="replace")
            return text, list(_walk(ast.parse(text)))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return "", []

    def _segment(self, text: str, node: ast.expr) -> str:
        return " ".join((ast.get_source_segment(text, node) or "").split())


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    kinds = (ast.With, ast.AsyncWith, ast.Call)
    return (node for node in ast.walk(tree) if isinstance(node, kinds))
