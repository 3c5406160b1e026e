"""Compiles the hot path while a wheel is built; where that cannot be done, the wheel is pure."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = {
    "asyncctx_trace.instrument._native": "tracer/asyncctx_trace/instrument/_native.c",
    "asyncctx_trace.recording._native": "tracer/asyncctx_trace/recording/_native.c",
}


class Compiling(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling runs before it packs a wheel, or makes an editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
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
        for name, file in built.items():
            room = Path(SOURCES[name]).parent
            if version == "editable":
                place = Path(self.root) / room / file.name
                place.unlink(missing_ok=True)  # whoever has it loaded is left with it
                shutil.copy(file, place)
            else:
                inside = room.relative_to("tracer") / file.name
                build_data["force_include"][str(file)] = inside.as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    _folder: tempfile.TemporaryDirectory[str] | None = None


def _build(root: Path, folder: Path) -> dict[str, Path]:
    """Module -> compiled file."""
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    extensions = [Extension(name, [str(root / source)]) for name, source in SOURCES.items()]
    command = build_ext(Distribution({"ext_modules": extensions}))
    command.build_lib = str(folder)
    command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    return {name: Path(command.get_ext_fullpath(name)) for name in SOURCES}


def _wanted() -> bool:
    """Not where it is declined, nor without a GIL, on which the compiled part relies."""
    return (
        not os.environ.get("ASYNCCTX_TRACE_PURE")
        and sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
    )
