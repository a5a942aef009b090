"""What a look at the installation finds."""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

__all__ = ["Check", "examine"]

IMPORTED_AS = {"pillow": "PIL", "scikit-learn": "sklearn"}
NOT_FOR_USERS = ("all", "dev", "docs")


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and what to do about it."""

    name: str
    status: Literal["ok", "missing", "broken"]
    found: str
    cure: str = ""

    def line(self) -> str:
        """For people."""
        state = "BROKEN: " if self.status == "broken" else ""
        return f"{state}{self.found}{f': {self.cure}' if self.cure else ''}"


def examine() -> list[Check]:
    """Every check; none raises."""
    checks = [
        Check("python", "ok", f"{platform.python_version()} ({sys.executable})"),
        Check("latently", "ok", f"{version('latently')} ({Path(__file__).parents[1]})"),
        *_packages(),
    ]
    if all(check.status == "ok" for check in checks):
        checks += [*_torch(), _works()]
    return [*checks, _memory(), _temp(), *_extras()]


def _requirements() -> list[tuple[str, str]]:
    """(package, extra) of every requirement; the extra of the core is ""."""
    found = []
    for line in requires("latently") or []:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if name:
            found.append((name.group(), extra.group(1) if extra else ""))
    return found


def _packages() -> list[Check]:
    """The core's packages, each imported."""
    good, bad = [], []
    for package in (name for name, extra in _requirements() if not extra):
        try:
            importlib.import_module(IMPORTED_AS.get(package, package))
            good.append(f"{package} {version(package)}")
        except Exception as problem:  # whatever a broken installation raises is the finding
            what = " ".join(f"{package} cannot be imported ({problem})".split())
            bad.append(Check(package, "broken", what, f"pip install --force-reinstall {package}"))
    return [Check("packages", "ok", ", ".join(good)), *bad]


def _torch() -> list[Check]:
    from latently import device, native

    torch: Any = importlib.import_module("torch")
    cuda, rocm = torch.version.cuda, getattr(torch.version, "hip", None)
    build = f"CUDA {cuda}" if cuda else f"ROCm {rocm}" if rocm else "CPU"
    target = device.resolve("auto")
    card = f" ({torch.cuda.get_device_name()})" if target.type == "cuda" else ""
    idle = " (no GPU is in reach of it)" if (cuda or rocm) and target.type == "cpu" else ""
    return [
        Check("torch", "ok", f"{torch.__version__}, {build} build{idle}"),
        Check("device", "ok", f"{target}{card}"),
        Check("threads", "ok", f"{torch.get_num_threads()} of {os.cpu_count()} processors"),
        Check("processor", "ok", f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"),
        _kernels(native.level(), native.low()),
    ]


def _kernels(level: int, low: bool) -> Check:
    if level < 0:
        cure = "install latently where there is a C compiler, and do not set LATENTLY_NATIVE=0"
        return Check("kernels", "missing", "torch does the work of our own", cure)
    return Check("kernels", "ok", ("for any processor", "AVX2", "AVX-512")[level] + " with bfloat16" * low)


def _works() -> Check:
    """A fit that takes no time."""
    import numpy as np

    from latently import Autoencoder

    start = time.monotonic()
    x = np.arange(60.0).reshape(20, 3) % 7
    try:
        again = Autoencoder(1, epochs=1, validation_fraction=None, random_state=0, verbose=False).fit(x).reconstruct(x)
    except Exception as problem:  # as above
        return Check("fit", "broken", f"a small fit failed ({type(problem).__name__}: {problem})", "please report it")
    if not np.isfinite(again).all():
        return Check("fit", "broken", "a small fit gave numbers that are not finite", "please report it")
    return Check("fit", "ok", f"a small one works ({time.monotonic() - start:.1f} s)")


def _memory() -> Check:
    try:
        page, total = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
        free = os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return Check("memory", "ok", "this system does not say")
    return Check("memory", "ok", f"{page * total / 2**30:.1f} GiB, {page * free / 2**30:.1f} GiB of it unused")


def _temp() -> Check:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"latently")
    except OSError as problem:
        return Check("temp folder", "broken", f"cannot be written ({problem})", "set TMPDIR to a folder that is yours")
    return Check("temp folder", "ok", f"{tempfile.gettempdir()} can be written")


def _extras() -> list[Check]:
    """The optional packages, by the job that needs them."""
    found: dict[str, list[str]] = {}
    for package, extra in _requirements():
        if extra and extra not in NOT_FOR_USERS:
            found.setdefault(extra, []).append(package)
    return [_extra(name, packages) for name, packages in sorted(found.items())]


def _extra(name: str, packages: list[str]) -> Check:
    missing = [package for package in packages if not _installed(package)]
    if not missing:
        return Check(f"extra {name}", "ok", "installed")
    return Check(f"extra {name}", "missing", "optional, not installed", f"pip install 'latently[{name}]'")


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
