"""Rows read some at a time: the same results as all at once, and no copy of them all."""

import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from latently import Autoencoder
from latently.errors import BadData
from latently.modalities import Table, table
from latently.modalities.rows import Rows, merged, placed
from latently.modalities.scales import Scales


def some(rows=900, columns=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 3)) @ rng.normal(size=(3, columns)) + 0.1 * rng.normal(size=(rows, columns))


@pytest.fixture(scope="module")
def model():
    return Autoencoder(2, network=(5,), epochs=2, random_state=0, verbose=False).fit(some())


def test_portions_are_the_rows_in_their_order(model, monkeypatch):
    x = some(700, seed=1)
    x[5, 2] = x[699, 0] = np.nan
    whole = model.data_.take(model, x)
    monkeypatch.setattr(table, "PORTION", 600)
    monkeypatch.setattr(table, "WHOLE", 50)
    parts = list(model.data_.portions(model, x))
    assert [len(p) for p in parts] == [100] * 7
    assert_array_equal(torch.cat([p.x for p in parts]), whole.x)
    known = [torch.ones_like(p.x, dtype=torch.bool) if p.known is None else p.known for p in parts]
    assert_array_equal(torch.cat(known), whole.known)
    assert [p.known is None for p in parts] == [False, *[True] * 5, False]


def test_scores_and_codes_are_the_same_in_portions(model, monkeypatch):
    x = some(700, seed=1)
    scores, codes = model.score_samples(x), model.transform(x)
    monkeypatch.setattr(table, "PORTION", 600)
    monkeypatch.setattr(table, "WHOLE", 50)
    assert_array_equal(model.score_samples(x), scores)
    assert_array_equal(model.transform(x), codes)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_score_copies_no_more_than_a_portion(model, monkeypatch, kind):
    x = np.tile(some(seed=2), (20, 1)).astype(kind)
    monkeypatch.setattr(table, "PORTION", 6000)
    monkeypatch.setattr(table, "WHOLE", 500)
    model.score_samples(x[:10])
    tracemalloc.start()
    scores = model.score_samples(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * scores.nbytes < x.nbytes * (2 if kind is np.float32 else 1)


@pytest.mark.parametrize(("value", "words"), [(np.inf, "is inf"), (1e300, "float32")])
def test_what_cannot_be_told_is_refused_by_its_row_in_any_portion(model, monkeypatch, value, words):
    x = some(300)
    x[217, 4] = value
    monkeypatch.setattr(table, "PORTION", 600)
    monkeypatch.setattr(table, "WHOLE", 50)
    with pytest.raises(BadData, match="row 217, column 4") as found:
        model.score_samples(x)
    assert words in str(found.value)


def test_a_fit_is_the_same_from_any_type_and_layout_that_holds_the_numbers():
    x = np.round(some(300) * 8)
    ways = [x, x.astype(np.float32), x.astype(np.int64), np.asfortranarray(x), x.tolist()]
    scores = [
        Autoencoder(2, network=(5,), epochs=1, random_state=0, verbose=False).fit(way).score_samples(x) for way in ways
    ]
    for found in scores[1:]:
        assert_array_equal(found, scores[0])


def test_rows_are_merged_where_they_lie_as_they_are_when_copied():
    x = np.round(some(400, 2))
    x[x == 0] = -0.0
    x[7] = np.nan
    weight = np.random.default_rng(3).integers(0, 3, len(x)).astype(float)
    for w in (None, weight):
        rows, counts = merged(x, w)
        index, same = placed(x.astype(np.float32), w, np.float64)
        assert_array_equal(Rows(x, index).lines(0, 2).T, rows)
        assert_array_equal(same, counts)
        kept = np.unique(x if w is None else x[w > 0], axis=0)
        assert len(rows) == len(kept)
        assert not np.signbit(rows[rows == 0]).any()


def test_scales_do_not_depend_on_how_many_columns_are_looked_at_together(monkeypatch):
    x = some(500, 9)
    x[:, 4] = np.sinh(4 * x[:, 4])
    x[::7, 2] = np.nan
    columns = Table().fit(x).learned
    one = Scales().fit(x, None, columns, True, True).state()
    for name in ("modalities.rows.AT_ONCE", "modalities.scales.CACHED"):
        monkeypatch.setattr(f"latently.{name}", 1200)
    for name, value in Scales().fit(x, None, columns, True, True).state().items():
        assert_array_equal(value, one[name])
    assert_allclose(one["mean"], np.nanmean(x, 0))
    assert_allclose(one["scale"], np.nanstd(x, 0))
    assert one["heavy"].tolist() == [j == 4 for j in range(9)]
