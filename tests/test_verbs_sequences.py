"""The verbs' promises on series, texts and sounds: what each writes, in which form, and each mistake in one line."""

import datetime
import json
import re
import shutil
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
from numpy.testing import assert_array_equal

import latently.faces.verbs.clips
from latently.errors import BadParameter
from latently.faces import sheets, spectrogram, verb
from latently.faces.cli import main
from latently.faces.report import render
from latently.faces.sorts import FAMILIES, family, family_of, sort_of
from latently.modalities.base import Modality
from latently.modalities.pictures import pictures
from latently.modalities.soundfiles import write
from latently.modalities.sounds import sounds

STEPS, LINES, RATE = 160, 40, 8000
ODD = slice(90, 98)  # steps of the second machine that are not like the others
GAP = slice(40, 46)  # steps of the first without a flow
ROLES = "--as series --id machine --drop note"
BODY = "--text body"
TASKS = {
    "series": ("encode", "detect", "impute", "map", "denoise", "sample", "search"),
    "text": ("encode", "detect", "map", "denoise", "sample", "search"),
    "audio": ("encode", "detect", "map", "denoise", "sample", "search"),
}


def table_of_series(path):
    """Two machines, their rows mixed: a wave with a gap, a wave with a lump."""
    rng, t = np.random.default_rng(0), np.arange(STEPS)
    rows = []
    for machine in "ab":
        flow = np.sin(t / 5) + 0.05 * rng.normal(size=STEPS)
        if machine == "b":
            flow[ODD] += 4
        heat = np.rint(100 + 40 * np.cos(t / 5) + rng.normal(size=STEPS)).astype(int)
        for i in range(STEPS):
            when = datetime.datetime(2024, 1, 1) + datetime.timedelta(minutes=30 * i)
            gap = machine == "a" and GAP.start <= i < GAP.stop
            rows.append((i, f"{when},{machine},{'' if gap else round(flow[i], 4)},{heat[i]},as seen"))
    lines = [text for _, text in sorted(rows, key=lambda row: row[0])]
    path.write_text("\n".join(["when,machine,flow,heat,note", *lines]) + "\n")


def texts():
    """Lines that speak of one of two things."""
    rng = np.random.default_rng(0)
    words = (["pump", "valve", "leak", "oil", "motor", "seal"], ["goal", "match", "team", "score", "win", "ball"])
    return [" ".join(rng.choice(words[i % 2], 6)) for i in range(LINES)]


