"""Names of what a program defines, and of what is not defined."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asyncctx_trace.model.events import ErrorText, ResourceDefined, SiteDefined, TaskDefined
from asyncctx_trace.model.names import (
    class_name,
    error_summary,
    function_name,
    relative_path,
    resource_name,
    site_name,
    site_path,
    task_name,
)


@dataclass
class Defined:
    """Definitions, as a timeline has them."""

    tasks: dict[int, TaskDefined] = field(default_factory=dict)
    resources: dict[int, ResourceDefined] = field(default_factory=dict)
    sites: dict[int, SiteDefined] = field(default_factory=dict)


def site(file: str, line: int = 12) -> Defined:
    return Defined(sites={1: SiteDefined(1, file, line, "Shop.refresh", "self.lock")})


def test_names_are_shortened_and_escaped() -> None:
    """A name may be anything that a program passes."""
    defined = Defined(
        tasks={1: TaskDefined(0, 1, "\x1b[2J" + "x" * 100 + "17", "asyncio", None, 0, "")},
        resources={1: ResourceDefined(1, "lock", "db\nlock", 1)},
    )

    assert task_name(defined, 1, 12) == "\\x1b[2…xxx17"
    assert resource_name(defined, 1) == "db\\nlock"


def test_a_full_name_is_as_recorded() -> None:
    """To compare it with what the user wrote."""
    defined = Defined(resources={1: ResourceDefined(1, "lock", "db\nlock" * 10, 1)})

    assert resource_name(defined, 1, None) == "db\nlock" * 10


def test_what_is_not_defined_is_named_by_its_number() -> None:
    """Its definition may have been lost."""
    assert task_name(Defined(), 7) == "task 7"
    assert resource_name(Defined(), 7, None) == "resource 7"
    assert site_name(Defined(), 7) == ""
    assert site_path(Defined(), 7) == "?"
    assert function_name(Defined(), 7) == ""


def test_a_site_is_named_by_its_file_and_line() -> None:
    """Sentences show the file alone."""
    assert site_name(site("/srv/shop/app.py"), 1) == "app.py:12"
    assert function_name(site("app.py"), 1) == "Shop.refresh"


def test_a_path_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If that is shorter."""
    monkeypatch.chdir(tmp_path)

    assert site_path(site(str(tmp_path / "shop" / "app.py")), 1) == str(Path("shop/app.py:12"))
    assert relative_path("/a") == "/a"
    assert relative_path("<string>") == "<string>"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, "src/shop/orders/checkout.py:12"),
        (28, "…/shop/orders/checkout.py:12"),
        (27, "…/orders/checkout.py:12"),
        (24, "…/orders/checkout.py:12"),
        (20, "…/checkout.py:12"),
        (10, "…/che…y:12"),
    ],
)
def test_a_long_path_loses_its_first_folders(width: int, shown: str) -> None:
    """The file and the line matter most."""
    assert site_path(site("src/shop/orders/checkout.py"), 1, width) == shown


def test_an_error_is_named_by_its_class_and_message() -> None:
    """Without the module of the class."""
    assert error_summary(ErrorText("builtins.ValueError", "bad"), 40) == "ValueError: bad"
    assert error_summary(ErrorText("asyncio.exceptions.CancelledError", ""), 40) == "CancelledError"
    assert error_summary(ErrorText("builtins.ValueError", "x" * 50), 15) == "ValueError: xx…"
    assert class_name("KeyError") == "KeyError"
