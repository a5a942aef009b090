"""The command line's promises: quick help, tables in and out, one line for a mistake, nothing else."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from sklearn.datasets import load_wine

import latently
from latently import native
from latently.faces import options, screen, tables
from latently.faces.cli import app, main
from latently.faces.doctor import examine

VERBS = (
    "fit", "encode", "reconstruct", "detect", "impute", "denoise", "map", "sample", "compress", "decompress", "verify",
    "evaluate", "report", "monitor", "info", "doctor", "demo", "classify", "search build", "search query",
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Each test works in a folder of its own; an unforeseen error shows where it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTLY_TRACEBACK", "1")


@pytest.fixture(scope="session")
def wine_table():
    """Wine with names in front, whole numbers among the measurements and a missing cell."""
    data = load_wine()
    data |= dict(zip(data.feature_names, data.data.T, strict=True))
    columns = {"name": pa.array([f"wine {i}" for i in range(len(data.data))])}
    columns |= {name: pa.array(data[name]) for name in data.feature_names[:6]}
    columns |= {name: pa.array(data[name].astype("int64")) for name in ("magnesium", "proline")}
    hue = data["hue"].tolist()
    hue[3] = None
    return pa.table(columns | {"hue": pa.array(hue)})


@pytest.fixture(scope="session")
def model_bytes(wine_table, tmp_path_factory):
    """A model of that table, fitted by the command line in no time."""
    folder = tmp_path_factory.mktemp("model")
    pyarrow.csv.write_csv(wine_table, folder / "wine.csv")
    wanted = f"fit {folder}/wine.csv -o {folder}/m.safetensors -n 3 --drop name --epochs 5"
    assert main(wanted.split()) == 0
    return (folder / "m.safetensors").read_bytes()


@pytest.fixture
def wine_csv(wine_table, tmp_path):
    pyarrow.csv.write_csv(wine_table, tmp_path / "wine.csv")
    return "wine.csv"


@pytest.fixture
def model(model_bytes, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(model_bytes)
    return "m.safetensors"


def run(command, capsys):
    """Exit code, standard output, lines of the error stream."""
    capsys.readouterr()
    code = main(command.split())
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


# ---------------------------------------------------------------------- help and version


def test_help_and_version_load_nothing_heavy_and_take_under_0_4_seconds():
    script = """
