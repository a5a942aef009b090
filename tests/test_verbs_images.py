"""The verbs' promises on folders of images: every verb, what it writes and where, and each mistake in one line."""

import json
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from numpy.testing import assert_allclose

import latently
from latently.faces import results, verb
from latently.faces.cli import main
from latently.faces.places import IMAGES
from latently.modalities import stores
from latently.modalities.encode import write
from latently.modalities.folders import SUFFIXES
from latently.modalities.pictures import pictures

TASKS = ("encode", "detect", "impute", "map", "denoise", "sample", "search", "compress", "classify")
COUNT = 24
NAMES = [f"{kind}/{i}.png" for kind in ("dark", "light") for i in range(COUNT // 2)]


def image(kind, i, shape=(12, 16)):
    """A slope that says the kind, and grain; a square of zeros, a hole, in a place of its own."""
    rng = np.random.default_rng(1000 * (kind == "dark") + i)
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = (200 - 10 * y if kind == "dark" else 40 + 8 * x) + rng.normal(0, 4, shape)
    pixels = np.clip(pixels, 1, 255).astype(np.uint8)
    pixels[i % 8 : i % 8 + 3, 2:5] = 0
    return pixels


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """Two folders of images, and a file that is none."""
    folder = tmp_path_factory.mktemp("data") / "shots"
    for name in NAMES:
        kind, _, number = name.removesuffix(".png").partition("/")
        (folder / kind).mkdir(parents=True, exist_ok=True)
        write(folder / name, image(kind, int(number)))
    (folder / "readme.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def models(shots):
    """A model a task, fitted by the command line in a blink; one of a table besides."""
    folder = shots.parent
    few = {"impute": "--missing 0", "encode": "-n 3", "search": "--bits", "compress": "--set repair=0"}
    few["search"] = "--set bits=16"
    for task in TASKS:
        command = f"fit {shots} -o {folder}/{task}.safetensors --task {task} --epochs 1 {few.get(task, '')}"
        assert main(command.split()) == 0
    numbers = np.random.default_rng(0).normal(size=(60, 3)).round(3)
    pa.csv.write_csv(pa.table({n: numbers[:, j] for j, n in enumerate("abc")}), folder / "t.csv")
    for task in ("encode", "denoise", "impute"):
        assert main(f"fit {folder}/t.csv -o {folder}/t-{task}.safetensors --task {task} --epochs 1 -n 2".split()) == 0
    return folder


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTLY_TRACEBACK", "1")


@pytest.fixture
def run(models, tmp_path, capsys):
    """In a folder with `shots`, `t.csv` and the models: exit code, standard output, lines of the error stream."""
    for file in models.iterdir():
        (tmp_path / file.name).symlink_to(file)

    def run(command):
        capsys.readouterr()
        code = main(command.split())
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return run


def done(run, command):
    """What a command that succeeds prints."""
    code, out, err = run(command)
    assert code == 0, err
    return out


def refused(run, command):
    """The one line of a command that the user got wrong; it writes nothing."""
    before = sorted(str(p) for p in Path().rglob("*"))
    code, out, err = run(command)
    assert (code, out) == (2, ""), err
    assert all(line.startswith("note: ") for line in err[:-1])
    assert err[-1].startswith("latently: ")
    assert sorted(str(p) for p in Path().rglob("*")) == before
    return err[-1]


def written(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def table(path):
    return pa.csv.read_csv(path)


# ---------------------------------------------------------------------- encode, reconstruct


def test_encode_writes_file_and_folder_beside_the_code(run):
    assert "24 images -> 3 numbers each" in done(run, "encode encode.safetensors shots -o codes.csv")
    found = table("codes.csv")
    assert found.column_names == ["file", "label", "code0", "code1", "code2"]
    assert sorted(found["file"].to_pylist()) == sorted(NAMES)
    assert found["label"].to_pylist() == [n.partition("/")[0] for n in found["file"].to_pylist()]
    codes = latently.load("encode.safetensors").transform("shots")
    np.testing.assert_allclose(np.column_stack(found.columns[2:]).astype(float), codes, rtol=1e-6)


def test_a_file_a_pattern_and_an_archive_are_images_too(run):
    with zipfile.ZipFile("shots.zip", "w") as archive:
        for name in NAMES:
            archive.write(f"shots/{name}", name)
    for data, count in (("shots/dark/1.png", 1), ("shots/*/1*.png", 6), ("shots/l*", 24), ("shots.zip", 24)):
        data = data.replace("shots/l*", "shots/*/*")
        done(run, f"encode encode.safetensors {data} -o codes.csv")
        assert table("codes.csv").num_rows == count


def test_every_suffix_that_is_read_is_known_to_the_command_line():
    assert set(IMAGES) == SUFFIXES | {".zip"}


def test_reconstruct_gives_each_image_again_in_its_own_size_and_dtype(run):
    for name, pixels in {
        "dark/a.png": image("dark", 0), "light/b.jpg": image("light", 1), "light/c.tif": image("light", 2, (20, 9)),
        "dark/d.png": image("dark", 3).astype(np.uint16) * 257, "dark/e.png": np.dstack([image("dark", 4)] * 3),
    }.items():  # fmt: skip
        Path("mixed", name).parent.mkdir(parents=True, exist_ok=True)
        write(Path("mixed", name), pixels)
    done(run, "fit mixed -o m.safetensors -n 2 --epochs 1")
    assert "5 images reconstructed" in done(run, "reconstruct m.safetensors mixed -o again")
    assert written("again") == ["dark/a.png", "dark/d.png", "dark/e.png", "light/b.png", "light/c.tif", "sheet.png"]
    for name in pictures("mixed").names:
        before, after = (pictures(p)[0] for p in (f"mixed/{name}", f"again/{name}".replace(".jpg", ".png")))
        assert (before.shape, before.dtype) == (after.shape, after.dtype)
    straight = latently.load("m.safetensors").reconstruct("mixed")
    for i, name in enumerate(pictures("mixed").names):
        np.testing.assert_array_equal(pictures(f"again/{name}".replace(".jpg", ".png"))[0], straight[i])


def test_no_result_takes_the_place_of_another(run):
    Path("same").mkdir()
    for i, name in enumerate(("a.jpg", "a.png", "a.tif", "sheet.png", "b.jpg", "b.jpeg")):
        write(Path("same", name), image("dark", i))
    from PIL import Image

    pages = [Image.fromarray(image("light", i)) for i in range(3)]
    pages[0].save("same/pages.tif", save_all=True, append_images=pages[1:])
    done(run, "reconstruct encode.safetensors same -o out")
    assert written("out") == [
        "a-jpg.png", "a.png", "a.tif", "b-jpg.png", "b.png", "pages-0.tif", "pages-1.tif", "pages-2.tif",
        "sheet-png.png", "sheet.png",
    ]  # fmt: skip


def test_names_in_any_script_are_kept_and_drawn_as_far_as_the_font_goes(run):
    from latently.faces.sheets import sheet

    Path("mehr").mkdir()
    write(Path("mehr/für 日.png"), image("dark", 0))
    done(run, "reconstruct encode.safetensors mehr -o out")
    assert written("out") == ["für 日.png", "sheet.png"]
    tile = np.zeros((4, 4, 3), np.uint8)
    np.testing.assert_array_equal(sheet([[tile]], [["für"]]), sheet([[tile]], [["fur"]]))


def test_a_name_that_leads_outside_of_the_folder_is_refused(run):
    for name in ("/tmp/evil.png", "../evil.png", "dark/../../evil.png", ""):
        data = latently.Compressor(quality="lossless").compress([image("dark", 0)] * 2, names=["fine.png", name])
        Path("evil.ltn").write_bytes(data)
        assert "outside of out" in refused(run, "decompress evil.ltn -o out")


def test_the_images_are_computed_a_few_at_a_time(run, monkeypatch):
    done(run, "reconstruct encode.safetensors shots -o whole")
    monkeypatch.setattr(results, "PIXELS", 12 * 16 * 5)
    assert [len(b) for b in results.blocks(pictures("shots"))] == [5, 5, 5, 5, 4]
    done(run, "reconstruct encode.safetensors shots -o pieces")
    for name in written("whole"):
        assert Path("whole", name).read_bytes() == Path("pieces", name).read_bytes()


# ---------------------------------------------------------------------- impute, denoise


def test_impute_fills_the_holes_and_no_other_pixel(run):
    out = done(run, "impute impute.safetensors shots -o out")
    assert f"24 images filled ({9 * COUNT} pixels)" in out
    for name in NAMES:
        before, after = (pictures(f"{folder}/{name}")[0] for folder in ("shots", "out"))
        known = before != 0
        np.testing.assert_array_equal(before[known], after[known])
        assert (after[~known] != 0).all()


def test_impute_asks_which_value_is_a_hole(run):
    assert "--missing VALUE" in refused(run, "impute shots -o out")
    assert "--missing VALUE" in refused(run, "fit shots --task impute -o i.safetensors")
    assert "expected the pixel value" in refused(run, "impute shots -o out --missing black")
    assert "give it once" in refused(run, "impute shots -o out --missing 0 --missing 1")
    assert "--missing is for a fit" in refused(run, "impute impute.safetensors shots -o out --missing 0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", latently.errors.FitAlarm)
        latently.save(latently.Imputer(epochs=1, random_state=0, verbose=False).fit("shots"), "blind.safetensors")
    assert "without --missing" in refused(run, "impute blind.safetensors shots -o out")


def test_denoise_writes_a_folder_and_tells_the_noise(run):
    code, out, err = run("denoise denoise.safetensors shots -o out")
    assert code == 0
    assert "24 images cleaned" in out
    assert any(line.startswith("note: noise of the fit: gaussian") and "measured" in line for line in err)
    assert written("out") == sorted([*NAMES, "sheet.png"])
    names, straight = pictures("shots").names, latently.load("denoise.safetensors").transform("shots")
    for name, made in zip(names, straight, strict=True):
        np.testing.assert_array_equal(pictures(f"out/{name}")[0], made)
    for option in ("--noise gaussian:5", "--clean", "--noisy"):
        assert "is for a fit" in refused(run, f"denoise denoise.safetensors shots -o new {option}")
    assert "--noise" in refused(run, "denoise shots -o new --noise loud")


def test_denoise_takes_a_table_to_a_table(run):
    assert "60 rows" in done(run, "denoise t-denoise.safetensors t.csv -o clean.csv")
    before, after = table("t.csv"), table("clean.csv")
    assert (after.column_names, after.num_rows) == (before.column_names, before.num_rows)
    assert not after.equals(before)


def test_the_options_of_a_task_are_set_in_a_fit(run):
    done(run, "fit shots -o d.safetensors --task denoise --epochs 1 --set clean=false --set noise=gaussian:9")
    assert latently.load("d.safetensors").noise_["low"] == 9
    assert "quality" in refused(run, "fit shots -o c.safetensors --task compress --set alpha=1")


# ---------------------------------------------------------------------- map, sample


def test_map_writes_points_and_a_picture(run):
    assert "24 points" in done(run, "map map.safetensors shots -o m.csv")
    assert table("m.csv").column_names == ["file", "label", "x", "y"]
    assert "24 images" in done(run, "map map.safetensors shots -o m.png")
    assert min(pictures("m.png")[0].shape[:2]) > 200


def test_sample_of_a_model_a_label_and_a_seed(run):
    assert "6 new images" in done(run, "sample sample.safetensors -o out --count 6")
    assert written("out") == [*(f"{i}.png" for i in range(6)), "sheet.png"]
    assert pictures("out/0.png")[0].shape == (12, 16)
    done(run, "sample sample.safetensors -o again --count 6")
    assert Path("out/sheet.png").read_bytes() == Path("again/sheet.png").read_bytes()
    done(run, "sample sample.safetensors -o dark --count 6 --given dark --seed 1")
    line = refused(run, "sample sample.safetensors -o no --given dork")
    assert "dark, light" in line
    assert "is for a fit" in refused(run, "sample sample.safetensors -o no --size 8")
    assert "draws nothing new" in refused(run, "sample impute.safetensors -o no")
    assert "knows labels" in refused(run, "sample encode.safetensors -o no --given dark")


def test_sample_of_a_folder_fits_first(run):
    Path("few").mkdir()
    for i in range(8):
        write(Path("few", f"{i}.png"), image("light", i, (8, 8)))
    done(run, "sample few -o out --count 3 -n 2 --kind variational --keep kept.safetensors")
    assert written("out") == ["0.png", "1.png", "2.png", "sheet.png"]
    done(run, "sample kept.safetensors -o again --count 3")
    assert Path("out/sheet.png").read_bytes() == Path("again/sheet.png").read_bytes()


# ---------------------------------------------------------------------- compress, decompress, verify


def same(folder):
    for name in NAMES:
        np.testing.assert_array_equal(pictures(f"{folder}/{name}")[0], pictures(f"shots/{name}")[0])


@pytest.mark.parametrize("model", ["", "compress.safetensors"])
def test_lossless_needs_no_model_and_gives_every_pixel_and_name_back(model, run):
    done(run, f"compress {model} shots -o s.ltn --quality lossless")
    assert "none needed" in done(run, "verify s.ltn")
    assert "24 images" in done(run, "decompress s.ltn -o out")
    assert written("out") == sorted(NAMES)
    same("out")


def test_a_bounded_file_is_off_by_no_more_than_that(run):
    done(run, "compress shots -o s.ltn --max-error 3")
    done(run, "decompress s.ltn -o out")
    far = [np.abs(pictures(f"out/{n}")[0].astype(int) - pictures(f"shots/{n}")[0]).max() for n in NAMES]
    assert 0 < max(far) <= 3


def test_a_learned_file_comes_back_by_its_model_alone(run):
    done(run, "compress compress.safetensors shots -o s.ltn")
    told = json.loads(done(run, "verify compress.safetensors s.ltn --json"))
    assert (told["images"], sorted(told["names"])) == (COUNT, sorted(NAMES))
    assert told["model"] in done(run, "verify s.ltn")
    done(run, "decompress compress.safetensors s.ltn -o out")
    assert written("out") == sorted(NAMES)
    far = [np.abs(pictures(f"out/{n}")[0].astype(float) - pictures(f"shots/{n}")[0]).mean() for n in NAMES]
    assert 0 < max(far) < 12
    assert "decompress MODEL s.ltn" in refused(run, "decompress s.ltn -o no")
    done(run, "fit shots -o other.safetensors --task compress --set repair=0 --set quality=90")
    for command in ("verify other.safetensors s.ltn", "decompress other.safetensors s.ltn -o no"):
        assert told["model"] in refused(run, command)
    assert "task Autoencoder" in refused(run, "verify encode.safetensors s.ltn")


@pytest.mark.parametrize("harm", ["cut", "flipped", "foreign"])
def test_a_damaged_file_is_refused_as_a_whole(harm, run):
    done(run, "compress shots -o s.ltn --quality lossless")
    data = bytearray(Path("s.ltn").read_bytes())
    if harm == "cut":
        del data[-7:]
    elif harm == "flipped":
        data[-40] ^= 4
    else:
        data = b"a,b\n1,2\n"
    Path("bad.ltn").write_bytes(data)
    for command in ("verify bad.ltn", "decompress bad.ltn -o out"):
        assert "bad.ltn" in refused(run, command)


def test_compress_says_what_it_cannot_do(run):
    Path("p.zip").write_bytes(b"")
    assert "--keep" in refused(run, "compress shots -o s.ltn")
    assert "--quality 80: compress.safetensors was fitted for quality 50" in refused(
        run, "compress compress.safetensors shots -o s.ltn --quality 80"
    )
    assert "--quality much" in refused(run, "compress shots -o s.ltn --quality much")
    assert "--max-error -1" in refused(run, "compress shots -o s.ltn --max-error -1")
    assert "would be lost" in refused(run, "compress p.zip -o p.zip --quality lossless")
    assert "t.csv is a table" in refused(run, "compress t.csv -o s.ltn --quality 80")
    assert "does not exist" in refused(run, "verify gone.ltn")
    assert "does not exist" in refused(run, "decompress gone.ltn -o out")


# ---------------------------------------------------------------------- search


def test_search_finds_each_image_first(run):
    assert "24 images" in done(run, "search build shots -o i.safetensors --epochs 1")
    assert "the 3 most alike to each of 24 images" in done(run, "search query i.safetensors shots -o f.csv -k 3")
    found = table("f.csv").to_pydict()
    assert list(found) == ["query", "rank", "name", "distance"]
    assert len(found["rank"]) == 3 * COUNT
    first = [(q, n) for q, r, n in zip(found["query"], found["rank"], found["name"], strict=True) if r == 1]
    assert all(name == f"shots/{query}" for query, name in first)


def test_query_writes_a_sheet_into_a_new_folder(run):
    done(run, "search build shots -o i.safetensors --epochs 1")
    code, _, err = run("search query i.safetensors shots/dark -o found -k 4")
    assert (code, err) == (0, ["note: shots/dark: 12 images"])
    assert written("found") == ["found.csv", "sheet.png"]
    shown = pictures("found/sheet.png")[0]
    assert shown.std() > 30
    Path("shots").unlink()
    write(Path("new.png"), image("dark", 50))
    code, _, err = run("search query i.safetensors new.png -o moved -k 4")
    assert code == 0
    assert "grey on the sheet" in err[-1]


def test_query_for_more_than_there_is_gives_all(run):
    assert (
        json.loads(done(run, "search query search.safetensors shots/dark -o f.csv -k 500 --json"))["nearest"] == COUNT
    )
    assert table("f.csv").num_rows == COUNT * COUNT // 2
    assert "search build" in refused(run, "search query shots -o f2.csv")
    assert "--task search" in refused(run, "search query encode.safetensors shots -o f2.csv")


# ---------------------------------------------------------------------- detect, evaluate, report, info


def test_detect_writes_scores_and_where(run):
    done(run, "detect detect.safetensors shots -o out --sort")
    found = table("out/scores.csv")
    assert found.column_names[:3] == ["file", "label", "score"]
    assert (np.diff(found["score"].to_numpy()) <= 0).all()
    assert found.column_names[3:] == ["p_value", "anomaly", "reason1", "reason2", "reason3"]
    pairs = [n.replace(".png", f"-{mark}.png") for n in NAMES for mark in ("heat", "mask")]
    assert written("out") == sorted([*pairs, "scores.csv", "sheet.png"])
    assert pictures("out/dark/1-mask.png")[0].shape == (12, 16)
    assert "--setting is for a fit" in refused(run, "detect detect.safetensors shots -o no --setting clean")
    assert "--alerts-per-day" in refused(run, "detect detect.safetensors shots -o no --alerts-per-day 1")


def test_detect_reads_a_file_once_to_judge_and_once_to_draw(run, monkeypatch):
    read, decode = [], stores.decode.pixels
    monkeypatch.setattr(stores.decode, "pixels", lambda file: (read.append(file.name), decode(file))[1])
    done(run, "detect detect.safetensors shots -o out")
    assert sorted(read) == sorted(2 * NAMES)
    detector, found = latently.load("detect.safetensors"), table("out/scores.csv")
    assert_allclose(found["score"].to_numpy(), -detector.score_samples("shots"), rtol=1e-6)
    assert found["reason1"].to_pylist() == [r[0].text() if r else None for r in detector.explain("shots")]


@pytest.mark.parametrize("task", [t for t in TASKS if t not in ("denoise", "detect")])
def test_evaluate_tells_people_and_programs(task, run):
    text = done(run, f"evaluate {task}.safetensors shots")
    told = json.loads(done(run, f"evaluate {task}.safetensors shots --json"))
    assert told["rows"] == COUNT
    if task == "compress":
        assert told["file"]["bits a pixel"] < 8
        assert "bits a pixel" in text
    else:
        assert told["reconstruction"]["error"]["mean"] > 0
        assert "probe" in text


def test_evaluate_says_what_it_needs_where_it_has_no_figures(run):
    assert "psnr(noisy, clean)" in refused(run, "evaluate denoise.safetensors shots")
    assert "names of their folders" in refused(run, "evaluate detect.safetensors shots")
    for kind, truth in (("dark", "0"), ("light", "1")):
        shutil.copytree(f"shots/{kind}", f"known/{truth}")
    told = json.loads(done(run, "evaluate detect.safetensors known --json"))
    assert 0 <= told["detection"]["auroc"]["model"] <= 1


@pytest.mark.parametrize("task", TASKS)
def test_report_shows_the_images_on_one_page(task, run):
    done(run, f"report {task}.safetensors shots -o page.html")
    page = Path("page.html").read_text()
    assert page.count("data:image/png;base64,") >= 16
    assert "dark/" in page
    assert 'href="http' not in page
    for heading, tasks in {
        "Samples": ("encode", "sample"), "Before and after": ("denoise", "compress"),
        "What the code means": ("encode", "map", "sample"), "Strangest images": ("detect",),
    }.items():  # fmt: skip
        if task in (*tasks, "denoise", "compress", "detect"):
            assert (heading in page) == (task in tasks), heading


@pytest.mark.slow
def test_a_browser_shows_the_pages_without_complaint(run, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no browser: apt-get install chromium")
    complaints = []
    for task in ("encode", "denoise"):
        done(run, f"report {task}.safetensors shots -o {task}.html")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for task, width in (("encode", 390), ("denoise", 1440)):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto((tmp_path / f"{task}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            shown = "[...document.images].map(i => (i.loading = 'eager', i.decode().then(() => i.naturalWidth)))"
            assert min(page.evaluate(f"Promise.all({shown})")) > 0
            page.close()
        browser.close()
    assert complaints == []


@pytest.mark.parametrize("task", TASKS)
def test_info_speaks_of_images(task, run):
    out = done(run, f"info {task}.safetensors")
    assert " pixels, grey, uint8" in out
    assert " a row" not in out


@pytest.mark.parametrize(
    ("task", "following"),
    {"encode": "encode M D -o codes.csv", "sample": "sample M -o new", "search": "search query M D -o found",
     "compress": "compress M D -o small.ltn", "map": "map M D -o map.png"}.items(),
)  # fmt: skip
def test_the_next_command_that_a_fit_proposes_works(task, following, run):
    option = {"compress": "--set repair=0"}.get(task, "")
    out = done(run, f"fit shots -o m.safetensors --task {task} --epochs 1 {option}")
    proposed = out.splitlines()[-1].removeprefix("Next: latently ")
    assert proposed == following.replace("M", "m.safetensors").replace("D", "shots")
    done(run, proposed)


# ---------------------------------------------------------------------- bad files


@pytest.fixture
def spoilt(run):
    """Images of which one is cut short and one is text."""
    shutil.copytree("shots", "bad")
    whole = Path("bad/dark/3.png").read_bytes()
    Path("bad/dark/3.png").write_bytes(whole[: len(whole) // 2])
    Path("bad/light/7.png").write_text("a,b\n1,2\n")
    return run


def test_bad_files_are_named_and_left_out_on_request(spoilt):
    line = refused(spoilt, "encode encode.safetensors bad -o codes.csv")
    assert "dark/3.png" in line or "light/7.png" in line
    assert "--skip" in line
    assert "skip=True" not in line
    for command in ("encode encode.safetensors bad -o c.csv", "fit bad -o m.safetensors --epochs 1"):
        code, _, err = spoilt(f"{command} --skip")
        assert code == 0
        assert any("2 of 24 images cannot be read and are left out" in note for note in err)
    assert table("c.csv").num_rows == COUNT - 2


def test_a_verb_that_fails_in_the_middle_says_so_and_what_is_there_is_whole(spoilt, monkeypatch):
    Path("bad/light/7.png").unlink()
    monkeypatch.setattr(results, "PIXELS", 12 * 16)
    code, out, err = spoilt("reconstruct encode.safetensors bad -o out")
    assert (code, out) == (2, "")
    assert "dark/3.png cannot be read as an image" in err[-1]
    assert "Stopped there: 3 of 23 images are written and whole, in out." in err[-1]
    assert written("out") == ["dark/0.png", "dark/1.png", "dark/2.png"]
    assert [p.shape for p in pictures("out")] == [(12, 16)] * 3


def test_a_disk_that_is_full_is_told(run, monkeypatch):
    import os

    calls = []

    def fsync(handle):
        calls.append(handle)
        if len(calls) > 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    code, out, err = run("reconstruct encode.safetensors shots -o out")
    assert (code, out) == (2, "")
    assert "No space left on device" in err[-1]
    assert "Stopped there: 5 of 24" in err[-1]
    assert len(written("out")) == len(list(pictures("out"))) == 5


# ---------------------------------------------------------------------- mistakes

MISTAKES = {
    "encode encode.safetensors empty -o o.csv": "leads to no images",
    "fit empty -o m.safetensors": "no images (.png, .jpg ...), sounds (.wav, .flac ...) or texts (.txt)",
    "encode encode.safetensors gone.png -o o.csv": "gone.png does not exist",
    "encode encode.safetensors shotz -o o.csv": "Did you mean shots?",
    "encode encode.safetensors text.png -o o.csv": "text.png cannot be read as an image",
    "encode encode.safetensors colour.png -o o.csv": "(while working on colour.png)",
    "encode encode.safetensors shots -o out": ".csv",
    "encode encode.safetensors shots -o gone/o.csv": "gone",
    "reconstruct encode.safetensors shots -o full": "holds files already",
    "reconstruct encode.safetensors shots -o gone/out": "the folder gone does not exist",
    "reconstruct encode.safetensors shots -o shots": "shots is the folder that is read",
    "reconstruct encode.safetensors shots -o shots/out": "lies within shots",
    "reconstruct encode.safetensors shots -o t.csv": "t.csv is a file",
    "denoise denoise.safetensors shots -o full": "holds files already",
    "impute impute.safetensors shots -o full": "holds files already",
    "sample sample.safetensors -o full": "holds files already",
    "sample shots -o full": "holds files already",
    "search query search.safetensors shots -o full": "holds files already",
    "decompress s.ltn -o full": "holds files already",
    "map map.safetensors shots/dark/1.png -o shots/dark/1.png": "would be lost",
    "map map.safetensors shots -o m.jpg": ".csv",
    "fit shots -o m.safetensors --label class": "--label means nothing for a folder of images",
    "fit shots -o m.safetensors --type a=category": "--type means nothing for a folder of images",
    "fit shots -o m.safetensors --id key": "--id means nothing",
    "encode shots -o o.csv --drop a": "--drop means nothing",
    "sample shots -o out --label class": "--label means nothing",
    "search build shots -o i.safetensors --id key": "--id means nothing",
    "fit t.csv -o m.safetensors --size 8": "--size means nothing for a table",
    "fit t.csv -o m.safetensors --skip": "--skip means nothing for a table",
    "encode t.csv -o o.csv --size 8": "--size means nothing for a table",
    "sample t.csv -o o.csv --skip": "--skip means nothing for a table",
    "search build t.csv -o i.safetensors --size 9": "--size means nothing for a table",
    "encode encode.safetensors shots -o o.csv --size 8": "--size is for a fit",
    "encode t-encode.safetensors shots -o o.csv": "was fitted on a table, and shots holds images. Give it a table",
    "encode encode.safetensors t.csv -o o.csv": "was fitted on images, and t.csv holds a table. Give it images",
    "impute t-impute.safetensors shots -o out": "was fitted on a table",
    "denoise denoise.safetensors t.csv -o o.csv": "was fitted on images",
    "report encode.safetensors t.csv -o o.html": "was fitted on images",
    "evaluate t-encode.safetensors shots": "was fitted on a table",
    "monitor encode.safetensors shots": "takes a table",
    "monitor encode.safetensors t.csv": "was fitted on images",
    "fit t.csv --task compress -o m.safetensors": "no images",
    "fit shots -o m.safetensors --size 0": "--size",
    "encode encode.safetensors shots/dark/1.png shots/dark/2.png -o o.csv": "quotes",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_exit_code_2(command, run):
    Path("empty").mkdir()
    Path("empty/readme.md").write_text("nothing")
    Path("full").mkdir()
    Path("full/old.png").write_bytes(b"old")
    Path("text.png").write_text("a,b\n1,2\n")
    write(Path("colour.png"), np.dstack([image("dark", i) for i in range(3)]))
    done(run, "compress shots/dark/1.png -o s.ltn --quality lossless")
    assert MISTAKES[command] in refused(run, command)


# ---------------------------------------------------------------------- programs


@pytest.mark.parametrize("command", [
    "fit shots -o m.safetensors --epochs 1 -n 1", "encode encode.safetensors shots -o o.csv",
    "reconstruct encode.safetensors shots -o out", "impute impute.safetensors shots -o out",
    "denoise denoise.safetensors shots -o out", "map map.safetensors shots -o o.csv",
    "map map.safetensors shots -o o.svg", "sample sample.safetensors -o out",
    "search build shots -o m.safetensors --epochs 1",
    "search query search.safetensors shots -o out", "search query search.safetensors shots -o o.csv",
    "compress shots -o o.ltn --quality lossless", "compress compress.safetensors shots -o o.ltn",
    "decompress s.ltn -o out", "verify s.ltn", "evaluate encode.safetensors shots",
    "report encode.safetensors shots -o o.html", "info encode.safetensors",
    "detect detect.safetensors shots -o out",
])  # fmt: skip
def test_json_is_one_object_on_standard_output(command, run):
    done(run, "compress shots -o s.ltn --quality lossless")
    out = done(run, f"{command} --json")
    assert isinstance(json.loads(out), dict)
    assert out.count("\n") == 1


def test_a_verb_of_tables_alone_refuses_images_before_it_reads_them(run, monkeypatch):
    monkeypatch.setattr(verb.Album, "reading", property(lambda _: 1 / 0))
    assert "holds images" in refused(run, "monitor encode.safetensors shots")
