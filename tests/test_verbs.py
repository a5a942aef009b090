"""The verbs' promises on tables as people have them: numbers, whole numbers, categories, dates, gaps, keys, labels."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest

from latently.faces.cli import main
from latently.faces.given import TASKS as WORDS
from latently.tasks import tasks

TASKS = ("encode", "detect", "impute", "map")
SIZES = {"red": 1.0, "green": 4.0, "blue": 7.0}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTLY_TRACEBACK", "1")


def goods(n=200, seed=0, days=50):
    """A colour tells the size, the size the count and whether it fits; `days` days of them."""
    rng = np.random.default_rng(seed)
    colour = rng.choice(list(SIZES), n)
    size = np.round([SIZES[c] for c in colour] + rng.normal(0, 0.5, n), 3)
    count = np.maximum(0, np.round(3 * size + rng.normal(0, 1, n))).astype(int)
    start = np.datetime64("2024-01-01", "ms")
    return pa.table({
        "key": [f"K{seed}-{i:04d}" for i in range(n)], "colour": colour.tolist(),
        "size": pa.array(size, mask=rng.random(n) < 0.1), "count": pa.array(count, mask=rng.random(n) < 0.1),
        "fits": pa.array(size > 3, mask=rng.random(n) < 0.1),
        "day": pa.array(start + (np.arange(n) * days * 86_400_000 // n).astype("timedelta64[ms]")),
        "grade": np.where(size > 4, "good", "bad").tolist(),
    })  # fmt: skip


def put(table, name, column, cells):
    """The table with a column replaced."""
    return table.set_column(table.column_names.index(column), name, pa.array(cells))


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """One model a task, fitted by the command line in a blink; the bytes of each."""
    folder = tmp_path_factory.mktemp("models")
    parquet.write_table(goods(), folder / "goods.parquet")
    for task in TASKS:
        size = "" if task in ("detect", "map") else "-n 3"
        command = f"fit {folder}/goods.parquet -o {folder}/{task}.safetensors --task {task} --epochs 3 {size}"
        assert main([*command.split(), "--label", "grade", "--time", "day"]) == 0
    return {task: (folder / f"{task}.safetensors").read_bytes() for task in TASKS}


@pytest.fixture
def files(models, tmp_path):
    """`goods.parquet`, rows of the same sort in `new.parquet`, and a model a task."""
    for task, content in models.items():
        Path(f"{task}.safetensors").write_bytes(content)
    parquet.write_table(goods(), "goods.parquet")
    parquet.write_table(goods(seed=1), "new.parquet")


@pytest.fixture
def run(capsys):
    def run(command):
        """Exit code, standard output, lines of the error stream."""
        capsys.readouterr()
        code = main(command.split())
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return run


# ---------------------------------------------------------------------- detect


def test_detect_writes_every_row_in_order_with_its_keys_and_reasons(files, run):
    assert run("detect detect.safetensors new.parquet -o s.parquet")[0] == 0
    found, given = parquet.read_table("s.parquet"), goods(seed=1)
    assert found.column_names == [
        "key", "day", "grade", "score", "p_value", "anomaly", "reason1", "reason2", "reason3"
    ]  # fmt: skip
    assert found["key"].equals(given["key"])
    assert found.schema.field("anomaly").type == pa.bool_()
    p, score = found["p_value"].to_numpy(), found["score"].to_numpy()
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p[np.argsort(score)]) <= 0).all()
    assert all(" (" in text for text in found["reason1"].to_pylist())


def test_detect_names_the_odd_cell_and_spells_a_level_never_seen(files, run):
    odd = goods(40, seed=2)
    sizes, colours = odd["size"].to_pylist(), odd["colour"].to_pylist()
    sizes[5], colours[9] = 60.0, "mauve"
    odd = put(put(odd, "size", "size", sizes), "colour", "colour", colours)
    parquet.write_table(odd, "odd.parquet")
    assert run("detect detect.safetensors odd.parquet -o s.parquet --sort --explain 1")[0] == 0
    found = parquet.read_table("s.parquet")
    assert "reason2" not in found.column_names
    assert pc.is_in(pa.scalar("K2-0005"), found["key"].slice(0, 2).combine_chunks()).as_py()
    reasons = dict(zip(found["key"].to_pylist(), found["reason1"].to_pylist(), strict=True))
    assert reasons["K2-0005"].startswith("size 60 (expected ")
    assert reasons["K2-0009"].startswith("colour mauve never seen before (expected ")
    assert (np.diff(found["score"].to_numpy()) <= 0).all()
    assert run("detect detect.safetensors odd.parquet -o s.csv --explain 0")[0] == 0
    assert "reason1" not in Path("s.csv").read_text()


def test_alerts_a_day_count_the_days_of_the_time_column(files, run):
    code, out, _ = run("detect detect.safetensors new.parquet -o s.csv --alerts-per-day .2 --json")
    assert code == 0
    assert abs(json.loads(out)["flagged"] - 10) <= 1  # 50 days
    parquet.write_table(goods(60).select(["colour", "size"]), "plain.parquet")
    assert run("fit plain.parquet -o plain.safetensors --task detect --epochs 1")[0] == 0
    code, out, err = run("detect plain.safetensors plain.parquet -o s.csv --alerts-per-day 1")
    assert (code, out) == (2, "")
    assert "--time COLUMN" in err[-1]


def test_alerts_a_day_flag_a_sensor_that_is_stuck_in_the_table_of_the_fit(run):
    stuck = goods(400)
    cells = {name: stuck[name].to_pylist() for name in ("colour", "size", "count", "fits")}
    for name, value in {"colour": "red", "size": 60.0, "count": 3, "fits": False}.items():
        stuck = put(stuck, name, name, cells[name][:200] + [value] * 12 + cells[name][212:])
    parquet.write_table(stuck.drop_columns(["key", "grade"]), "stuck.parquet")
    assert run("fit stuck.parquet -o stuck.safetensors --task detect --time day --epochs 3")[0] == 0
    code, out, _ = run("detect stuck.safetensors stuck.parquet -o s.csv --alerts-per-day .1 --explain 0 --json")
    assert code == 0
    found = pyarrow.csv.read_csv("s.csv")["anomaly"].to_numpy()
    assert json.loads(out)["flagged"] == found.sum() == 12  # five are asked for, and these are the strangest and equal
    assert found[200:212].all()


# ---------------------------------------------------------------------- impute, map


def test_impute_fills_every_gap_and_changes_nothing_else(files, run):
    code, out, _ = run("impute impute.safetensors new.parquet -o whole.parquet --json")
    assert code == 0
    before, after = goods(seed=1), parquet.read_table("whole.parquet")
    assert after.schema.equals(before.schema)
    for name in before.column_names:
        known = before[name].is_valid()
        assert after[name].null_count == 0
        assert after[name].filter(known).equals(before[name].filter(known))
    assert sum(json.loads(out)["filled"].values()) == sum(before[n].null_count for n in before.column_names)
    pyarrow.csv.write_csv(before, "new.csv")
    assert run("impute impute.safetensors new.csv -o whole.csv")[0] == 0
    rows = list(csv.DictReader(Path("whole.csv").read_text().splitlines()))
    assert all(all(row.values()) for row in rows)
    assert all(row["count"].isdigit() for row in rows)


@pytest.mark.parametrize(("name", "start"), [("m.png", b"\x89PNG"), ("m.svg", b"<?xml")])
def test_map_draws_a_picture(name, start, files, run):
    assert run(f"map map.safetensors new.parquet -o {name}")[0] == 0
    assert Path(name).read_bytes().startswith(start)


def test_map_writes_points_beside_the_keys(files, run):
    assert run("map map.safetensors new.parquet -o m.csv")[0] == 0
    assert pyarrow.csv.read_csv("m.csv").column_names == ["key", "day", "grade", "x", "y"]


# ---------------------------------------------------------------------- evaluate, report


def test_evaluate_tells_people_and_programs_the_same_and_uses_the_label(files, run):
    code, text, _ = run("evaluate encode.safetensors new.parquet")
    assert code == 0
    assert "reconstruction" in text
    code, out, _ = run("evaluate encode.safetensors new.parquet --json")
    told = json.loads(out)
    error = told["sections"]["reconstruction"]["error"] if "sections" in told else told["reconstruction"]["error"]
    assert error["model"] > 0
    assert error["pca"] > 0
    assert "probe" in text


@pytest.mark.parametrize("task", TASKS)
def test_report_is_one_page_that_needs_no_network(task, files, run):
    assert run(f"report {task}.safetensors new.parquet -o page.html")[0] == 0
    page = Path("page.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    for word in ("colour", "size", "grade"):
        assert word in page
    assert not any(word in page for word in ("src=", "@import", "fetch(", 'href="http'))
    assert (task == "detect") == ("Nearest normal row" in page)


# ---------------------------------------------------------------------- monitor


def test_monitor_is_silent_about_rows_of_the_same_sort(files, run):
    for task in TASKS:
        for table in ("goods.parquet", "new.parquet"):
            code, out, _ = run(f"monitor {task}.safetensors {table}")
            assert code == 0, out
            assert "no column drifted" in out


@pytest.mark.parametrize("column", ["size", "colour"])
def test_monitor_names_the_one_column_that_drifted(column, files, run):
    new = goods(seed=1)
    cells = (
        pc.add(new["size"], 4.0).to_pylist() if column == "size" else ["mauve"] * 60 + new["colour"].to_pylist()[60:]
    )
    parquet.write_table(put(new, column, column, cells), "moved.parquet")
    code, out, _ = run("monitor encode.safetensors moved.parquet")
    assert code == 3
    assert f"drifted: {column}\n" in out
    code, out, _ = run("monitor encode.safetensors moved.parquet --json")
    assert code == 3
    assert json.loads(out)["drifted"] == [column]


@pytest.mark.parametrize("seed", range(4))
def test_the_rate_of_alarms_alarms_when_rows_are_contaminated_and_not_by_chance(seed, files, run):
    new = goods(seed=10 + seed)
    parquet.write_table(new, "same.parquet")
    assert not json.loads(run("monitor detect.safetensors same.parquet --json")[1])["alarms"]["drifted"]
    rng, sizes = np.random.default_rng(seed), new["size"].to_pylist()
    for i in rng.choice(len(sizes), 30, replace=False):
        sizes[i] = float(rng.choice([-20, 30]))
    parquet.write_table(put(new, "size", "size", sizes), "foul.parquet")
    code, out, _ = run("monitor detect.safetensors foul.parquet --json")
    assert code == 3
    assert json.loads(out)["alarms"]["drifted"]


# ---------------------------------------------------------------------- with and without a model


def test_without_a_model_one_is_fitted_and_kept_where_asked(run):
    parquet.write_table(goods(50), "few.parquet")
    assert run("detect few.parquet -o s.csv --keep kept.safetensors --label grade --drop day")[0] == 0
    first = Path("s.csv").read_bytes()
    assert run("detect kept.safetensors few.parquet -o s.csv")[0] == 0
    assert Path("s.csv").read_bytes() == first
    assert pyarrow.csv.read_csv("s.csv").column_names[:2] == ["key", "grade"]


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["impute", "map", "evaluate", "report"])
def test_every_verb_but_monitor_fits_by_itself(verb, run):
    parquet.write_table(goods(50), "few.parquet")
    place = {"impute": "-o o.csv", "map": "-o o.csv", "evaluate": "", "report": "-o o.html"}[verb]
    assert run(f"{verb} few.parquet {place} --label grade")[0] == 0
    assert bool(place) == any(p.name.startswith("o.") for p in Path().iterdir())


# ---------------------------------------------------------------------- mistakes

MISTAKES = {
    "detect encode.safetensors new.parquet -o o.csv": "--task detect",
    "impute detect.safetensors new.parquet -o o.csv": "--task impute",
    "map encode.safetensors new.parquet -o o.csv": "--task map",
    "encode impute.safetensors new.parquet -o o.csv": "--task encode",
    "monitor new.parquet": "monitor MODEL DATA",
    "detect detect.safetensors new.parquet -o o.csv --setting clean": "--setting is for a fit",
    "detect detect.safetensors new.parquet -o o.csv --label grade": "--label is for a fit",
    "detect detect.safetensors new.parquet -o o.csv --id key": "--id is for a fit",
    "detect detect.safetensors new.parquet -o o.csv --time day": "--time is for a fit",
    "detect detect.safetensors new.parquet -o o.csv --type size=category": "--type is for a fit",
    "detect new.parquet -o o.csv --label grad": "Did you mean 'grade'?",
    "detect new.parquet -o o.csv --type siz=category": "Did you mean 'size'?",
    "detect new.parquet -o o.csv --type size": "NAME=SORT",
    "detect new.parquet -o o.csv --type size=wide": "number",
    "detect new.parquet -o o.csv --setting tidy": "'clean'",
    "detect new.parquet -o o.csv --keep kept.bin": "kept.safetensors",
    "detect new.parquet -o o.csv --explain -1": "--explain",
    "fit new.parquet -o o.safetensors --task guess": "encode, detect, impute, map",
    "impute impute.safetensors new.parquet": "--output",
    "map map.safetensors new.parquet -o o.jpg": ".csv",
    "report encode.safetensors new.parquet -o o.pdf": "o.html",
    "evaluate encode.safetensors less.parquet": "'size'",
    "monitor encode.safetensors less.parquet": "'size'",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_exit_code_2(command, files, run):
    parquet.write_table(goods(60).drop_columns("size"), "less.parquet")
    before = sorted(Path().iterdir())
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert all(line.startswith("note: ") for line in err[:-1])
    assert err[-1].startswith("latently: ")
    assert MISTAKES[command] in err[-1]
    assert sorted(Path().iterdir()) == before


# ---------------------------------------------------------------------- tables as people have them


def test_columns_may_come_in_another_order_and_with_others(files, run):
    new = goods(seed=1)
    parquet.write_table(new.select(new.column_names[::-1]).append_column("more", new["size"]), "mixed.parquet")
    for table in ("new", "mixed"):
        assert run(f"detect detect.safetensors {table}.parquet -o {table}.csv")[0] == 0
    scores = [pyarrow.csv.read_csv(f"{t}.csv")["score"] for t in ("new", "mixed")]
    assert scores[0].equals(scores[1])
    assert run("impute impute.safetensors mixed.parquet -o whole.parquet")[0] == 0
    whole = parquet.read_table("whole.parquet")
    assert whole.column_names == [*new.column_names[::-1], "more"]
    assert whole["more"].equals(new["size"])


def test_semicolons_decimal_commas_and_marks_for_missing_are_read_as_they_are_meant(files, run):
    new = goods(seed=1)
    lines = [";".join(new.column_names)]
    for row in new.to_pylist():
        cells = ["-999" if v is None else str(v).replace(".", ",") for v in row.values()]
        lines.append(";".join(cells))
    Path("new.csv").write_text("\n".join(lines) + "\n")
    command = "fit new.csv -o m.safetensors --epochs 1 -n 2 --missing -999 --type count=category --label grade --json"
    code, out, _ = run(command)
    assert code == 0
    found = {c["name"]: c for c in json.loads(out)["schema"]}
    assert found["size"]["sort"] == "number"
    assert found["size"]["missing"] == pytest.approx(new["size"].null_count / len(new))
    assert found["count"]["sort"] == "category"
    assert found["day"]["sort"] == "time"
    assert found["key"]["role"] == "left out"
    assert found["grade"]["role"] == "label"


@pytest.mark.parametrize("command", [
    "detect detect.safetensors new.parquet -o o.csv", "impute impute.safetensors new.parquet -o o.csv",
    "map map.safetensors new.parquet -o o.svg", "map map.safetensors new.parquet -o o.csv",
    "report detect.safetensors new.parquet -o o.html", "evaluate impute.safetensors new.parquet",
    "monitor detect.safetensors new.parquet", "info detect.safetensors",
])  # fmt: skip
def test_json_is_one_object_on_standard_output(command, files, run):
    code, out, _ = run(f"{command} --json")
    assert code == 0
    assert isinstance(json.loads(out), dict)
    assert out.count("\n") == 1


def test_every_task_of_a_verb_knows_its_verb() -> None:
    found = tasks()
    assert {word: found[name].job for word, name in WORDS.items() if word != "encode"} == {
        word: word for word in WORDS if word != "encode"
    }
