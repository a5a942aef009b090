"""One virtual environment for each peer, made once, every version named here."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENVIRONMENTS", "HERE", "Environment", "default_folder", "interpreter"]

TORCH = "torch==2.13.0"  # pip takes the build that it is set up to find; that of the tables has no CUDA
NUMPY = "numpy==2.4.6"
LIMIT = 1800  # seconds for one installation


@dataclass(frozen=True)
class Environment:
    """What pip installs, and what it then adds without a look at what that asks for."""

    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()


HERE = "here"  # the interpreter that runs the harness: ours, and loops that need torch alone
ENVIRONMENTS = {
    "pyod": Environment(("pyod==3.6.7", "tqdm==4.70.1", TORCH)),
    "pythae": Environment(("pythae==0.1.2", TORCH)),
    "encdr": Environment(("lightning==2.6.6", "scikit-learn==1.9.1", TORCH, NUMPY), ("encdr==1.2.0",)),  # asks for 3.12
    "autoencoders": Environment(("autoencoders==0.6.8", TORCH, NUMPY)),
    "sklearn": Environment(("scikit-learn==1.9.1", NUMPY)),
    "skorch": Environment(("skorch==1.4.0", TORCH)),
    "lightning": Environment(("lightning==2.6.6", TORCH)),
    "keras": Environment(("keras==3.15.1", "jax==0.10.2", TORCH, NUMPY)),
}


def default_folder() -> Path:
    """Where environments go unless the user names a folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "bench_envs"


def interpreter(name: str, folder: Path) -> tuple[str | None, str]:
    """The interpreter of the environment `name`, made if it is not there yet; or None and why there is none."""
    if name == HERE:
        return sys.executable, ""
    home = folder / name
    python, mark = home / "bin" / "python", home / "done.txt"
    wanted = ENVIRONMENTS[name]
    asked = " ".join((*wanted.packages, *wanted.alone))
    if mark.exists() and mark.read_text() == asked:
        return str(python), ""
    print(f"making the environment of {name} ...", file=sys.stderr, flush=True)
    try:
        venv.create(home, clear=True, with_pip=True)
        problem = _pip(python, *wanted.packages)
        if wanted.alone and not problem:
            problem = _pip(python, "--no-deps", "--ignore-requires-python", *wanted.alone)
    except (OSError, subprocess.SubprocessError) as found:
        problem = type(found).__name__
    if problem:
        return None, problem
    mark.write_text(asked)
    return str(python), ""


def _pip(python: Path, *what: str) -> str:
    """Install; returns what went wrong."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", *what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    if not done.returncode:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines()]
    told = [line for line in lines if line.lower().startswith("error") or ": error:" in line]
    return (told or lines or ["pip failed"])[0][:160]
