"""How much of everything a report shows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Extent"]


@dataclass(frozen=True, slots=True)
class Extent:
    """How many of each are shown; ``None`` stands for all."""

    groups: int | None = 5
    """Groups of findings."""
    rows: int | None = 10
    """Rows of a table."""
    by: str = "site"
    """What the time of waiters is charged to: each ``site`` or each ``task`` that held."""

    @property
    def full(self) -> bool:
        """Whether nothing is left out."""
        return self.groups is None
