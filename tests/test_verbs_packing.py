"""compress, decompress and verify of tables: a file of text comes back cell by cell, Parquet as the same table."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest

from latently.faces.cli import main

pytest.importorskip("constriction")

TRICKY = '''name,whole,fixed,float,mark,code,date,free,comma
Ann,1,1.50,41.0,NA,007,2024-01-01,"a, ""b""",1;2
Bob,-3,22.00,8.3252,4,008,2024-02-01,NaN,"1,5"
Bob,0,0.10,-0.0,NA,009,,1e5,2
,12345678901234567890,3.00,1e+16,5,010,2024-01-01,-0,NA
'''


TABS = TRICKY.replace('"a, ""b"""', "a b").replace('"1,5"', "1.5").replace(",", "\t")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTLY_TRACEBACK", "1")


@pytest.fixture
def done(capsys):
    def run(command):
        assert main(command.split()) == 0, capsys.readouterr()
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(capsys):
    def run(command):
        assert main(command.split()) == 2
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize("text", [TRICKY, TABS, "a\n1\n2\n", "1,2.5\n3,4.5\n5,6.5\n", "x,y\n,\n1,\n"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_file_of_text_comes_back_cell_by_cell(text, name, done):
    Path(name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    done(f"compress {name} -o t.ltn")
    done(f"decompress t.ltn -o again-{name}")
    back = Path(f"again-{name}").read_bytes()
    assert (gzip.decompress(back) if name.endswith("gz") else back).decode() == text


def test_numbers_are_off_by_no_more_than_was_said(done, refused):
    rng = np.random.default_rng(0)
    table = pa.table({"price": np.round(rng.normal(50, 9, 900), 2), "count": rng.integers(0, 99, 900)})
    pyarrow.csv.write_csv(table, "t.csv")
    sizes = {}
    for error in ("", "--max-error price=0.1", "--max-error 0.1"):
        sizes[error] = json.loads(done(f"compress t.csv -o t.ltn {error} --json"))["bytes"]
        done("decompress t.ltn -o again.csv")
        back = pyarrow.csv.read_csv("again.csv")
        assert back["count"].to_pylist() == table["count"].to_pylist()
        off = np.abs(back["price"].to_numpy() - table["price"].to_numpy()).max()
        assert off <= 0.1 * bool(error)
    assert sizes["--max-error price=0.1"] == sizes["--max-error 0.1"] < sizes[""]
    pyarrow.csv.write_csv(table.append_column("town", pa.array(["Rome"] * 900)), "towns.csv")
    said = refused("compress towns.csv -o t.ltn --max-error town=1")
    assert "--max-error town=1" in said
    assert "column 'town' holds no numbers, but string" in said
    for wrong in ("much", "price=much", "1 --max-error price=2", "cost=1", "-1"):
        assert "max-error" in refused(f"compress t.csv -o t.ltn --max-error {wrong}")


def test_parquet_comes_back_as_the_same_table_and_as_text(done):
    table = pa.table({
        "level": pa.array(["a", None, "b"] * 40).dictionary_encode(),
        "when": pa.array([1, 2, None] * 40, pa.timestamp("ms")), "list": [[1], [], None] * 40,
    }, metadata={"owner": "me"})  # fmt: skip
    parquet.write_table(table, "t.parquet")
    done("compress t.parquet -o t.ltn")
    assert "120 in 3 columns" in done("verify t.ltn")
    done("decompress t.ltn -o again.parquet")
    back, wanted = parquet.read_table("again.parquet"), parquet.read_table("t.parquet")
    assert back.equals(wanted)
    assert back.schema.equals(wanted.schema, check_metadata=True)


def test_a_damaged_table_and_a_wrong_option_are_told(done, refused):
    Path("t.csv").write_text(TRICKY)
    done("compress t.csv -o t.ltn")
    data = bytearray(Path("t.ltn").read_bytes())
    data[-3] ^= 8
    Path("bad.ltn").write_bytes(data)
    for command in ("verify bad.ltn", "decompress bad.ltn -o again.csv"):
        assert "bad.ltn" in refused(command)
    assert not Path("again.csv").exists()
    for option in ("--quality 50", "--drop name", "--keep m.safetensors"):
        assert f"needs no model and no {option.split()[0]}" in refused(f"compress t.csv -o t.ltn {option}")
    assert "would be lost" in refused("compress t.csv -o t.csv")
    assert "does not say what table" in refused("decompress t.ltn -o folder")
