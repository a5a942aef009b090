"""Bits a value of tables: `Compressor` against zstd column by column, Parquet, LZMA and, where installed, pcodec.

Whole tables, floats as float32, whole numbers as they come; whole files are counted. Without loss, and with no value
farther off than 1e-3 of its column's range, there beside the entropy of the same quantiser's numbers: of each column by
itself, and as if its shares came for free. Processor seconds for a million values, of one thread.
"""

from __future__ import annotations

import argparse
import io
import lzma
import time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from sets import folder

from latently import Compressor

TABLES = ("california", "letter", "default_credit")
SHARE = 1e-3  # of the range


def table(name: str) -> pd.DataFrame:
    found = pd.read_csv(folder() / "tables" / f"{name}.csv.gz")
    return found.astype({c: "float32" for c, t in found.dtypes.items() if t.kind == "f"})


def columns(frame: pd.DataFrame) -> list[NDArray[Any]]:
    return [np.ascontiguousarray(frame[c].to_numpy()) for c in frame]


def rivals(frame: pd.DataFrame) -> dict[str, int]:
    """Bytes of each."""
    out = io.BytesIO()
    parquet.write_table(
        pa.Table.from_pandas(frame, preserve_index=False), out, compression="zstd", compression_level=19
    )
    found = {
        "zstd": sum(len(pa.Codec("zstd", 19).compress(c.tobytes(), asbytes=True)) for c in columns(frame)),
        "Parquet": out.tell(),
        "LZMA": sum(len(lzma.compress(c.tobytes())) for c in columns(frame)),
    }
    try:
        from pcodec import ChunkConfig, standalone
    except ImportError:
        return found
    return found | {"pcodec": sum(len(standalone.simple_compress(c, ChunkConfig())) for c in columns(frame))}


def plain_quantiser(frame: pd.DataFrame) -> float:
    """Bits a value: the entropy of each column's shares, in steps of twice the error."""
    bits = []
    for values in (c.astype(np.float64) for c in columns(frame)):
        shares = np.unique(np.rint((values - values.min()) / (2 * SHARE * np.ptp(values))), return_counts=True)[1]
        bits.append(-(shares / len(values) * np.log2(shares / len(values))).sum())
    return float(np.mean(bits))


def timed(frame: pd.DataFrame, **options: Any) -> tuple[int, float, float]:
    """Bytes of the file, seconds there and back; every value is checked."""
    coder, start = Compressor(**options), time.process_time()
    file = coder.compress(frame)
    written = time.process_time()
    back = Compressor().decompress(file)
    end = time.process_time()
    bounds = options.get("max_error") or {}
    for name in frame:
        a, b = (f[name].to_numpy() for f in (frame, back))
        assert a.dtype == b.dtype
        assert np.abs(a.astype(float) - b.astype(float)).max() <= bounds.get(name, 0)
    return len(file), written - start, end - written


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for name in TABLES:
        frame = table(name)
        values = frame.size
        found = rivals(frame)
        size, there, back = timed(frame)
        speed = f"{1e6 * there / values:.1f} s there, {1e6 * back / values:.1f} s back a million"
        others = ", ".join(f"{n} {8 * b / values:.2f}" for n, b in found.items())
        print(f"{name} {frame.shape}, lossless: latently {8 * size / values:.2f}, {others}; {speed}")
        bounds = {c: SHARE * float(np.ptp(frame[c].to_numpy().astype(float))) for c in frame}
        size, there, back = timed(frame, max_error=bounds)
        speed = f"{1e6 * there / values:.1f} s there, {1e6 * back / values:.1f} s back a million"
        print(f"{name}, max error 1e-3 of range: latently {8 * size / values:.2f}, "
              f"plain quantiser's entropy {plain_quantiser(frame):.2f}; {speed}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
