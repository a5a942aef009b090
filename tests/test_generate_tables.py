"""New rows of tables: like those of the fit, whatever is asked for, in the container that came in."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_array_equal

from latently import Generator, evaluate, load, save
from latently.errors import BadData, BadParameter, UnsupportedInput
from latently.faces.cli import main
from latently.modalities import Binned


def people(n: int, seed: int) -> pd.DataFrame:
    """Hours that pile up at 40, wages that follow them and the trade, bonuses that most do not have, gaps."""
    rng = np.random.default_rng(seed)
    trade = rng.choice(["cook", "smith", "nurse"], n, p=[0.5, 0.3, 0.2])
    hours = np.where(rng.random(n) < 0.5, 40, rng.integers(10, 60, n))
    wage = hours * (10.0 + 10 * (trade == "nurse")) + rng.normal(0, 20, n)
    bonus = np.where(rng.random(n) < 0.8, 0, rng.integers(100, 9000, n))
    level = pd.Categorical(rng.choice(["low", "high"], n), ["low", "high"], ordered=True)
    frame = pd.DataFrame({"trade": trade, "hours": hours, "wage": wage.round(2), "bonus": bonus, "level": level})
    frame["night"] = rng.random(n) < 0.3
    frame.loc[(trade == "smith") & (rng.random(n) < 0.5), "wage"] = np.nan
    return frame


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return people(1000, 0)


@pytest.fixture(scope="module")
def model(rows) -> Generator:
    return Generator(random_state=0, epochs=100, verbose=False).fit(rows)


@pytest.fixture(scope="module")
def new(model) -> pd.DataFrame:
    return model.sample(3000, random_state=1)


def test_rows_come_with_the_columns_and_dtypes_of_the_fit(rows, new):
    assert list(new) == list(rows)
    assert new.dtypes.to_dict() == rows.dtypes.to_dict()
    assert not new.isna().any().any()


def test_ranges_levels_and_whole_numbers_are_respected(rows, new):
    for name in ("hours", "wage", "bonus"):
        assert new[name].between(rows[name].min(), rows[name].max()).all()
    assert (new["wage"].round(2) == new["wage"]).all()
    assert set(new["trade"]) == set(rows["trade"])


def test_values_that_repeat_repeat_as_often(rows, new):
    for name, value in (("hours", 40), ("bonus", 0)):
        assert abs((new[name] == value).mean() - (rows[name] == value).mean()) < 0.06


def test_what_columns_have_to_do_with_each_other_is_kept(rows, new):
    for frame in (rows.dropna(), new):
        rate = frame["wage"] / frame["hours"]
        assert rate[frame["trade"] == "nurse"].median() > 1.5 * rate[frame["trade"] == "cook"].median()


def test_any_columns_may_be_asked_for(model):
    made = model.sample(400, given={"hours": 20, "trade": "nurse"})
    assert (made["hours"] == 20).all()
    assert (made["trade"] == "nurse").all()
    assert abs(made["wage"].median() - 400) < 100  # a cook's are 200; fits of other seeds are 5 to 75 away
    back = model.sample(400, given={"wage": 1000.0})
    assert (back["trade"] == "nurse").mean() > 0.8  # no one else earns so much


def test_one_value_for_each_row_may_be_asked_for(model):
    asked = np.repeat(["cook", "nurse"], 50)
    assert_array_equal(model.sample(100, given={"trade": asked})["trade"], asked)


def test_cells_are_missing_on_request_as_often_as_in_such_rows(model, rows):
    made = model.sample(3000, missing=True)
    assert not made.drop(columns="wage").isna().any().any()
    smith = made["trade"] == "smith"
    assert abs(made["wage"][smith].isna().mean() - 0.5) < 0.17  # fits of other seeds say .36 to .42
    assert made["wage"][~smith].isna().mean() < 0.05


def test_rows_partly_known_come_back_completed(model, rows):
    part = rows.head(50).astype({"hours": float}).assign(who=range(50))
    part.index = range(100, 150)
    part.loc[part.index[::2], "hours"] = np.nan
    part.loc[part.index[:5], "trade"] = None
    made = model.sample(given=part)
    assert list(made) == list(part)
    assert_array_equal(made.index, part.index)
    assert not made.drop(columns="who").isna().any().any()
    known = part.notna()
    assert made.where(known).equals(part.where(known))
    assert model.sample(given=part[["trade"]]).shape == (50, 6)


@pytest.mark.parametrize("wrap", [pl.from_pandas, pa.Table.from_pandas])
def test_each_library_gets_its_own_frames(wrap, rows):
    frame = wrap(rows[["trade", "hours", "wage"]].head(200))
    found = Generator(8, epochs=2, random_state=0).fit(frame).sample(7)
    assert type(found) is type(frame)
    assert found.shape == (7, 3)


def test_arrays_come_back_as_arrays(wine):
    made = Generator(8, epochs=2, random_state=0).fit(wine).sample(9)
    assert made.shape == (9, 13)
    assert made.dtype == np.float64
    gaps = wine[:4].copy()
    gaps[:, 3] = np.nan
    found = Generator(8, epochs=2, random_state=0).fit(wine).sample(given=gaps)
    assert_array_equal(np.delete(found, 3, 1), np.delete(gaps, 3, 1))
    assert not np.isnan(found).any()


def test_the_same_seed_draws_the_same_and_a_file_keeps_it(model, tmp_path):
    save(model, tmp_path / "model")
    again = load(tmp_path / "model", device="cpu")
    for given in (None, {"trade": "smith"}):
        a = model.sample(20, given=given, random_state=3, missing=True)
        assert again.sample(20, given=given, random_state=3, missing=True).equals(a)
    assert not model.sample(20, random_state=4).equals(model.sample(20, random_state=3))
    before = torch.get_rng_state()
    model.sample(3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("ask", "error", "word"),
    [
        (lambda m, x: m.sample(2, given={"trad": "cook"}), BadParameter, "trad"),
        (lambda m, x: m.sample(2, given={"trade": "king"}), BadParameter, "king"),
        (lambda m, x: m.sample(2, given={"hours": "long"}), BadData, "hours"),
        (lambda m, x: m.sample(2, given={"hours": [1, 2, 3]}), BadParameter, "3 values for 2 rows"),
        (lambda m, x: m.sample(2, given="cook"), BadParameter, "no labels"),
        (lambda m, x: m.sample(3, given=x.head(2)), BadParameter, "n_samples"),
        (lambda m, x: m.sample(given=x[["level"]].set_axis(["other"], axis=1)), BadParameter, "none of the columns"),
        (lambda m, x: m.report(x, x, target="income"), BadParameter, "income"),
    ],
)
def test_what_cannot_be_asked_is_refused(ask, error, word, model, rows):
    with pytest.raises(error, match=word):
        ask(model, rows)


def test_a_report_tells_new_rows_from_shuffled_ones_and_from_copies(model, rows):
    held = people(1000, 1)
    copies = rows.sample(len(rows), replace=True, random_state=0)
    found = model.report(rows, held, target="trade", beside={"copies": copies}).sections
    apart = found["new rows"]["told from real rows, AUC"]
    assert apart["rows of the fit"] < 0.56
    assert apart["new"] < apart["independent columns"]
    assert (
        found["new rows"]["pairs, total variation"]["new"]
        < found["new rows"]["pairs, total variation"]["independent columns"]
    )
    learned = found["learned"]["trade learned from, accuracy"]
    assert learned["new"] > learned["independent columns"] + 0.1
    closer = found["closest rows"]["closer to the fit's rows, share"]
    assert closer["copies"] > 0.9
    assert abs(closer["new"] - 0.5) < 0.1
    assert "new rows" in evaluate(model, held.head(300)).sections


def test_a_report_needs_a_walk(wine):
    with pytest.raises(UnsupportedInput, match="tables"):
        Generator(2, kind="undercomplete", epochs=1, validation_fraction=None).fit(wine).report(wine, wine)


def test_bins_hold_about_as_many_rows_and_repeated_values_alone():
    rng = np.random.default_rng(0)
    x = np.where(rng.random((6400, 1)) < 0.5, 0.0, rng.lognormal(size=(6400, 1)))
    table = Binned().fit(x)
    cells = table.batch(x).x
    counts = torch.bincount(cells[:, 0].long())
    assert 60 <= len(counts) <= 66
    assert counts[0] == (x == 0).sum()
    assert counts[1:].max() < 1.6 * 6400 / 64
    assert np.abs(table.values(cells)[x == 0]).max() == 0
    drawn = table.drawn(cells, torch.Generator().manual_seed(0))
    assert_array_equal(table.batch(drawn).x, cells)


def test_the_command_line_asks_for_columns(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(model, "model.safetensors")
    asked = "--given hours=20 --given trade=nurse --given night=true --given level=high"
    assert main(f"sample model.safetensors -o new.csv --count 9 {asked}".split()) == 0
    made = pd.read_csv("new.csv")
    assert made.shape == (9, 6)
    assert made[["hours", "trade", "night", "level"]].drop_duplicates().values.tolist() == [[20, "nurse", True, "high"]]
    for wrong, word in (
        ("hour=3", "hour"),
        ("hours=many", "integer"),
        ("trade=king", "king"),
        ("trade", "COLUMN=VALUE"),
    ):
        capsys.readouterr()
        assert main(["sample", "model.safetensors", "-o", "no.csv", "--given", wrong]) == 2
        assert word in capsys.readouterr().err


def test_evaluate_and_the_report_tell_of_new_rows_not_of_bins(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(model, "model.safetensors")
    people(200, 2).to_csv("real.csv", index=False)
    assert main(["evaluate", "model.safetensors", "real.csv", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert "reconstruction" not in figures
    assert set(figures["new rows"]["told from real rows, AUC"]) == {"new", "independent columns"}
    assert main(["report", "model.safetensors", "real.csv", "-o", "report.html"]) == 0
    page = Path("report.html").read_text()
    assert "tells new rows from these" in page
    assert "Some new rows" in page
    assert "Reconstruction by column" not in page
    assert main(["info", "model.safetensors"]) == 0
    assert "loss on held-out rows" in capsys.readouterr().out
