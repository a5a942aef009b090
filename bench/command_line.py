"""Every verb on whole tables, no flags but files and roles: `python bench/command_line.py [SET ...]`.

For each set: fit, then encode, detect, impute, map and report, each from the table alone; seconds by the clock of each,
and whether every dtype survived and every known cell came back as it was.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet
from sets import folder

from latently.faces import tables

SETS = {
    "adult_train": ("tables/adult_train.csv.gz", "--label income"),
    "california_housing": ("california_housing/california_housing.csv.gz", ""),
    "default_credit": ("tables/default_credit.csv.gz", ""),
    "nycflights13": ("nycflights13/flights.parquet", ""),
}
VERBS = {
    "fit": "m.safetensors", "encode": "codes.parquet", "detect": "strange.parquet", "impute": "whole.parquet",
    "map": "map.parquet", "reconstruct": "again.parquet", "report": "report.html",
}  # fmt: skip
MODELLED = ("encode", "reconstruct", "report")  # from the model of `fit`; the others fit what they need


def run(verb: str, data: Path, out: Path, roles: str) -> tuple[float, str]:
    """Seconds, and the last line printed."""
    given = [str(out.parent / "m.safetensors")] if verb in MODELLED else []
    flags = [] if verb in MODELLED else roles.split()
    command = [str(Path(sys.executable).with_name("latently")), verb, *given, str(data), "-o", str(out), *flags]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        return seconds, f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1]}"
    return seconds, done.stdout.strip().splitlines()[-1]


def checked(data: Path, out: Path, known: bool) -> str:
    """Whether dtypes, and known cells, are those of the table."""
    before, after = tables.read(data), pyarrow.parquet.read_table(out)
    wrong = [n for n in before.column_names if before.schema.field(n).type != after.schema.field(n).type]
    changed = []
    for name in before.column_names if known else ():
        old, new = before.column(name).to_pylist(), after.column(name).to_pylist()
        changed += [name] * any(a is not None and a == a and a != b for a, b in zip(old, new, strict=True))
    return f"dtypes differ: {wrong or 'none'}" + (f", known cells changed: {changed or 'none'}" if known else "")


def main() -> None:
    """One line a verb."""
    for name in sys.argv[1:] or SETS:
        path, roles = SETS[name]
        data = folder() / path
        with tempfile.TemporaryDirectory() as place:
            for verb, target in VERBS.items():
                out = Path(os.environ.get("KEEP", place)) / (f"{name}-{target}" if "KEEP" in os.environ else target)
                if "KEEP" in os.environ and verb == "fit":
                    out = out.with_name("m.safetensors")
                seconds, told = run(verb, data, out, roles)
                more = (
                    checked(data, out, verb == "impute") if verb in ("impute", "reconstruct") and out.exists() else ""
                )
                size = f"{out.stat().st_size / 1e6:.1f} MB" if out.exists() else "nothing"
                print(f"{name:20s} {verb:12s} {seconds:7.1f} s  {size:>9s}  {told.split('/')[-1]}  {more}", flush=True)


if __name__ == "__main__":
    main()