import sys, time
start = time.process_time()
from latently.faces.cli import main
assert main(sys.argv[1:]) == 0
heavy = {"torch", "sklearn", "numpy", "pandas", "scipy", "pyarrow"} & set(sys.modules)
assert not heavy, heavy
assert time.process_time() - start < 0.4
"""
    for arguments in (["--help"], ["--version"], ["fit", "--help"]):
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_no_arguments_show_the_help(capsys):
    code, out, err = run("", capsys)
    assert (code, err) == (0, [])
    assert all(f"\n  {verb.partition(' ')[0]} " in out for verb in VERBS)


def test_version(capsys):
    assert run("--version", capsys) == (0, f"latently {latently.__version__}\n", [])


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_has_one_example_that_fits_a_line(verb, capsys):
    code, out, _ = run(f"{verb} --help", capsys)
    assert code == 0
    assert sum(line.strip().startswith(f"Example: latently {verb}") for line in out.splitlines()) == 1
    assert {c.name for c in app.registered_commands} == {v for v in VERBS if " " not in v}


def test_the_help_names_every_kind_and_loss(capsys):
    from latently.recipes import names
    from latently.tasks.options import LOSSES

    words = set(run("fit --help", capsys)[1].replace(",", " ").replace(".", " ").split())
    assert set(names()) <= words
    assert set(LOSSES) - {"auto"} <= words


# ---------------------------------------------------------------------- from table to table


def test_fit_info_encode_reconstruct(wine_csv, wine_table, capsys):
    code, out, err = run(f"fit {wine_csv} -o m.safetensors -n 3 --drop name --epochs 5", capsys)
    assert code == 0
    assert "8 learned, 1 not" in out
    assert "'name' is left out" not in "".join(err)
    assert "PCA of the same size, 3" in out

    code, told, _ = run("info m.safetensors", capsys)
    assert code == 0
    assert "undercomplete" in told
    assert told.count(" -> ") >= 2

    code, out, err = run(f"encode m.safetensors {wine_csv} -o codes.csv", capsys)
    assert (code, err) == (0, ["note: wine.csv: comma-separated, missing cells empty"])
    codes = pyarrow.csv.read_csv("codes.csv")
    assert codes.column_names == ["code0", "code1", "code2"]
    numbers = wine_table.drop_columns("name")
    straight = latently.load("m.safetensors").transform(numbers)
    np.testing.assert_array_equal(np.column_stack(codes.columns).astype(np.float32), straight)

    with_lot = wine_table.append_column("lot", pa.array(["007"] * len(numbers)))
    pyarrow.csv.write_csv(with_lot, "lots.csv")
    code, out, _ = run("reconstruct m.safetensors lots.csv -o again.csv", capsys)
    assert code == 0
    assert "8 columns reconstructed, 2 copied" in out
    again = tables.read(Path("again.csv"))
    assert again.schema.equals(with_lot.schema)
    assert again.select(["name", "lot"]).equals(with_lot.select(["name", "lot"]))  # to the letter
    assert again["hue"].null_count == 0


def test_info_shows_what_became_of_every_column_and_only_options_that_were_chosen(model, wine_csv, capsys):
    wide = pa.table({f"c{j}": np.random.default_rng(j).normal(size=30).tolist() for j in range(40)})
    pyarrow.csv.write_csv(wide, "wide.csv")
    assert run("fit wide.csv -o w.safetensors -n 2 --epochs 1 --kind gaussian:.3", capsys)[0] == 0
    told = run("info w.safetensors", capsys)[1]
    assert "corruption=Gaussian(sigma=0.3)\n" in told
    assert "bottleneck" not in told
    assert "c29 " in told
    assert "c30 " not in told
    assert "and 10 more" in told
    assert max(map(len, told.splitlines())) <= 100
    told = run(f"info {model}", capsys)[1]
    assert "task        Autoencoder" in told
    assert [line.split() for line in told.splitlines() if " proline " in line] == [
        ["proline", "integer", "278", "to", "1680", "mean", "0,", "variance", "1"]
    ]


def test_parquet_and_compressed_tables_in_and_out(wine_table, model, capsys):
    numbers = wine_table.drop_columns("name")
    pyarrow.parquet.write_table(numbers, "wine.parquet")
    for out in ("again.parquet", "again.csv.gz", "again.tsv"):
        code, _, err = run(f"reconstruct {model} wine.parquet -o {out}", capsys)
        assert (code, err) == (0, [])
        back = tables.read(Path(out))
        assert back.schema.names == numbers.schema.names
        assert back.schema.types == numbers.schema.types
    assert gzip.decompress(Path("again.csv.gz").read_bytes()).startswith(b"alcohol,")


def test_the_same_table_in_other_dialects_gives_the_same_codes(wine_table, model, capsys):
    pyarrow.csv.write_csv(wine_table, "a.csv")
    text = Path("a.csv").read_text()
    Path("b.csv").write_text("\ufeff" + text.replace(",", ";"), encoding="utf-8")
    Path("c.tsv").write_text(text.replace(",", "\t"))
    shuffled = wine_table.select(wine_table.column_names[::-1])
    pyarrow.csv.write_csv(shuffled.append_column("more", wine_table["hue"]), "d.csv")
    found = set()
    for name in ("a.csv", "b.csv", "c.tsv", "d.csv"):
        assert run(f"encode {model} {name} -o codes.csv", capsys)[0] == 0
        found.add(Path("codes.csv").read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("verb", ["encode", "reconstruct"])
def test_without_a_model_one_is_fitted_first(verb, wine_csv, capsys):
    code, out, _ = run(f"{verb} {wine_csv} -o out.csv -n 2 --drop name --kind undercomplete --json", capsys)
    assert code == 0
    wide = {"encode": ["code0", "code1"], "reconstruct": tables.columns(Path(wine_csv))}[verb]
    assert json.loads(out) == {"file": "out.csv", "rows": 178, "columns": wide}
    assert sorted(p.name for p in Path().iterdir()) == ["out.csv", "wine.csv"]


def test_the_same_command_gives_the_same_bytes(wine_csv, model, model_bytes, capsys):
    run(f"fit {wine_csv} -o twice.safetensors -n 3 --drop name --epochs 5", capsys)
    assert Path("twice.safetensors").read_bytes() == model_bytes


def test_every_option_reaches_the_estimator(wine_csv, capsys):
    command = (
        f"fit {wine_csv} -o m.safetensors --components 4 --kind denoising --network 16,8 --loss l1 --epochs 2 "
        "--batch-size 32 --learning-rate 0.01 --max-time 60 --seed 7 --device cpu --precision float32 "
        "--checkpoint c.ck --drop name --set kind__level=.2 --set network__activation=tanh "
        "--set validation_fraction=0.2"
    )
    assert run(command, capsys)[0] == 0
    params = latently.load("m.safetensors").get_params()
    told = {name: params[name] for name in ("n_components", "loss", "epochs", "batch_size", "learning_rate")}
    assert told == {"n_components": 4, "loss": "l1", "epochs": 2, "batch_size": 32, "learning_rate": 0.01}
    told = {name: params[name] for name in ("max_time", "random_state", "device", "precision", "kind__level")}
    assert told == {
        "max_time": 60, "random_state": 7, "device": "cpu", "precision": "float32", "kind__level": 0.2
    }  # fmt: skip
    assert params["validation_fraction"] == 0.2
    assert (tuple(params["network__hidden"]), params["network__activation"]) == ((16, 8), "tanh")
    assert Path("c.ck").exists()


def test_a_model_without_names_takes_a_table_of_its_width(capsys):
    x = np.arange(60.0).reshape(20, 3) % 7
    latently.save(latently.Autoencoder(1, epochs=1, random_state=0, verbose=False).fit(x), "m.safetensors")
    pyarrow.csv.write_csv(pa.table({name: x[:, j] for j, name in enumerate("abc")}), "x.csv")
    assert run("encode m.safetensors x.csv -o codes.csv", capsys)[0] == 0
    code, _, err = run("encode m.safetensors x.csv -o codes.csv --drop a", capsys)
    assert code == 2
    assert "2 columns" in err[-1]
    assert "on 3" in err[-1]


# ---------------------------------------------------------------------- what programs and people read


@pytest.mark.parametrize("verb", ["fit", "info", "encode", "doctor"])
def test_json_is_one_object_and_nothing_else(verb, wine_csv, model, capsys):
    command = {
        "fit": f"fit {wine_csv} -o again.safetensors -n 3 --drop name --epochs 5",
        "info": f"info {model}",
        "encode": f"encode {model} {wine_csv} -o codes.csv",
        "doctor": "doctor",
    }[verb]
    code, out, _ = run(f"{command} --json", capsys)
    assert code == 0
    assert isinstance(json.loads(out), dict)
    assert out.count("\n") == 1


def test_what_is_not_finite_is_null_in_json(capsys):
    screen.emit({"a": [float("nan"), 1.0], "b": float("inf")})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.0], "b": None}


def test_an_alarm_is_one_note_line_and_no_python_warning(wine_csv, capsys):
    code, _, err = run(f"fit {wine_csv} -o m.safetensors -n 30 --drop name --epochs 1", capsys)
    assert code == 0
    assert err
    assert all(line.startswith("note: ") for line in err)
    assert any("a code of 30 for rows of 8 numbers" in line for line in err)


def test_a_column_that_only_tells_rows_apart_is_left_out_and_a_text_is_a_category(wine_table, capsys):
    places = pa.array(["Alba", "Bra", "Cuneo"] * 60)[: wine_table.num_rows]
    pyarrow.csv.write_csv(wine_table.append_column("place", places), "places.csv")
    code, _, err = run("fit places.csv -o m.safetensors -n 3 --epochs 1", capsys)
    assert code == 0
    assert [line for line in err if "left out" in line] == [
        "note: column 'name' is left out: identifier, 178 different texts in 178 rows. "
        "To keep it: --type name=category"
    ]  # fmt: skip
    found = {c["name"]: c for c in json.loads(run("info m.safetensors --json", capsys)[1])["schema"]}
    assert found["place"]["sort"] == "category"
    assert found["place"]["role"] == "learned"
    assert found["name"]["role"] == "left out"


def test_row_numbers_and_a_missing_header_are_remarked(capsys):
    rows = "\n".join(f"{i},{i % 5},{i % 3}" for i in range(30, 60))
    Path("index.csv").write_text(f",a,b\n{rows}\n")
    Path("bare.csv").write_text(f"{rows}\n")
    for name, remark in (("index.csv", "note: column '' of index.csv"), ("bare.csv", "line of numbers")):
        notes = run(f"fit {name} -o m.safetensors -n 1 --epochs 1", capsys)[2]
        assert any(remark in line for line in notes)
    assert tables.columns(Path("bare.csv")) == ["column0", "column1", "column2"]
    Path("years.csv").write_text("2019,2020,2021\n1,2,3\n")
    assert tables.columns(Path("years.csv")) == ["2019", "2020", "2021"]


def test_the_doctor_finds_every_extra_and_how_to_get_it(capsys):
    checks = examine()
    assert all(check.status != "broken" for check in checks)
    extras = {check.name: check for check in checks if check.name.startswith("extra ")}
    assert {"extra audio", "extra search", "extra onnx", "extra serve"} <= set(extras)
    assert not {"extra dev", "extra all", "extra docs"} & set(extras)
    for check in extras.values():
        name = check.name.removeprefix("extra ")
        assert check.status == "ok" or check.cure == f"pip install 'latently[{name}]'"
    kernels = next(check for check in checks if check.name == "kernels")
    assert kernels.status == ("ok" if native.there() else "missing")
    assert run("doctor", capsys)[0] == 0


def test_a_broken_installation_ends_with_exit_code_1(capsys, monkeypatch):
    from latently.faces import doctor

    monkeypatch.setattr(doctor, "_requirements", lambda: [("no-such-package", "")])
    code, out, _ = run("doctor", capsys)
    assert code == 1
    assert "BROKEN: no-such-package cannot be imported" in out


@pytest.mark.slow
def test_the_demo_does_every_job_beside_its_baseline_and_leaves_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, out, err = run("demo", capsys)
    assert code == 0
    jobs = [line.partition(":")[0] for line in out.splitlines() if ":" in line]
    shown = ["ENCODE", "MAP", "DENOISE", "SEARCH", "SAMPLE", "COMPRESS", "DETECT", "IMPUTE", "SERIES", "TEXT", "SOUND",
             "REPORT"]  # fmt: skip
    assert [j for j in jobs if j.isupper() and j != "AUROC"] == shown
    rows = {line[2:25].strip(): line[25:].split() for line in out.splitlines() if line.endswith(" %")}
    assert float(rows["autoencoder"][1]) < float(rows["PCA"][1])
    figures = [line.rsplit(None, 1) for line in out.splitlines() if line.startswith("  ") and len(line.split()) > 1]
    last = {name.strip(): figure for name, figure in figures}
    assert float(last["anomaly detector"]) > 0.9
    assert float(last["imputer"]) < float(last["scikit-learn's IterativeImputer"])
    ratio = {name: float(v) for name, v in re.findall(r"^  (\S.*?)\s+([\d.]+) dB$", out, re.MULTILINE)}
    assert ratio["denoiser"] > ratio["the best Gaussian blur"] + 2
    assert float(last["new digits"]) > 0.8
    pairs = re.findall(r"^  (d\S.*?)\s+([\d.]+)\s+([\d.]+)$", out, re.MULTILINE)
    ranked = {name: (float(precision), float(area)) for name, precision, area in pairs}
    assert len(ranked) == 4
    assert all(min(np.subtract(ranked["detector"], others)) >= 0 for others in ranked.values())
    assert ratio["sound denoiser"] > ratio["spectral subtraction that is told the noise"] + 2
    assert float(last["autoencoder, codes of 12"]) > float(last["TF-IDF and SVD of 12"])
    assert "what comes back: the same, to the bit" in out
    assert "known cells: as they were" in out
    assert "█" in out
    assert "the same codes, to the bit" in out
    assert max(map(len, out.splitlines())) <= 80
    assert all(line.startswith("note: ") for line in err)
    assert list(tmp_path.iterdir()) == []


def test_the_demo_keeps_its_report_where_it_is_asked_to(capsys):
    code, out, err = run("demo --report page.pdf", capsys)
    assert (code, out, len(err)) == (2, "", 1)
    assert "page.html" in err[0]


# ---------------------------------------------------------------------- mistakes


@pytest.fixture
def broken_files(tmp_path):
    """Files that nobody can fit."""
    texts = {
        "empty.csv": "", "head.csv": "a,b\n", "ragged.csv": "a,b\n1,2\n3,4,5\n6,7\n", "twice.csv": "a,a\n1,2\n",
        "inf.csv": "a,b\n1,2\n3,inf\n4,5\n", "odd.csv": "hp,b\n1,2\n?,3\n4,5\n", "no.parquet": "PAR",
        "no.csv.gz": "a,b\n1,2\n", "no.safetensors": "0123456789 this is no model", "table.bin": "a\n1\n",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "cut.csv").write_bytes("a,é\n1,2\n".encode("utf-16")[:-1])
    (tmp_path / "folder.csv").mkdir()


MISTAKES = {
    # command: what the one line has to say
    "frobnicate": "frobnicate",
    "fit": "DATA",
    "fit wine.csv": "--output",
    "fit wine.csv -o m.safetensors --bogus": "--bogus",
    "fit win.csv -o m.safetensors": "Did you mean wine.csv?",
    "fit gone.csv -o m.safetensors": "does not exist",
    "fit folder.csv -o m.safetensors": "folder",
    "fit table.bin -o m.safetensors": ".parquet",
    "fit empty.csv -o m.safetensors": "empty",
    "fit head.csv -o m.safetensors": "no rows",
    "fit ragged.csv -o m.safetensors": "Expected 2 columns",
    "fit twice.csv -o m.safetensors": "'a' stands more than once",
    "fit no.csv.gz -o m.safetensors": "no.csv.gz",
    "fit no.parquet -o m.safetensors": "Parquet",
    "fit inf.csv -o m.safetensors": "row 1, column 'b'",
    "fit wine.csv -o m.bin": "Try m.safetensors",
    "fit wine.csv -o gone/m.safetensors": "gone",
    "fit wine.csv -o m.safetensors --checkpoint m.safetensors": "lost",
    "fit wine.csv -o m.safetensors --drop nam": "Did you mean 'name'?",
    "fit wine.csv -o m.safetensors --drop name --kind foo": "undercomplete",
    "fit wine.csv -o m.safetensors --drop name --loss foo": "squared_error",
    "fit wine.csv -o m.safetensors --drop name --device foo": "--device 'foo'",
    "fit wine.csv -o m.safetensors --drop name --components 0": "--components 0",
    "fit wine.csv -o m.safetensors --components many": "whole number",
    "fit wine.csv -o m.safetensors --network 64x32": "64,32",
    "fit wine.csv -o m.safetensors --max-time soon": "--max-time",
    "fit wine.csv -o m.safetensors --seed -1": "--seed",
    "fit wine.csv -o m.safetensors --drop name --set alpha=1": "kind__",
    "fit wine.csv -o m.safetensors --drop name --set kind__alpha=1": "has no option 'alpha'",
    "fit wine.csv -o m.safetensors --drop name --kind sparse --set kind__alpha=much": "expected a number",
    "fit wine.csv -o m.safetensors --drop name --set network__tied=2": "true or false",
    "encode m.safetensors": "--output",
    "encode m.safetensors -o c.csv": "model where data was expected",
    "encode wine.csv m.safetensors -o c.csv": "m.safetensors wine.csv",
    "encode wine.csv wine.csv -o c.csv": "expected a model",
    "encode m.safetensors odd.csv -o c.csv": "'alcohol'",
    "encode m.safetensors wine.csv -o c.csv --label hue": "--label is for a fit",
    "encode m.safetensors wine.csv -o wine.csv": "lost",
    "encode m.safetensors wine.csv -o c.txt": ".csv",
    "encode m.safetensors wine.csv -o c.csv --kind topk": "Leave it out",
    "encode gone.safetensors wine.csv -o c.csv": "does not exist",
    "encode no.safetensors wine.csv -o c.csv": "not a latently file",
    "reconstruct m.safetensors head.csv -o c.csv": "no rows",
    "info no.safetensors": "not a latently file",
    "info wine.csv": "not a latently file",
    "info gone.safetensors": "does not exist",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_and_exit_code_2(command, wine_csv, model, broken_files, capsys):
    before = {p: p.read_bytes() for p in Path().iterdir() if p.is_file()}
    code, out, err = run(command, capsys)
    assert code == 2
    assert out == ""
    assert all(line.startswith("note: ") for line in err[:-1])  # how the table was read
    assert err[-1].startswith("latently: ")
    assert MISTAKES[command] in err[-1]
    assert {p: p.read_bytes() for p in Path().iterdir() if p.is_file()} == before


def test_a_column_that_a_model_needs_must_hold_numbers(wine_table, model, capsys):
    words = pa.array(["red"] * wine_table.num_rows)
    bad = wine_table.set_column(wine_table.column_names.index("hue"), "hue", words)
    pyarrow.csv.write_csv(bad, "bad.csv")
    code, _, err = run(f"encode {model} bad.csv -o codes.csv", capsys)
    assert code == 2
    assert "'hue'" in err[-1]
    assert "--drop" not in err[-1]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(wine_csv, model, capsys, monkeypatch):
    Path("codes.csv").write_text("precious")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    before = sorted(Path().iterdir())
    code, _, err = run(f"encode {model} {wine_csv} -o codes.csv", capsys)
    assert code == 2
    assert "No space left on device" in err[-1]
    assert Path("codes.csv").read_text() == "precious"
    assert sorted(Path().iterdir()) == before


def test_ctrl_c_is_exit_code_130_and_silence(wine_csv, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "examine", interrupt)
    assert run(f"fit {wine_csv} -o m.safetensors --drop name", capsys) == (130, "", [])


def test_a_bug_is_one_line_and_exit_code_1(wine_csv, capsys, monkeypatch):
    monkeypatch.delenv("LATENTLY_TRACEBACK")
    monkeypatch.setattr(tables, "examine", lambda *_, **__: 1 / 0)
    code, out, err = run(f"fit {wine_csv} -o m.safetensors --drop name", capsys)
    assert (code, out, len(err)) == (1, "", 1)
    assert "ZeroDivisionError" in err[0]
    assert "LATENTLY_TRACEBACK=1" in err[0]


def test_values_of_set_are_read_as_what_they_look_like():
    texts = ("3", ".2", "1e-3", "true", "null", "64,32", "[8, 4]", "none", "tanh")
    assert [options.value(text) for text in texts] == [
        3, 0.2, 1e-3, True, None, (64, 32), [8, 4], (), "tanh"
    ]  # fmt: skip
