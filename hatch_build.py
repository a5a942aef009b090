"""Compile the kernels of `latently.native` while the wheel is built; `python hatch_build.py` does it in place.

Where there is no C compiler, or it fails, the wheel is pure Python and torch does the work, more slowly.
LATENTLY_NATIVE=require makes that an error.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script

    class BuildHookInterface:  # type: ignore[no-redef]
        """Nothing to plug into."""


FOLDER = Path("src/latently/native")
FLAGS = ("-O3", "-fno-math-errno", "-shared", "-fPIC", "-pthread")


def compiled(root: Path) -> bool:
    """Write `native.so` beside its source, whole or not at all; whether it could be done."""
    folder = root / FOLDER
    named = shlex.split(os.environ.get("CC", ""))
    compiler = named or [found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))][:1]
    if not compiler:
        return False
    with tempfile.TemporaryDirectory(dir=folder) as place:
        made = Path(place) / "native.so"
        command = [*compiler, *FLAGS, "-o", str(made), str(folder / "native.c"), "-lm"]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except (OSError, subprocess.CalledProcessError) as problem:
            detail = getattr(problem, "stderr", None) or str(problem).encode()
            sys.stderr.write(f"latently: the C kernels were not compiled: {detail.decode(errors='replace')}\n")
            return False
        made.replace(folder / "native.so")
    return True


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,type-arg]
    """A wheel with the kernels is for one platform, and for every Python of it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what the wheel is then for."""
        if os.environ.get("LATENTLY_NATIVE") == "0" or self.target_name != "wheel":
            return
        if not compiled(Path(self.root)):
            if os.environ.get("LATENTLY_NATIVE") == "require":
                raise RuntimeError("LATENTLY_NATIVE=require, and the C kernels could not be compiled")
            return
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["artifacts"].append(str(FOLDER / "native.so"))


if __name__ == "__main__":
    sys.exit(0 if compiled(Path(__file__).parent) else 1)