def tone(path, hertz, seconds, channels=1):
    """A WAV of 16 bits: a tone in a little noise."""
    t = np.arange(round(seconds * RATE)) / RATE
    x = 0.4 * np.sin(2 * np.pi * hertz * t) + 0.01 * np.random.default_rng(int(hertz)).normal(size=len(t))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat((x * 32767).astype("<i2"), channels).tobytes())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data of each sort, and a model of each task that applies, fitted in a blink."""
    folder = tmp_path_factory.mktemp("data")
    table_of_series(folder / "m.csv")
    body = texts()
    (folder / "lines.txt").write_text("\n".join(body) + "\n")
    rows = [f"k{i},{text},{'sport' if i % 2 else 'works'}" for i, text in enumerate(body)]
    (folder / "t.csv").write_text("\n".join(["key,body,topic", *rows]) + "\n")
    (folder / "docs").mkdir()
    for i in range(10):
        (folder / "docs" / f"d{i}.txt").write_text(body[i])
    for kind, hertz in (("low", 220), ("high", 1500)):
        (folder / "tones" / kind).mkdir(parents=True)
        for i in range(4):
            tone(folder / "tones" / kind / f"{i}.wav", hertz + 10 * i, 0.3 + 0.05 * i, channels=1 + (i == 3))
    given = {"series": f"m.csv {ROLES}", "text": f"t.csv {BODY}", "audio": "tones"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for sort, tasks in TASKS.items():
            for task in tasks:
                assert main(f"fit {given[sort]} --task {task} -o {sort}-{task}.safetensors --epochs 1".split()) == 0
    return folder


@pytest.fixture(autouse=True)
def traced(monkeypatch):
    monkeypatch.setenv("LATENTLY_TRACEBACK", "1")


@pytest.fixture
def run(place, tmp_path, monkeypatch, capsys):
    """In a folder with the data and the models: standard output of a command that ends well."""
    for file in place.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)

    def run(command, code=0):
        capsys.readouterr()
        found = main(command.split())
        out, err = capsys.readouterr()
        assert found == code, err
        return out if code == 0 else err

    return run


def read(path):
    """Samples and rate."""
    found = sounds(path)
    return found[0], int(found.rates[0])


def table(path):
    return pa.csv.read_csv(path)


# ---------------------------------------------------------------- which sort it is


def test_every_way_to_read_data_belongs_to_a_sort():
    assert [key for key in Modality.registry if family(key) is None] == []


@pytest.mark.parametrize("sort", TASKS)
def test_a_model_brings_its_sort_along(place, sort):
    for task in TASKS[sort]:
        model = place / f"{sort}-{task}.safetensors"
        assert family_of(model) == sort
        data = {"series": "m.csv", "text": "t.csv", "audio": "tones"}[sort]
        assert sort_of(place / data, None, model) == sort


def test_a_folder_is_what_its_model_or_its_files_say(tmp_path, place):
    tone(tmp_path / "a.wav", 300, 0.1)
    (tmp_path / "about.txt").write_text("what this is")
    assert sort_of(tmp_path, None, None) == "audio"
    assert sort_of(tmp_path, "text", None) == "text"
    assert sort_of(tmp_path, None, place / "text-encode.safetensors") == "text"
    assert sort_of(place / "docs", None, None) == sort_of(place / "lines.txt", None, None) == "text"
    assert sort_of(place / "m.csv", None, None) == sort_of(place / "lines.txt", "table", None) == "table"


# ---------------------------------------------------------------- series


def test_codes_of_series_say_which_steps_they_are_of(run):
    run("encode series-encode.safetensors m.csv -o codes.csv")
    found = table("codes.csv")
    assert found.column_names[:3] == ["machine", "first", "last"]
    assert found.column_names[3] == "code0"
    assert found.column("machine").to_pylist() == ["a", "b"]
    assert str(found.column("last")[0]) == "2024-01-04 07:30:00"


@pytest.mark.parametrize(("verb", "task"), [("reconstruct", "encode"), ("denoise", "denoise")])
def test_series_come_back_in_the_form_of_their_table(run, verb, task):
    run(f"{verb} series-{task}.safetensors m.csv -o again.csv")
    before, after = table("m.csv"), table("again.csv")
    assert after.column_names == before.column_names
    for name in ("when", "machine", "note"):
        assert after.column(name).equals(before.column(name))
    assert after.schema.types == before.schema.types
    assert after.column("flow").null_count == (6 if verb == "denoise" else 0)  # a gap is no noise
    assert not after.column("flow").equals(before.column("flow"))


def test_gaps_of_series_are_filled_and_nothing_else(run):
    out = run("impute series-impute.safetensors m.csv -o full.csv")
    before, after = table("m.csv"), table("full.csv")
    gaps = before.column("flow").is_null().to_numpy()
    assert gaps.sum() == 6
    assert "320 steps, 6 cells filled" in out
    assert after.column("flow").null_count == 0
    assert after.schema.types == before.schema.types
    assert (after.column("flow").to_numpy() == before.column("flow").to_numpy())[~gaps].all()
    assert after.drop_columns(["flow"]).equals(before.drop_columns(["flow"]))


def test_a_lump_in_a_series_is_the_strangest_interval_and_its_steps_bear_the_reason(run):
    out = run("detect series-detect.safetensors m.csv -o strange.csv")
    found = table("strange.csv")
    assert found.column_names == ["machine", "when", "score", "p_value", "anomaly", "reason"]
    assert found.num_rows == 2 * STEPS
    assert found.column("when").equals(table("m.csv").column("when"))
    row = int(np.argmax(found.column("score").to_numpy()))
    assert found.column("machine")[row].as_py() == "b"
    assert found.column("reason")[row].as_py().startswith("flow ")
    step = row // 2
    assert ODD.start - 8 <= step <= ODD.stop + 8
    shown = [line for line in out.splitlines() if line.strip().startswith("b")]
    assert "2024-01-02" in shown[0]
    assert "flow" in shown[0]
    assert out.splitlines()[0] == "the strangest intervals"


def test_alerts_a_day_are_steps_of_series_by_their_times(run):
    days = (STEPS - 1) * 0.5 / 24
    told = json.loads(run("detect series-detect.safetensors m.csv -o strange.csv --alerts-per-day 3 --sort --json"))
    assert told["flagged"] == table("strange.csv").column("anomaly").to_pylist().count(True) == round(3 * days)
    assert told["intervals"][0]["series"] == "b"
    score = table("strange.csv").column("score").to_numpy()
    assert (np.diff(score) <= 0).all()


def test_without_times_and_names_steps_have_numbers(run, tmp_path):
    rng = np.random.default_rng(0)
    np.savetxt(tmp_path / "plain.csv", np.sin(np.arange(200) / 4) + 0.1 * rng.normal(size=200), "%.4f", header="x",
               comments="")  # fmt: skip
    run("fit plain.csv --as series --task detect -o d.safetensors --epochs 1")
    out = run("detect d.safetensors plain.csv -o strange.csv --explain 0")
    assert table("strange.csv").column_names == ["step", "score", "p_value", "anomaly"]
    assert "from" in out
    err = run("detect d.safetensors plain.csv -o strange.csv --alerts-per-day 1", 2)
    assert "--alerts-per-day needs to know when" in err
    run("fit plain.csv --as series --task encode -o e.safetensors --epochs 1")
    run("encode e.safetensors plain.csv -o codes.csv")
    assert table("codes.csv").column_names[:2] == ["first", "last"]


def test_maps_of_series_have_a_point_a_window(run):
    run("map series-map.safetensors m.csv -o map.csv")
    assert table("map.csv").column_names == ["machine", "first", "last", "x", "y"]
    assert "a map of 2 windows" in run("map series-map.safetensors m.csv -o map.png")
    assert Path("map.png").read_bytes()[:4] == b"\x89PNG"


def test_new_series_have_a_line_a_step(run):
    run("sample series-sample.safetensors -o new.csv -c 3")
    found = table("new.csv")
    assert found.column_names == ["series", "step", "flow", "heat"]
    assert found.num_rows == 3 * STEPS


def test_windows_of_series_find_themselves(run):
    run("search query series-search.safetensors m.csv -o found.csv -k 2")
    found = table("found.csv")
    first = found.filter(pa.compute.equal(found.column("rank"), 1))
    assert first.column("query").equals(first.column("name"))
    assert first.column("name").to_pylist() == ["a 2024-01-01 00:00:00", "b 2024-01-01 00:00:00"]
    out = run(f"search build m.csv {ROLES} -o i.safetensors --epochs 1")
    assert "an index of 2 windows" in out


def test_windows_that_are_found_are_drawn_where_it_is_known_what_they_are(run):
    run("search query series-search.safetensors m.csv -o found -k 2 --among m.csv")
    assert sorted(p.name for p in Path("found").iterdir()) == ["found.csv", "sheet.png"]
    tiles = [tile("found/sheet.png", 0, j) for j in range(3)]
    assert_array_equal(tiles[0], tiles[1])  # itself
    assert (tiles[1] != tiles[2]).any()
    run("search query series-search.safetensors m.csv -o grey -k 2")
    assert_array_equal(tile("grey/sheet.png", 0, 0), tiles[0])
    assert (tile("grey/sheet.png", 0, 2) == 200).all()


def tile(path, row, column):
    """The picture at a place of a sheet with heads."""
    across, down = (sheets.GAP + i * (sheets.TILE + sheets.GAP) for i in (column, row))
    down += sheets.LINE * (row + 1)
    return pictures(path)[0][down : down + sheets.TILE, across : across + sheets.TILE]


def test_series_are_judged(run):
    out = run("evaluate series-encode.safetensors m.csv --json")
    assert json.loads(out)["reconstruction"]["error"]["model"] > 0


@pytest.mark.parametrize(("roles", "left"), [
    ({"id": ["machine"], "drop": ["note"]}, {"b"}), ({"drop": ["note", "machine", "when"]}, {"a", "b"}),
])  # fmt: skip
def test_without_a_model_other_series_or_later_steps_are_judged(place, roles, left):
    common = {n: d for n, (_, d) in verb.COMMON.items()} | roles | {"read_as": "series", "as_json": True}
    given = verb.given_of("any", place / "m.csv", None, None, common)
    whole = given.rows
    given.__dict__["estimator"] = "fitted"
    given.hold_out(0.3)
    assert set(given.rows.column("machine").to_pylist()) == left
    if len(left) == 2:
        assert given.rows.equals(whole.slice(round(0.7 * 2 * STEPS)))


def test_a_column_of_times_is_found_and_one_of_words_asked_for(run):
    err = run("fit m.csv --as series --id machine -o x.safetensors --epochs 1", 2)
    assert "'note'" in err.splitlines()[-1]
    assert "--drop note" in err.splitlines()[-1]
    assert "column 'when' tells the time" in err


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize(("data", "keys", "count"), [
    ("lines.txt", ["line"], LINES), ("docs", ["file"], 10), ("t.csv", [], LINES), ("t.csv --id key", ["key"], LINES),
])  # fmt: skip
def test_codes_of_texts_stand_beside_what_names_them(run, data, keys, count):
    run(f"encode text-encode.safetensors {data} -o codes.csv")
    found = table("codes.csv")
    assert found.num_rows == count
    assert found.column_names[: len(keys) + 1] == [*keys, "code0"]


def test_what_a_code_tells_of_a_text_are_words_beside_it(run):
    run("reconstruct text-encode.safetensors t.csv -o again.csv")
    found = table("again.csv")
    assert found.column_names == ["key", "body", "topic", "words"]
    assert found.drop_columns(["words"]).equals(table("t.csv"))
    known = {w for text in texts() for w in text.split()}
    assert set(found.column("words")[0].as_py().split()) <= known


def test_typos_are_taken_out_of_texts_in_their_place(run):
    run("denoise text-denoise.safetensors t.csv -o clean.csv")
    before, after = table("t.csv"), table("clean.csv")
    assert after.column_names == before.column_names
    assert after.drop_columns(["body"]).equals(before.drop_columns(["body"]))
    assert after.schema.types == before.schema.types


def test_strange_texts_have_scores_and_reasons(run):
    out = run("detect text-detect.safetensors docs -o strange.csv")
    found = table("strange.csv")
    assert found.column_names == ["file", "score", "p_value", "anomaly", "reason1", "reason2", "reason3"]
    assert found.column("file")[0].as_py() == "docs/d0.txt"
    assert "the strangest texts" in out
    assert "10 texts, " in out


def test_new_texts_are_lines_or_rows(run):
    out = run("sample text-sample.safetensors -o new.txt -c 5")
    assert "5 new texts" in out
    assert len(Path("new.txt").read_text().splitlines()) == 5
    run("sample text-sample.safetensors -o new.csv -c 5")
    assert table("new.csv").column_names == ["text"]


def test_maps_and_indexes_of_texts(run):
    run("map text-map.safetensors t.csv -o map.csv --label topic --id key")
    assert table("map.csv").column_names == ["key", "topic", "x", "y"]
    run("map text-map.safetensors t.csv -o map.png --label topic")
    assert Path("map.png").read_bytes()[:4] == b"\x89PNG"
    run("search build lines.txt -o i.safetensors --epochs 1")
    run("search query i.safetensors docs -o found.csv -k 1")
    found = table("found.csv")
    assert found.column("query")[2].as_py() == "docs/d2.txt"
    assert found.column("name").to_pylist() == [str(i) for i in range(1, 11)] or found.column("distance")[2].as_py() < 1


def test_texts_that_are_found_can_be_read(run):
    out = run(f"search build t.csv {BODY} --id key -o i.safetensors --epochs 1")
    assert "--among t.csv --id key" in out
    run("search query i.safetensors lines.txt -o found.csv -k 2 --among t.csv --id key")
    found, whole = table("found.csv"), table("t.csv")
    texts = dict(zip(whole.column("key").to_pylist(), whole.column("body").to_pylist(), strict=True))
    assert found.column("text").to_pylist() == [texts[name] for name in found.column("name").to_pylist()]


def test_texts_are_judged_with_labels_and_without(run):
    told = json.loads(run("evaluate text-encode.safetensors t.csv --label topic --json"))
    assert set(told["probe"]) >= {"accuracy, logistic"}
    assert "pump" in told["columns"]
    run("evaluate lines.txt")


# ---------------------------------------------------------------- sounds


def test_codes_and_maps_of_sounds_stand_beside_files_and_folders(run):
    run("encode audio-encode.safetensors tones -o codes.csv")
    run("map audio-map.safetensors tones -o map.csv")
    for name in ("codes.csv", "map.csv"):
        found = table(name)
        assert found.column_names[:2] == ["file", "label"]
        assert found.column("label").to_pylist() == ["high"] * 4 + ["low"] * 4
    run("map audio-map.safetensors tones -o map.png")
    assert Path("map.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(("verb", "task"), [("reconstruct", "encode"), ("denoise", "denoise")])
def test_sounds_come_back_with_their_rate_length_and_channels(run, verb, task):
    run(f"{verb} audio-{task}.safetensors tones -o out")
    assert Path("out/sheet.png").is_file()
    names = sorted(str(p.relative_to("tones")) for p in Path("tones").rglob("*.wav"))
    assert sorted(str(p.relative_to("out")) for p in Path("out").rglob("*.wav")) == names
    for name in names:
        (before, rate), (after, other) = read(Path("tones") / name), read(Path("out") / name)
        assert other == rate == RATE
        assert after.shape == before.shape
        assert after.dtype == before.dtype
        assert not np.array_equal(after, before)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_a_cleaned_file_has_the_rate_length_width_and_channels_it_had(run, dtype):
    """Each at twice the rate of the model, stereo, of an odd length."""
    heard = np.random.default_rng(0).normal(0, 0.1, (2 * RATE // 3, 2)).clip(-1, 1)
    full, middle = {"uint8": (127, 128), "int16": (32767, 0), "int32": (2**31 - 1, 0), "float32": (1, 0)}[dtype]
    write("hiss.wav", (full * heard + middle).astype(dtype), 2 * RATE)
    run("denoise audio-denoise.safetensors hiss.wav -o out")
    (before, rate), (after, other) = read("hiss.wav"), read("out/hiss.wav")
    assert (other, after.dtype, after.shape) == (rate, before.dtype, before.shape) == (2 * RATE, dtype, heard.shape)
    assert not np.array_equal(after, before)


def test_a_long_clip_is_cleaned_as_it_is_read_to_the_same_samples(run, monkeypatch):
    heard = np.random.default_rng(0).normal(0, 0.1, (2 * RATE, 1)).clip(-1, 1)
    write("hiss.wav", (32767 * heard).astype("int16"), RATE)
    run("denoise audio-denoise.safetensors hiss.wav -o whole")
    monkeypatch.setattr(latently.faces.verbs.clips, "SECONDS", 0.5)
    monkeypatch.setattr(latently.Denoiser, "transform", None)  # which would hold all of it
    run("denoise audio-denoise.safetensors hiss.wav -o streamed")
    (whole, _), (streamed, rate) = read("whole/hiss.wav"), read("streamed/hiss.wav")
    assert rate == RATE
    assert np.array_equal(whole, streamed)
    assert Path("streamed/sheet.png").is_file()


def test_strange_sounds_have_scores_heat_and_a_sheet(run):
    out = run("detect audio-detect.safetensors tones -o strange")
    found = table("strange/scores.csv")
    assert found.column_names[:5] == ["file", "label", "score", "p_value", "anomaly"]
    assert len(list(Path("strange").rglob("*-heat.png"))) == 8
    assert Path("strange/sheet.png").is_file()
    assert "8 clips" in out


def test_new_sounds_and_what_is_alike(run):
    run("sample audio-sample.safetensors -o new -c 3")
    assert sorted(p.name for p in Path("new").iterdir()) == ["0.wav", "1.wav", "2.wav", "sheet.png"]
    assert read(Path("new/0.wav"))[1] == RATE
    run("search query audio-search.safetensors tones -o found.csv -k 1")
    found = table("found.csv")
    assert found.column("query").to_pylist() == sorted(f"{k}/{i}.wav" for k in ("low", "high") for i in range(4))
    assert [f"tones/{q}" for q in found.column("query").to_pylist()] == found.column("name").to_pylist()


def test_clips_that_are_found_lie_there_in_their_order(run):
    run("search query audio-search.safetensors tones/low/1.wav -o found -k 3")
    found = table("found/found.csv").column("name").to_pylist()
    assert found[0] == "tones/low/1.wav"
    names = [f"{i:02d}-{Path(name).name}" for i, name in enumerate(["tones/low/1.wav", *found])]
    assert sorted(p.name for p in Path("found/01-1").iterdir()) == names
    for name, source in zip(names[1:], found, strict=True):
        assert Path("found/01-1", name).read_bytes() == Path(source).read_bytes()
    assert pictures("found/sheet.png")[0].shape[1] == 5 * sheets.GAP + 4 * sheets.TILE


def test_sounds_are_judged(run):
    told = json.loads(run("evaluate audio-encode.safetensors tones --json"))
    assert told["reconstruction"]["error"]["model"] > 0


def test_a_spectrogram_shows_a_tone_where_it_is():
    t = np.arange(4000) / RATE
    picture = spectrogram.spectrogram(np.sin(2 * np.pi * 1000 * t), RATE)
    rows, columns = picture.shape
    assert columns > rows  # half a second is no stripe
    assert abs(int(picture.mean(1).argmax()) - rows * (1 - 1000 / 4000)) < 3


# ---------------------------------------------------------------- every sort


@pytest.mark.parametrize("sort", TASKS)
@pytest.mark.parametrize("task", ["encode", "detect", "sample", "denoise"])
def test_a_report_shows_each_sort(run, sort, task):
    data = {"series": "m.csv", "text": "t.csv", "audio": "tones"}[sort]
    run(f"report {sort}-{task}.safetensors {data} -o page.html")
    page = Path("page.html").read_text()
    section = {"series": 'id="stretches"', "text": 'id="strange"', "audio": 'id="galleries"'}[sort]
    assert section in page
    special = {
        ("series", "encode"): "as its code tells it", ("series", "detect"): "Strangest intervals",
        ("series", "sample"): "New series, flow", ("series", "denoise"): "cleaned", ("text", "encode"): "Topics",
        ("text", "detect"): "Strangest texts", ("text", "sample"): "New texts", ("audio", "encode"): "Reconstructions",
        ("audio", "detect"): "Strangest sounds", ("audio", "sample"): "Samples",
        ("audio", "denoise"): "Before and after",
    }  # fmt: skip
    assert special.get((sort, task), "Strangest texts") in page
    if task == "detect" and sort != "audio":
        assert re.search(r"Flags \d+ of \d+ (texts|steps) as unlike the others", page)


def test_words_in_series_and_texts_stay_words_on_the_page():
    bad = "<script>alert(1)</script>"
    lines = [{"name": bad, "values": [1.0, None, 2.0], "look": "c0"}]
    page = render({
        "stretches": [{"title": bad, "x": bad, "places": [0, 1, 2], "lines": lines, "spans": [[0, 1]]}],
        "listings": [{"title": bad, "heads": [bad], "rows": [[bad]], "note": bad}],
    })  # fmt: skip
    assert bad not in page
    assert page.count("&lt;script&gt;alert") >= 6
    assert page.count('class="marked"') == 1


@pytest.mark.slow
def test_a_browser_shows_each_report_on_a_phone(run, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no browser: apt-get install chromium")
    complaints = []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for model, data in (("series-detect", "m.csv"), ("text-encode", "t.csv"), ("audio-detect", "tones")):
            run(f"report {model}.safetensors {data} -o {model}.html")
            page = browser.new_page(viewport={"width": 390, "height": 900})
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto((tmp_path / f"{model}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, model
            assert page.locator("figure, img").count() > 0
            page.close()
        browser.close()
    assert complaints == []


@pytest.mark.parametrize(("model", "words"), [
    ("series-encode", ["2 channels, 2 windows of 160 steps", "a window"]), ("series-detect", ["windows of 16 steps"]),
    ("text-encode", ["words counted", "a text"]), ("text-sample", ["spelled in", "pieces"]),
    ("audio-encode", ["8,000 samples a second", "a clip"]), ("audio-detect", ["8,000 samples a second"]),
])  # fmt: skip
def test_info_speaks_of_what_the_model_knows(run, model, words):
    out = run(f"info {model}.safetensors")
    for word in words:
        assert word in out


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(("command", "words"), [
    ("encode m.csv --as nonsense -o x.csv", ["--as nonsense", "series, text, images, audio"]),
    ("encode series-encode.safetensors m.csv --as text -o x.csv", ["fitted on series", "Leave --as out"]),
    ("encode series-encode.safetensors tones -o x.csv", ["fitted on series", "holds sounds"]),
    ("encode audio-encode.safetensors m.csv -o x.csv", ["fitted on sounds", "holds a table"]),
    ("encode text-encode.safetensors tones -o x.csv", ["tones leads to no text"]),
    ("encode t.csv --text nope -o x.csv", ["'nope'", "--text names", "'body'"]),
    ("encode t.csv --as text -o x.csv", ["--text COLUMN is missing", "key, body, topic"]),
    ("encode text-encode.safetensors m.csv -o x.csv", ["'body'", "the model was fitted on"]),
    ("encode lines.txt --text body -o x.csv", ["--text names a column", "Leave it out"]),
    ("encode empty -o x.csv", ["empty leads to nothing", "images (.png", "sounds (.wav", "texts (.txt)", "Tables"]),
    ("encode empty --as text -o x.csv", ["empty"]),
    ("encode empty --as audio -o x.csv", ["empty"]), ("encode none.txt -o x.csv", ["does not exist"]),
    ("impute t.csv --text body -o x.csv", ["holds text", "takes a table, series, images"]),
    ("impute tones -o x", ["holds sounds"]), ("detect tones -o x --alerts-per-day 2", ["--alerts-per-day"]),
    ("compress m.csv --as series -o x.ltn", ["holds series", "compress takes images"]),
    ("compress lines.txt -o x.ltn", ["holds text", "compress takes images"]),
    ("compress tones -o x.ltn", ["holds sounds", "compress takes images"]),
    ("monitor series-encode.safetensors m.csv", ["holds series", "takes a table"]),
    ("monitor text-encode.safetensors lines.txt", ["holds text", "takes a table"]),
    ("fit tones -o x.safetensors --id name", ["--id means nothing for a folder of sounds"]),
    ("fit m.csv --as series --time nope -o x.safetensors", ["'nope'", "--time names"]),
    ("fit m.csv --as series --id when --drop note --time machine -o x.safetensors", ["'machine'"]),
    ("sample series-sample.safetensors -o x.csv --drop note", ["--drop is for a fit"]),
    ("sample text-encode.safetensors -o new", ["new"]),
    ("search query audio-search.safetensors tones -o tones", ["tones is the folder that is read"]),
    ("search query series-search.safetensors m.csv -o found --among none.csv", ["none.csv does not exist"]),
])  # fmt: skip
def test_a_mistake_is_one_line(run, command, words):
    Path("empty").mkdir()
    last = run(command, 2).splitlines()
    assert last[-1].startswith("latently: ")
    assert not [line for line in last[:-1] if not line.startswith("note: ")]
    for word in words:
        assert word in last[-1], last[-1]
    assert not list(Path().glob("x*.csv"))


def test_a_verb_names_what_it_takes(tmp_path):
    (tmp_path / "x.txt").write_text("a line")

    @verb.verb("any", text=False, images=True)
    def nothing(given):
        """Nothing."""

    with pytest.raises(BadParameter, match="takes a table, series, images"):
        nothing(model=None, data=tmp_path / "x.txt", **{n: d for n, (_, d) in verb.COMMON.items()})


def test_as_names_every_sort():
    assert set(FAMILIES) == {"table", "series", "text", "images", "audio"}


def test_heat_lies_at_the_frequencies_of_its_bands():
    bands = SimpleNamespace(hertz=lambda: torch.tensor([100.0, 400.0, 3000.0]))
    detector = SimpleNamespace(data_=SimpleNamespace(ear=bands), heat_range_=(1.0, 2.0))
    heat = np.zeros((3, 4), np.float32)
    heat[2] = 9.0
    seen, over = spectrogram.overlaid(np.zeros(4000, np.int16), 8000, heat, detector)
    hot = (over != over[-1, 0]).any(2).mean(1)  # the picture has high frequencies first
    border = round(len(hot) * (1 - (3000 + 400) / 2 / 4000))
    assert seen.shape == over.shape[:2]
    assert (hot[: border - 1] == 1).all()
    assert (hot[border + 1 :] == 0).all()


def test_the_flags_of_a_command_can_be_told_again():
    common = {"time": ["when"], "id": [], "types": ["x=number", "y=time"], "skip": True, "read_as": "series", "seed": 0,
              "components": None, "as_json": True}  # fmt: skip
    told = verb.Track("any", Path("a.csv"), common=common).flags()
    assert told == ["--time", "when", "--type", "x=number", "--type", "y=time", "--skip", "--as", "series"]
