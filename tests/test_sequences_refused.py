"""What no modality reads is refused with what works; what is odd but possible is taken by every job."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from latently import (
    AnomalyDetector,
    Autoencoder,
    Compressor,
    Denoiser,
    Generator,
    Imputer,
    Map,
    SearchIndex,
    evaluate,
)  # fmt: skip
from latently.errors import BadData, FileProblem, FitAlarm, UnsupportedInput
from latently.modalities import Audio, Modality, Series
from latently.modalities.unread import unread
from latently.tasks.base import modality_of

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

QUICK = {"epochs": 1, "random_state": 0, "verbose": False}
AUDIO = Audio(rate=8000)


def objects(*items: object) -> np.ndarray:
    """An array of objects."""
    made = np.empty(len(items), object)
    made[:] = items
    return made


# ---------------------------------------------------------------------- what nobody reads

UNREAD = {
    "a dict": ({"a": [1.0]}, UnsupportedInput, r"type dict.*pandas\.DataFrame\(data\)"),
    "a set": ({1.0, 2.0}, UnsupportedInput, "set has no order: give a list"),
    "bytes": (b"a text", UnsupportedInput, r"type bytes.*decode\('utf-8'\)"),
    "a number": (3, UnsupportedInput, "type int"),
    "a generator": ((x for x in [1.0]), UnsupportedInput, r"generator. Read it first: list\(data\)"),
    "a range": (range(5), UnsupportedInput, r"range. Read it first: list\(data\)"),
    "nothing": (None, UnsupportedInput, "got None"),
    "a class": (dict, UnsupportedInput, "type type"),
    "an open file": (io.StringIO("1,2"), UnsupportedInput, "path of a file instead of the open file"),
    "an empty list": ([], BadData, "got an empty list"),
    "records": ([{"a": 1}, {"a": 2}], UnsupportedInput, r"list of records.*pandas\.DataFrame\(data\)"),
    "a list of bytes": ([b"a", b"b"], UnsupportedInput, r"list of bytes.*decode\('utf-8'\)"),
    "a list of nothing": ([None, None], UnsupportedInput, "list of NoneType"),
    "arrays and texts": ([np.zeros(3), "a"], UnsupportedInput, r"unlike items \(1-D ndarray, str\)"),
    "arrays of two shapes": ([np.zeros(3), np.zeros((3, 2))], UnsupportedInput, r"\(1-D ndarray, 2-D ndarray\)"),
    "ragged rows": ([[1.0, 2.0], [3.0]], UnsupportedInput, r"unlike length \(1 to 2\).*\[np\.asarray\(v\) for v"),
    "an array of arrays": (objects(np.zeros(3), np.zeros(4)), UnsupportedInput, r"give a list: list\(data\)"),
    "five dimensions": (np.zeros((2, 2, 2, 2, 2)), UnsupportedInput, r"float64 of shape \(2, 2, 2, 2, 2\)"),
    "no dimension": (np.array(3.0), UnsupportedInput, r"shape \(\)"),
    "complex images": (np.zeros((2, 4, 4), complex), UnsupportedInput, r"complex128 of shape \(2, 4, 4\)"),
    "one dimension": (np.zeros(5), BadData, r"5 numbers.*data=Series\(\).*Reshape your data"),
    "a list of numbers": ([1.0, 2.0], BadData, r"2 numbers.*data=Series\(\)"),
    "a column": (pd.Series([1.0, 2.0]), BadData, r"2 numbers.*data=Series\(\)"),
    "a place that is none": ("nowhere/at/all", FileProblem, r"'nowhere/at/all' does not exist.*\[text\]"),
    "a path that is none": (Path("gone.xyz"), FileProblem, "'gone.xyz' does not exist"),
    "one document": ("word " * 2000, FileProblem, r"^'word .{52}\.\.\.' does not exist. If it is a document"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_what_no_modality_reads_is_refused_with_what_works(name):
    data, error, match = UNREAD[name]
    with pytest.raises(error, match=match) as caught:
        Autoencoder(1, **QUICK).fit(data)
    for what in ("tables", "images", "series", "text", "audio", "data=Series()", "data=Audio(rate=8000)"):
        assert what in str(caught.value)


def test_a_file_of_another_sort_and_a_folder_without_any_are_named(tmp_path):
    (tmp_path / "data.xyz").write_text("1")
    for place in (tmp_path / "data.xyz", str(tmp_path / "data.xyz")):
        with pytest.raises(UnsupportedInput, match=r"data\.xyz' as it is. Read the file first"):
            modality_of("auto", place)
    with pytest.raises(UnsupportedInput, match=r"paths that lead to no images, sounds or \.txt files"):
        modality_of("auto", [tmp_path / "data.xyz"])
    with pytest.raises(UnsupportedInput, match=r"holds no images, sounds or \.txt files"):
        modality_of("auto", tmp_path)


def test_names_of_tables_are_no_documents(tmp_path):
    names = [str(tmp_path / f"{i}.csv") for i in range(3)]
    assert type(modality_of("auto", names)).__name__ == "Text"  # no such files: they are what they say
    for name in names:
        Path(name).write_text("a,b\n1,2\n")
    for data in (names, pd.Series(names)):
        with pytest.raises(UnsupportedInput, match=r"0\.csv.*pandas\.read_csv.*pathlib\.Path"):
            modality_of("auto", data)
    assert type(modality_of("auto", [*names, "a text"])).__name__ == "Text"


def test_every_modality_that_data_auto_may_mean_is_told():
    told = str(unread(None)).lower()
    readings = {key for m in Modality.registry.values() for key in m.readings.values()} | {"embedded", "blocks"}
    assert [key for key in Modality.registry if key not in readings and key not in told] == []


@pytest.mark.parametrize("data", [{"a": [1.0]}, (x for x in [1.0]), 3, None], ids=["dict", "generator", "int", "None"])
def test_a_fitted_model_refuses_them_too(data):
    model = Autoencoder(1, **QUICK).fit(np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(UnsupportedInput, match="expected rows: a 2-D array, a data frame or a list of rows"):
        model.transform(data)


@pytest.mark.parametrize(
    ("data", "reading"),
    [
        (torch.zeros(4, 3), "Table"), ([torch.zeros(3)] * 4, "Table"), ([(1, "a"), (2, "b")], "Table"),
        (objects("a", "b"), "Text"), (pd.Series(["a", None]), "Text"), (pd.DataFrame({"a": [1.0]}), "Table"),
    ],
)  # fmt: skip
def test_what_can_be_read_is(data, reading):
    assert type(modality_of("auto", data)).__name__ == reading


# ---------------------------------------------------------------------- jobs that some data cannot have

WAVES = [np.sin(np.arange(9.0 + i % 3) / 2 + i) for i in range(12)]
TEXTS = ["sail the ship", "kick the ball", "", "日本語", "\u041f\u0440\u0438\u0432\u0435\u0442", "a" * 200] * 3


@pytest.mark.parametrize(
    ("data", "reading", "what"), [(TEXTS, "auto", "a text is whole"), (WAVES, AUDIO, "every sample of a sound")]
)
def test_an_imputer_wants_gaps(data, reading, what):
    with pytest.raises(UnsupportedInput, match=rf"fills gaps, and here are none: {what}.*Denoiser\(\)"):
        Imputer(data=reading, **QUICK).fit(data)


@pytest.mark.parametrize(("data", "reading"), [(WAVES, "auto"), (TEXTS, "auto"), (WAVES, AUDIO)])
def test_a_compressor_wants_images(data, reading):
    with pytest.raises(BadData, match="no images"):
        Compressor(data=reading, **QUICK).fit(data)


@pytest.mark.parametrize(("data", "reading"), [(WAVES, "auto"), (WAVES, AUDIO)])
def test_a_detector_of_pieces_is_judged_by_labels(data, reading):
    model = AnomalyDetector(1, data=reading, **QUICK).fit(data)
    with pytest.raises(
        BadData, match="nothing here to judge by: this AnomalyDetector is judged by labels, 1 of anomalies"
    ):
        evaluate(model, data)
    assert evaluate(model, data, [0, 1] * 6).to_dict()["rows"] == 12


def test_an_imputer_of_series_takes_a_code_that_is_given():
    holed = [np.where(np.arange(len(w)) == 4, np.nan, w) for w in WAVES]
    model = Imputer(2, **QUICK).fit(holed)
    assert model.n_components_ == 2
    assert all(np.isfinite(w).all() for w in model.transform(holed))


# ---------------------------------------------------------------------- what is odd

JOBS = (Generator, Denoiser, AnomalyDetector, Map, SearchIndex)


def told(job, data, reading="auto"):
    """Every number, or text, that a quick fit says of its own data."""
    options = {"n_components": 1} if job in (Generator, AnomalyDetector, SearchIndex) else {}
    model = job(data=reading, **options, **QUICK).fit(data)
    if job is Generator:
        return model.sample(3)
    if job is AnomalyDetector:
        return model.score_samples(data)
    return model.query(data, k=2)[0] if job is SearchIndex else model.transform(data)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    ("data", "reading"),
    [
        ([np.zeros(n, np.int16) for n in (400, 900, 700)], AUDIO), ([np.array([0.1 * k]) for k in range(6)], AUDIO),
        ([np.full(9, 3.0)] * 8, "auto"), ([np.array([1.0 * k]) for k in range(8)], "auto"),
    ],
    ids=["silence", "one sample", "constant series", "one step"],
)  # fmt: skip
def test_every_job_takes_what_says_little(job, data, reading):
    assert all(np.isfinite(x).all() for x in told(job, data, reading))


@pytest.mark.parametrize("job", JOBS)
def test_every_job_takes_a_channel_of_which_nothing_is_known(job):
    items = [np.stack([np.sin(np.arange(12) / 3 + p), np.full(12, np.nan)], 1) for p in range(12)]
    for x in told(job, items):
        known = x[..., 0] if np.ndim(x) == 2 else x
        assert np.isfinite(known).all()


@pytest.mark.parametrize("job", JOBS)
def test_every_job_takes_empty_texts_and_other_scripts(job):
    found = told(job, TEXTS)
    assert all(isinstance(x, str) or np.isfinite(x).all() for x in found)
    if job is Denoiser:
        assert [x for x, given in zip(found, TEXTS, strict=True) if not given] == [""] * 3


def test_a_long_series_may_have_a_channel_of_which_nothing_is_known():
    x = np.stack([np.sin(np.arange(120) / 4), np.full(120, np.nan)], 1)
    assert np.isfinite(AnomalyDetector(data=Series(), **QUICK).fit(x).score_samples(x)).all()


SUBJECTS = ["sail ship sea wind port wave", "goal ball team match score kick", "tree leaf root soil rain seed"]
NEWS = [" ".join(np.random.default_rng(i).choice(SUBJECTS[i % 3].split(), 7)) for i in range(36)]


@pytest.mark.filterwarnings("default::latently.errors.FitAlarm")
@pytest.mark.parametrize(
    ("data", "options", "what"),
    [
        (WAVES, {"kind": "sparse", "validation_fraction": 0.3}, "step"), (NEWS, {"n_components": 2}, "word"),
        (WAVES, {"kind": "sparse", "validation_fraction": 0.3, "data": AUDIO}, "spectrogram cell"),
    ],
)  # fmt: skip
def test_alarms_call_what_a_row_is_made_of_by_its_name(data, options, what):
    with pytest.warns(FitAlarm, match=f"each {what}'s mean.*Try more epochs.* the {what}s have"):
        Autoencoder(**{"n_components": 1, "learning_rate": 1.0, **options, **QUICK}).fit(data)
