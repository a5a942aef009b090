"""Where the data lies, and the environments of peers: what `bench/sets.py` and `bench/peers/envs.py` know."""

from __future__ import annotations

import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
sys.path += [str(BENCH), str(BENCH / "peers")]

from envs import ENVIRONMENTS, default_folder, interpreter  # noqa: E402
from sets import folder  # noqa: E402

__all__ = ["ENVIRONMENTS", "default_folder", "folder", "interpreter"]
