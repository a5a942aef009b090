"""Write tests/golden/schemaN.safetensors: a small model of mixed columns that every later version must read.

Usage: python tools/golden.py     (once for each new schema number; never for one that has been released)
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from latently import Autoencoder, Table, save
from latently.engine.store import SCHEMA


def main() -> None:
    """Fit, save, and note what the file must give."""
    rng = np.random.default_rng(0)
    n = 60
    size = rng.normal(size=n)
    table = pa.table({
        "key": [f"k{i}" for i in range(n)],
        "size": size, "count": np.rint(5 + 2 * size).astype(int), "town": np.where(size > 0, "Rome", "Oslo"),
        "good": size > 0.5, "when": pa.array((1.6e9 + 86400 * np.arange(n)).astype(int), pa.timestamp("s")),
        "grade": pa.DictionaryArray.from_arrays(rng.integers(0, 3, n), ["low", "mid", "high"], ordered=True),
        "gap": [None if i % 5 == 0 else float(size[i]) for i in range(n)],
    })  # fmt: skip
    model = Autoencoder(2, network=(8,), epochs=30, random_state=0, data=Table(id="key"), device="cpu").fit(table)
    folder = Path(__file__).parents[1] / "tests" / "golden"
    folder.mkdir(exist_ok=True)
    save(model, folder / f"schema{SCHEMA}.safetensors")
    few = table.slice(0, 5)
    rows = {name: few.column(name).to_pylist() for name in few.column_names}
    rows["when"] = [int(t.timestamp()) for t in rows["when"]]
    facts = {
        "rows": rows, "codes": model.transform(few).tolist(), "schema": model.summary()["schema"],
        "towns": model.reconstruct(few).column("town").to_pylist(),
    }  # fmt: skip
    (folder / f"schema{SCHEMA}.json").write_text(json.dumps(facts, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
