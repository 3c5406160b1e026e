"""Compile the hot path while a wheel is built; where that is impossible, the wheel is pure."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TRACER = Path("tracer/asyncctx_trace")


class Compiling(BuildHookInterface):  # type: ignore[type-arg]  # not generic in older hatchlings
    """Build hook of hatchling, for wheels and for editable installs."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the build, and have ``build_data`` include the result."""
        if self.target_name != "wheel" or not _wanted():
            return
        self._folder = tempfile.TemporaryDirectory()
        try:
            built = _build(Path(self.root), Path(self._folder.name))
        except Exception as error:  # no compiler, no headers, …: the Python does the same
            self.app.display_warning(f"the hot path is not compiled: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for package, file in built.items():
            folder = Path(*package.split("."))
            if version == "editable":
                target = Path(self.root) / TRACER.parent / folder / file.name
                target.unlink(missing_ok=True)  # a process that has loaded it keeps the old file
                shutil.copy(file, target)
            else:
                inside = folder / file.name
                build_data["force_include"][str(file)] = inside.as_posix()

    def finalize(self, *_: Any) -> None:
        """Remove the compiled files after the build; its arguments are not needed."""
        if self._folder is not None:
            self._folder.cleanup()

    _folder: tempfile.TemporaryDirectory[str] | None = None


def _build(root: Path, folder: Path) -> dict[str, Path]:
    """Package -> its compiled extension ``_native``."""
    from setuptools import Distribution, Extension  # type: ignore[import-untyped]  # no types
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]  # no types

    native = _native_table(root)
    extensions = [
        Extension(
            f"{package}._native",
            [str(path) for pattern in patterns for path in _c_files(root, pattern)],
            define_macros=[
                ("ASYNCCTX_TRACE_SCHEMA", str(native.schema(package))),
                ("ASYNCCTX_TRACE_SOURCES", str(native.sources(package))),
            ],
            # Names that the files share are nobody else's, and cost no look-up.
            extra_compile_args=[] if os.name == "nt" else ["-fvisibility=hidden"],
        )
        for package, patterns in native.SOURCES.items()
    ]
    command = build_ext(Distribution({"ext_modules": extensions}))
    command.build_lib = str(folder)
    command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    return {
        package: Path(command.get_ext_fullpath(f"{package}._native")) for package in native.SOURCES
    }


def _c_files(root: Path, pattern: str) -> list[Path]:
    return sorted(path for path in (root / TRACER).glob(pattern) if path.suffix == ".c")


def _native_table(root: Path) -> ModuleType:
    """The module ``native``, loaded without the package, which may lack its dependencies here."""
    spec = spec_from_file_location("asyncctx_trace_native", root / TRACER / "native.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _wanted() -> bool:
    """Not where it is declined, nor without a GIL, on which the compiled part relies."""
    return (
        not os.environ.get("ASYNCCTX_TRACE_PURE")
        and sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
    )
