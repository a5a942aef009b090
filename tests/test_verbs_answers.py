"""The promises of `latently classify`: who is answered, in which form, and each mistake in one line."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from sklearn.datasets import load_wine

from latently.faces.cli import main
from latently.modalities.encode import write


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTLY_TRACEBACK", "1")
    for name in ("PRETRAINING", "STEPS"):  # of a fit on the spot; what is asked here needs few
        monkeypatch.setattr(f"latently.tasks.pretrained.{name}", 200)


@pytest.fixture
def wine():
    """wine.csv: eight measurements, a name, the sort of three wines in four, and how strong it is, of the same ones."""
    data = load_wine()
    columns = {n: data.data[:, j].tolist() for j, n in enumerate(data.feature_names[1:9], 1)}
    asked = np.arange(len(data.data)) % 4 == 0
    sorts = [None if a else f"sort {k}" for a, k in zip(asked, data.target, strict=True)]
    strong = [None if a else float(v) for a, v in zip(asked, data.data[:, 0], strict=True)]
    names = [f"wine {i}" for i in range(len(asked))]
    table = pa.table({"name": names} | columns | {"sort": sorts, "alcohol": strong})
    pyarrow.csv.write_csv(table, "wine.csv")
    return [f"sort {k}" for k in data.target[asked]], data.data[asked, 0]


def run(command, capsys):
    capsys.readouterr()
    code = main(command.split())
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


def test_rows_without_a_label_get_one_and_the_probability_of_each(wine, capsys):
    code, out, _ = run("classify wine.csv -o said.csv --label sort --id name --drop alcohol", capsys)
    said = pyarrow.csv.read_csv("said.csv")
    assert code == 0
    assert said.column_names[-4:] == ["prediction", "p_sort 0", "p_sort 1", "p_sort 2"]
    assert said.num_rows == len(wine[0])
    assert said.column("name")[1].as_py() == "wine 4"
    right = np.mean(np.array(said.column("prediction").to_pylist()) == wine[0])
    assert right > 0.8
    assert "one of 3 classes each, from 133 answers" in out
    assert np.allclose(sum(np.array(said.column(n).to_pylist()) for n in said.column_names[-3:]), 1)


def test_labels_that_are_amounts_get_numbers_and_it_is_said(wine, capsys):
    command = "classify wine.csv -o said.parquet --label alcohol --id name --drop sort"
    code, out, _ = run(f"{command} --json", capsys)
    said = pa.parquet.read_table("said.parquet")
    told = json.loads(out)
    assert (code, told["predicts"], told["labelled"], told["rows"]) == (0, "numbers", 133, 45)
    assert said.column_names == ["name", "prediction"]
    assert np.corrcoef(said.column("prediction").to_numpy(), wine[1])[0, 1] > 0.5


def test_a_model_answers_every_row_of_a_table_without_the_column(wine, capsys):
    fit = "fit wine.csv -o m.safetensors --task classify --label sort --id name --drop alcohol --epochs 2"
    code, out, _ = run(fit, capsys)
    assert code == 0
    assert "latently classify m.safetensors wine.csv -o predictions.csv" in out
    table = pyarrow.csv.read_csv("wine.csv")
    pyarrow.csv.write_csv(table.drop_columns(["sort", "alcohol"]), "new.csv")
    assert run("classify m.safetensors new.csv -o said.csv", capsys)[0] == 0
    assert pyarrow.csv.read_csv("said.csv").num_rows == table.num_rows


def test_a_report_figures_and_info_tell_how_good_answers_are(wine, capsys):
    run("fit wine.csv --task classify --label sort --id name --drop alcohol -o m.safetensors", capsys)
    run("report m.safetensors wine.csv -o r.html", capsys)
    figures = json.loads(run("evaluate m.safetensors wine.csv --json", capsys)[1])["held-out answers"]
    assert figures["rows"] == 133
    told = f"On 133 rows with an answer, held out in turn: {100 * figures['accuracy']:.1f} % right; "
    assert told in Path("r.html").read_text(encoding="utf-8")
    out = run("info m.safetensors", capsys)[1]
    assert f"answers to held-out rows (133): {100 * figures['accuracy']:.1f} % right" in out


def test_whole_numbers_of_few_values_are_classes_as_they_stand(capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    sides = [None if i % 5 == 0 else int(v > 0) for i, v in enumerate(x[:, 0])]
    pyarrow.csv.write_csv(pa.table({f"x{j}": x[:, j] for j in range(3)} | {"side": sides}), "t.csv")
    assert run("classify t.csv -o said.csv --label side", capsys)[0] == 0
    said = pyarrow.csv.read_csv("said.csv")
    assert said.column_names[-2:] == ["p_0", "p_1"]
    assert set(said.column("prediction").to_pylist()) <= {0, 1}


def test_images_learn_from_their_folders(tmp_path, capsys):
    for kind in ("dark", "light"):
        (tmp_path / "shots" / kind).mkdir(parents=True)
        for i in range(8):
            pixels = np.random.default_rng(i).integers(0, 90, (8, 8)) + (150 if kind == "light" else 0)
            write(tmp_path / "shots" / kind / f"{i}.png", pixels.astype(np.uint8))
    assert run("fit shots -o m.safetensors --task classify -n 8 --epochs 5", capsys)[0] == 0
    assert run("classify m.safetensors shots -o said.csv", capsys)[0] == 0
    said = pyarrow.csv.read_csv("said.csv").to_pydict()
    assert said["prediction"] == said["label"]
    for i in range(3):
        (tmp_path / "shots" / "dark" / f"{i}.png").rename(tmp_path / "shots" / f"{i}.png")
    assert run("classify shots -o said.csv -n 8", capsys)[0] == 0
    assert pyarrow.csv.read_csv("said.csv").column("file").to_pylist() == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("classify wine.csv -o said.csv", "--label"),
        ("classify wine.csv -o said.csv --label name", "none is left to predict"),
        ("fit wine.csv -o m.safetensors --task classify --label alcohol", "PretrainedRegressor"),
    ],
)
def test_a_mistake_is_one_line(wine, command, said, capsys):
    code, out, err = run(command, capsys)
    assert (code, out) == (2, "")
    assert said in err[-1]
