"""Typos: a word is replaced by one that the fit had if that is likelier, and nothing else of a text changes."""

from math import log

import numpy as np
import pandas as pd
import pytest

from latently import Denoiser
from latently.modalities import Pieces
from latently.parts.likelihoods import Autoregressive
from latently.tasks.file import load, save
from latently.tasks.typed import Words, cost

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    rng = np.random.default_rng(0)
    whos, dids, wheres = ("cat", "dog", "bird", "horse"), ("slept", "waited", "played"), ("garden", "house", "street")
    return [f"The {rng.choice(whos)} {rng.choice(dids)} in the {rng.choice(wheres)}." for _ in range(300)]


@pytest.fixture(scope="module")
def mender(sentences) -> Denoiser:
    data = Pieces(pieces=100, length=20, decoder=Autoregressive(size=48, embed=24))
    return Denoiser(8, epochs=60, learning_rate=1e-2, random_state=0, verbose=False, data=data).fit(sentences)


def test_a_slip_costs_what_its_probability_says():
    one = log(4 / 0.1)
    assert cost("abcd", "abdc", 0.1, 26) == one
    assert cost("abcd", "acd", 0.1, 26) == one
    assert cost("abcd", "abbcd", 0.1, 26) == one
    assert cost("abcd", "abxd", 0.1, 26) == one + log(26)
    assert cost("abcd", "abxcd", 0.1, 26) == one + log(26)
    for far in ("abcd", "badc", "ab", "axyd", "dbca", "abcdee", "bcda"):
        assert cost("abcd", far, 0.1, 26) is None


def test_near_words_are_those_of_one_slip():
    words = Words.of(["cat", "act", "cart", "coat", "dog"])
    assert [w for w, _ in words.near("cat", 0.1, 26)] == ["act", "cart", "coat"]
    assert [w for w, _ in words.near("dgo", 0.1, 26)] == ["dog"]
    assert words.near("", 0.1, 26) == words.near("zebra", 0.1, 26) == []


def test_words_that_were_meant_are_put_back(mender):
    assert mender.transform(["The cta slept in the garden.", "The dog wated in the hoouse."]) == [
        "The cat slept in the garden.", "The dog waited in the house.",
    ]  # fmt: skip


def test_what_has_no_typos_stays_to_the_letter(mender, sentences):
    others = ["", "  ", "Ωμέγα 日本 🎉", "cat, dog;\n\tbird  horse", "xylophone zebra 12e4 \udc80", "THE CATS"]
    assert mender.transform(sentences + others) == sentences + others


def test_long_texts_are_mended_in_their_places(mender):
    text = "The dog waited in the garden.\n\n" * 6
    assert mender.transform([text.replace("gar", "gra")]) == [text]
    column = pd.Series([text, "A horsse."], index=[3, 4], name="t")
    pd.testing.assert_series_equal(mender.transform(column.str.replace("gar", "gra")), pd.Series(
        [text, "A horse."], index=[3, 4], name="t"))  # fmt: skip


def test_a_text_is_mended_alike_in_any_company_and_by_a_saved_model(mender, sentences, tmp_path):
    typed = [s.replace("a", "", 1) for s in sentences[:20]]
    together = mender.transform(typed)
    assert [mender.transform([t])[0] for t in typed[:5]] == together[:5]
    save(mender, tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors", device="cpu").transform(typed) == together
