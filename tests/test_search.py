"""An index finds what brute force finds, whatever is asked beside it, and takes no codes but its own encoder's."""

import doctest
import re
import sys

import numpy as np
import pandas as pd
import pytest
import reference as ref
import torch
from fits import rows
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances

from latently import SearchIndex, load, save
from latently.engine import flat, nearest, store
from latently.engine.bits import turn
from latently.errors import BadData, BadParameter, FileProblem, MissingExtra
from latently.faces.cli import main
from latently.parts.networks import MLP
from latently.parts.signs import Signs
from latently.tasks import measures, search
from latently.tasks.metadata import Metadata
from latently.tasks.search import Codes

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

OPTIONS = {
    "cosine": {},
    "euclidean": {"metric": "euclidean"},
    "bits": {"bits": 16, "metric": "hamming"},
}


def index(x=None, names=None, **options):
    given = {"epochs": 3, "random_state": 0, "device": "cpu", **options}
    return SearchIndex(8, **given).fit(rows() if x is None else x, names=names)


@pytest.fixture(scope="module", params=list(OPTIONS))
def small(request):
    """An index of 80 rows, never changed by a test."""
    return index(**OPTIONS[request.param])


def brute(model, queries):
    """Distances of all codes from all, pair by pair, in double precision."""
    a, b = (c.values for c in (queries, model.codes()))
    if a.dtype == np.uint8:
        bits = [np.unpackbits(v, axis=1) for v in (a, b)]
        return (bits[0][:, None] != bits[1]).sum(2)
    return pairwise_distances(a.astype(float), b.astype(float), metric="cosine" if model._measure == "cosine" else "l2")


# ---------------------------------------------------------------- search is exact


def test_what_is_found_is_what_brute_force_finds(small):
    queries = small.encode(rows(200)[80:])
    expected = brute(small, queries)
    order = np.argsort(expected, axis=1, kind="stable")
    distances, names = small.query(queries, k=80)
    assert_allclose(distances, np.take_along_axis(expected, order, 1), atol=1e-6)
    assert_allclose(np.take_along_axis(expected, names, 1), distances, atol=1e-6)
    for k in (1, 7):
        assert_array_equal(small.query(queries, k)[1], names[:, :k])


def test_everything_within_a_radius_is_found_and_nothing_beyond(small):
    queries = small.encode(rows(100)[80:])
    expected = brute(small, queries)
    radius = float(np.median(expected))
    distances, names = small.within(queries, radius + 1e-9)
    assert len(distances) == len(names) == 20
    for row, far, found in zip(expected, distances, names, strict=True):
        assert set(found) == set(np.flatnonzero(row <= radius + 1e-9))
        assert (np.diff(far) >= 0).all()


def test_a_result_does_not_depend_on_the_queries_beside_it(small):
    queries = rows(300)
    distances, names = small.query(queries, k=5)
    alone = [small.query(small.encode(queries[i : i + 1]), k=5) for i in (0, 17, 299)]
    for i, (far, found) in zip((0, 17, 299), alone, strict=True):
        assert_array_equal(found[0], names[i])
        assert_allclose(far[0], distances[i], atol=1e-6)
    codes = small.encode(queries)
    whole = small.query(codes, k=5)
    for i in (0, 17, 299):
        one = small.query(Codes(codes.values[i : i + 1], codes.encoder), k=5)
        assert_array_equal(one[0][0], whole[0][i])
        assert_array_equal(one[1][0], whole[1][i])


def test_a_row_of_the_index_finds_itself_first(small):
    distances, names = small.query(small.codes(), k=1)
    assert_array_equal(distances, 0)
    same = [np.flatnonzero((small.codes().values == row).all(1))[0] for row in small.codes().values]
    assert_array_equal(names[:, 0], same)  # equal codes: the one that stands first


def test_equal_rows_come_in_the_order_of_the_index():
    x = np.repeat(rows(10), 5, axis=0)
    model = index(x, names=[f"row {i:02d}" for i in range(50)])
    codes = model.codes()
    model._codes = np.ascontiguousarray(np.repeat(codes.values[::5], 5, axis=0))  # the last bit of a code may differ
    _, names = model.query(Codes(codes.values[::5], codes.encoder), k=5)
    assert_array_equal(names, np.array([f"row {i:02d}" for i in range(50)], object).reshape(10, 5))


@pytest.mark.parametrize("count", [nearest._ones, nearest._looked_up], ids=["numpy", "looked up"])
@pytest.mark.parametrize("size", [1, 8, 11])
def test_bits_are_counted_right_with_and_without_numpy_2(count, size, monkeypatch):
    monkeypatch.setattr(nearest, "_ones", count)
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (6, size), np.uint8), rng.integers(0, 256, (40, size), np.uint8)
    far, places = nearest.nearest(nearest.Bits, b, a, 40)
    expected = (np.unpackbits(a, axis=1)[:, None] != np.unpackbits(b, axis=1)).sum(2)
    assert_array_equal(places, np.argsort(expected, axis=1, kind="stable"))
    assert_array_equal(far, np.sort(expected, axis=1))


@pytest.mark.parametrize("bits", [3, 8, 20])
def test_the_rotation_loses_less_than_any_drawn_at_random(bits):
    """The squared distance of turned codes from their signs, at the best scale; half of the numbers vary little."""
    z = ref.draw(400, 8).float() * torch.tensor([3.0, 3, 3, 3, 0.3, 0.3, 0.3, 0.3])
    mean, found = turn(z, bits, ref.generator(1))
    assert found.shape == (8, bits)
    for block in found.split(8, dim=1):
        assert_allclose(block.T @ block, np.eye(block.shape[1]), atol=1e-5)
    spans = [found[:, :8], *(torch.linalg.qr(ref.draw(8, 8).float()).Q for _ in range(20))]
    losses = [float((v - v.abs().mean() * v.sign()).square().mean()) for v in ((z - mean) @ s for s in spans)]
    assert bits < 8 or losses[0] < min(losses[1:])


def test_far_from_the_origin_near_rows_are_still_told_apart():
    rng = np.random.default_rng(0)
    items = (1000 + 1e-3 * rng.normal(size=(500, 4))).astype(np.float32)
    _, places = nearest.nearest(nearest.Numbers, items, items[:50], 3)
    expected = np.square(items[:50, None].astype(float) - items).sum(2)
    assert_array_equal(places, np.argsort(expected, axis=1, kind="stable")[:, :3])


@pytest.mark.parametrize("make", [nearest.Numbers, nearest.Bits, nearest.Weighed])
def test_an_index_looked_at_in_blocks_is_the_index_looked_at_at_once(make, monkeypatch):
    rng = np.random.default_rng(0)
    numbers = make is nearest.Numbers
    items = rng.integers(0, 3, (90, 2)).astype(np.float32 if numbers else np.uint8)
    queries = items[:20] if make is not nearest.Weighed else rng.normal(size=(20, 16)).astype(np.float32)
    radius = 2.0
    whole = nearest.nearest(make, items, queries, 30), nearest.within(make, items, queries, radius)
    monkeypatch.setattr(nearest, "BLOCK", 13)
    parts = nearest.nearest(make, items, queries, 30), nearest.within(make, items, queries, radius)
    for a, b in zip(whole[0], parts[0], strict=True):
        assert_array_equal(a, b)
    for a, b in zip(whole[1], parts[1], strict=True):
        assert_array_equal(a[0], b[0])
        assert_array_equal(a[1], b[1])


# ---------------------------------------------------------------- numbers that ask bits


def test_a_bit_that_differs_weighs_as_much_as_the_query_is_sure_of_it():
    model, queries = index(bits=16), rows(120)[80:]
    distances, names = model.query(queries, k=80)
    numbers = model._numbers(queries).astype(float)
    weights = 16 * np.abs(numbers) / np.abs(numbers).sum(1, keepdims=True)
    kept = np.unpackbits(model.codes().values, axis=1).astype(bool)
    expected = np.where(kept[None] != (numbers >= 0)[:, None], weights[:, None], 0).sum(2)
    assert_allclose(np.take_along_axis(expected, names, 1), distances, atol=1e-5)
    assert_allclose(np.sort(expected, axis=1), distances, atol=1e-5)
    found = model.within(queries, 3.0)
    assert [len(f) for f in found[0]] == (expected <= 3.0).sum(1).tolist()


def test_bits_that_ask_bits_count_those_that_differ():
    asymmetric, symmetric = index(bits=16), index(bits=16, metric="hamming")
    for a, b in zip(asymmetric.query(asymmetric.codes(), 9), symmetric.query(symmetric.codes(), 9), strict=True):
        assert_array_equal(a, b)


# ---------------------------------------------------------------- metadata

KNOWN = {
    "topic": [["sports", "world", None, "arts"][i % 4] for i in range(80)],
    "year": list(range(1980, 2060)),
    "read": [i % 3 == 0 for i in range(80)],
    "at": np.datetime64("2020-01-01") + np.arange(80),
}


@pytest.mark.parametrize("options", [{}, {"bits": 16}, {"bits": 16, "metric": "hamming"}], ids=str)
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"topic": "sports"}, [i for i in range(80) if i % 4 == 0]),
        ({"topic": ["arts", "world"], "read": True}, [i for i in range(80) if i % 4 in (1, 3) and i % 3 == 0]),
        ({"topic": None}, [i for i in range(80) if i % 4 == 2]),
        ({"year": 1991.0}, [11]),
        ({"year": [1991, 1992]}, [11, 12]),
        ({"at": ["2020-01-03", "2020-01-01"]}, [0, 2]),
        (lambda known: known["year"] > 2050, list(range(71, 80))),
        (np.arange(80) < 5, list(range(5))),
    ],
)
def test_within_what_metadata_picks_search_is_exact(options, where, expected):
    model, queries = known_index(**options), rows(90)[80:]
    distances, names = model.query(queries, len(expected), where=where)
    assert_array_equal(np.sort(names, axis=1), [expected] * 10)
    whole = model.query(queries, 80)
    for i in range(10):
        kept = np.isin(whole[1][i], expected)
        assert_array_equal(names[i], whole[1][i][kept])
        assert_allclose(distances[i], whole[0][i][kept])
    radius = float(np.median(whole[0]))
    inside = model.within(queries, radius, where=where)
    for found, all_found in zip(inside[1], model.within(queries, radius)[1], strict=True):
        assert_array_equal(found, all_found[np.isin(all_found, expected)])


MADE = {}


def known_index(**options):
    """Indexes with metadata, never changed by a test."""
    key = str(options)
    if key not in MADE:
        MADE[key] = SearchIndex(8, epochs=2, random_state=0, device="cpu", **options).fit(rows(), metadata=KNOWN)
    return MADE[key]


def test_metadata_comes_and_goes_with_its_rows_and_is_saved_with_them(tmp_path):
    model = SearchIndex(8, epochs=2, random_state=0).fit(rows(), metadata=pd.DataFrame(KNOWN))
    model.remove([0, 1]).add(rows(81)[80:], metadata={n: v[:1] for n, v in KNOWN.items()})
    save(model, tmp_path / "index")
    for again in (model, load(tmp_path / "index"), load(tmp_path / "index", mmap=True)):
        assert again.query(rows(1), 1, where={"year": 1980})[1].item() == 80
        assert again.metadata_["topic"].tolist() == [*KNOWN["topic"][2:], "sports"]
        for name, values in again.metadata_.items():
            assert values.dtype == model.metadata_[name].dtype
            assert len(values) == 79
    save(load(tmp_path / "index", mmap=True), tmp_path / "second")
    assert (tmp_path / "second").read_bytes() == (tmp_path / "index").read_bytes()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"subject": "arts"}, "columns of metadata here: topic, year, read, at"),
        ({"year": "1991"}, "holds numbers"),
        ({"topic": 3}, "holds texts"),
        ({"at": "soon"}, "holds dates"),
        ({"topic": "chess"}, "holds 0 rows of which where is true"),
        (np.ones(3, bool), "a truth value for each of 80 rows"),
        (lambda known: known["year"], "a truth value for each of 80 rows"),
    ],
)
def test_conditions_that_say_nothing_are_refused(where, message):
    with pytest.raises(BadParameter, match=message):
        known_index().query(rows(1), 1, where=where)


def test_metadata_that_does_not_fit_is_refused_before_anything_is_learned_or_changed():
    for wrong, message in (
        ({"a": [1, 2]}, "a cell for each of 80 rows"),
        ({"a": [{}] * 80}, "no column of numbers"),
        ([1] * 80, "expected a frame"),
    ):
        with pytest.raises(BadData, match=message):
            SearchIndex(8, epochs=1).fit(rows(), metadata=wrong)
    model = SearchIndex(8, epochs=1, random_state=0).fit(rows(), metadata={"a": range(80)})
    for wrong, message in ((None, "keeps a of each row"), ({"a": ["x"]}, "holds numbers here, and texts")):
        with pytest.raises(BadData, match=message):
            model.add(rows(1), metadata=wrong)
    assert len(model.names_) == len(model.codes()) == len(model.metadata_["a"]) == 80


# ---------------------------------------------------------------- faiss


def test_without_faiss_its_extra_is_named_and_auto_goes_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    model = index(engine="faiss")
    with pytest.raises(MissingExtra, match=r"latently\[search\]"):
        model.query(rows(2), 2)
    expected = model.set_params(engine="exact").query(rows(2), 2)[1]
    assert_array_equal(model.set_params(engine="auto").query(rows(2), 2)[1], expected)


@pytest.mark.parametrize("sort", ["numbers", "bits", "few ties", "many ties"])
def test_faiss_finds_the_same_to_the_last_tie(sort):
    rng = np.random.default_rng(0)
    make, items = nearest.Numbers, rng.normal(size=(3000, 12)).astype(np.float32)
    if sort == "bits":
        make, items = nearest.Bits, rng.integers(0, 256, (3000, 2), np.uint8)
    if sort.endswith("ties"):
        items = items.round() if sort == "few ties" else np.repeat(items[:10], 300, axis=0)
    found = flat.Flat(items).nearest(make, items[:50], 7)
    for a, b in zip(found, nearest.nearest(make, items, items[:50], 7), strict=True):
        assert_array_equal(a, b)


def test_an_index_recommends_an_engine_by_its_size():
    assert index().recommends_ == "exact"
    assert measures.recommended("cosine", 10**7) == "faiss"
    assert index().summary()["index"]["recommends"] == "exact"


# ---------------------------------------------------------------- what a code keeps


@pytest.mark.parametrize("options", [{}, {"bits": 64}], ids=["numbers", "bits"])
def test_digits_are_found_by_their_like_more_often_than_by_pixels(options):
    """Mean average precision over the whole ranking, labels unseen in the fit, beside that of the raw pixels."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(x))
    x, y = x[order], y[order]
    model = SearchIndex(epochs=40, random_state=0, **options).fit(x[:1500])
    _, names = model.query(x[1500:], k=1500)
    raw = np.argsort(pairwise_distances(x[1500:], x[:1500]), axis=1, kind="stable")
    ours, pixels = (precision(y[found] == y[1500:, None]) for found in (names, raw))
    assert ours > pixels + 0.05


def precision(hits):
    """Mean average precision of rankings; `hits`: whether each place holds one of the query's class."""
    at = np.cumsum(hits, 1) / np.arange(1, hits.shape[1] + 1)
    return float(((at * hits).sum(1) / hits.sum(1)).mean())


def test_the_example_is_right():
    result = doctest.testmod(search)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_detail_weighs_the_rows_beside_their_code(metric):
    x = rows()
    alone, mixed = (index(metric=metric, detail=d).codes().values for d in (0.0, 3.0))
    wide = index(metric=metric, detail=1e6).codes().values
    squared = [np.square(pairwise_distances(c.astype(float))) for c in (alone, mixed, wide)]
    assert_allclose(squared[1], squared[0] / 4 + squared[2] * 3 / 4, atol=1e-3)
    spread = (x - x.mean(0)) / x.std(0)
    if metric == "cosine":
        assert_allclose(squared[2], 2 * pairwise_distances(spread, metric="cosine"), atol=1e-3)
    else:
        assert_allclose(squared[2] * np.square(spread).sum(1).mean(), pairwise_distances(spread) ** 2, rtol=1e-3)


@pytest.mark.parametrize("sort", ["array", "frame", "half"])
def test_of_embeddings_the_angles_themselves_are_kept(sort):
    x = np.random.default_rng(0).normal(size=(80, 24)).astype(np.float32)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    given = {"array": unit, "frame": pd.DataFrame(unit).add_prefix("e"), "half": unit.astype(np.float16)}[sort]
    assert measures.directed(given)
    assert not measures.directed(x)
    assert not measures.directed(unit[:, :4])
    auto, fine = (SearchIndex(8, epochs=1, random_state=0, detail=d).fit(given) for d in ("auto", 1000))
    assert_array_equal(auto.codes().values, fine.codes().values)


def test_images_are_indexed_too():
    x = (load_digits().images * 15).astype(np.uint8)
    model = index(x[:100], bits=16)
    distances, names = model.query(x[:5], k=3)
    assert names.shape == (5, 3)
    assert_array_equal(distances[:, 0], 0)


def test_missing_cells_are_searched_too():
    x = rows()
    x[::5, 1] = np.nan
    distances, _ = index(x).query(x[:7], k=4)
    assert np.isfinite(distances).all()


# ---------------------------------------------------------------- rows come and go


def test_rows_that_are_added_are_found_and_rows_that_are_removed_are_not():
    model, x = index(), rows(100)
    model.add(x[80:])
    assert_array_equal(model.names_, np.arange(100))
    assert_array_equal(model.query(x[80:], k=1)[1][:, 0], np.arange(80, 100))
    model.remove([81, 99]).remove(3)
    assert len(model.names_) == 97
    assert not np.isin([3, 81, 99], model.query(x, k=97)[1]).any()
    model.add(x[99:])  # 99 was taken once
    assert model.names_[-1] == 100
    assert model.query(x[99:], k=1)[1].item() == 100


def test_an_index_in_parts_is_the_index_of_all():
    whole, parts = index(rows(), bits=16), index(rows(), bits=16)
    parts.remove(np.arange(40)).remove(list(range(40, 80))).add(rows()[:30]).add(rows()[30:])
    assert_array_equal(parts.codes().values, whole.codes().values)
    assert_array_equal(parts.names_, np.arange(80, 160))


def test_names_are_what_is_found():
    names = [f"img/{i}.png" for i in range(80)]
    model = index(names=names)
    assert_array_equal(model.query(model.codes(["img/7.png"]), k=1)[1], [["img/7.png"]])
    model.remove("img/7.png").add(rows()[7:8], names=["new"])
    assert model.names_[-1] == "new"


def test_codes_travel_between_copies_of_one_encoder(small, tmp_path):
    save(small, tmp_path / "index")
    again = load(tmp_path / "index", device="cpu")
    assert_array_equal(again.query(small.encode(rows(9)), k=2)[1], small.query(rows(9), k=2)[1])


# ---------------------------------------------------------------- on disk


def test_a_saved_index_finds_the_same_and_is_saved_the_same(small, tmp_path):
    save(small, tmp_path / "first")
    again = load(tmp_path / "first", device="cpu")
    save(again, tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    for a, b in zip(again.query(rows(100), k=6), small.query(rows(100), k=6), strict=True):
        assert_array_equal(a, b)


def test_a_mapped_index_is_asked_as_it_is_and_takes_more_rows(small, tmp_path):
    save(small, tmp_path / "index")
    before = (tmp_path / "index").read_bytes()
    mapped = load(tmp_path / "index", device="cpu", mmap=True)
    for a, b in zip(mapped.query(rows(100), k=6), small.query(rows(100), k=6), strict=True):
        assert_array_equal(a, b)
    assert mapped.add(rows(81)[80:]).remove([0]).query(rows(81)[80:], k=1)[1].item() == 80
    assert (tmp_path / "index").read_bytes() == before


def test_a_file_that_cannot_be_mapped_is_refused(tmp_path):
    (tmp_path / "text").write_text("no index of ours, though long enough for a header")
    save(index(), tmp_path / "index")
    (tmp_path / "short").write_bytes((tmp_path / "index").read_bytes()[:-100])
    for name in ("absent", "text", "short"):
        with pytest.raises(FileProblem, match=name):
            load(tmp_path / name, mmap=True)


def test_a_saved_index_goes_on(tmp_path):
    for names in (None, [f"ü {i}" for i in range(80)]):
        save(index(names=names).remove([0] if names is None else ["ü 0"]), tmp_path / "index")
        again = load(tmp_path / "index", device="cpu")
        again.add(rows(82)[80:], names=None if names is None else ["a", "b"])
        assert again.names_.tolist() == [*(names or range(80))][1:] + ([80, 81] if names is None else ["a", "b"])


def test_an_emptied_index_can_be_saved_and_filled_again(tmp_path):
    save(index(names=[f"n{i}" for i in range(80)]).remove([f"n{i}" for i in range(80)]), tmp_path / "index")
    again = load(tmp_path / "index", device="cpu").add(rows()[:3], names=["a", "b", "c"])
    assert_array_equal(again.query(rows()[1:2], k=1)[1], [["b"]])


@pytest.mark.parametrize("changed", ["model.encoder", "extra.coder.centre", "extra.coder.axes", "data.mean"])
def test_a_file_whose_codes_are_of_another_encoder_is_refused(changed, tmp_path):
    save(index(), tmp_path / "index")
    tensors, facts = store.read(tmp_path / "index", "model")
    name = next(n for n in sorted(tensors) if n.startswith(changed) and tensors[n].is_floating_point())
    tensors[name] = tensors[name] * 1.001 + 0.001
    store.write(tmp_path / "index", "model", tensors, facts)
    with pytest.raises(FileProblem, match="distances would mean nothing"):
        load(tmp_path / "index", device="cpu")


# ---------------------------------------------------------------- refusals


def test_codes_of_another_encoder_are_refused(small):
    other = index(random_state=1)
    assert other.encoder_id_ != small.encoder_id_
    for use in (small.query, small.add, lambda codes: small.within(codes, 0.1)):
        with pytest.raises(BadData, match="have nothing to do with each other"):
            use(other.encode(rows()))


def test_more_neighbours_than_rows_are_refused(small):
    with pytest.raises(BadParameter, match="holds 80 rows"):
        small.query(rows(), k=81)
    for k in (0, 2.5, True):
        with pytest.raises(BadParameter, match="whole number from 1"):
            small.query(rows(), k=k)
    for radius in (-1, np.nan, "far"):
        with pytest.raises(BadParameter, match="expected a distance"):
            small.within(rows(), radius)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "l2"}, "one of auto, cosine"),
        ({"metric": "hamming"}, "say how many"),
        ({"engine": "annoy"}, "one of auto, exact, faiss"),
        ({"engine": "faiss", "bits": 8}, "no asymmetric distance"),
        ({"metric": "cosine", "bits": 8}, "keeps none of them"),
        ({"bits": 12}, "multiple of 8"),
        ({"bits": True}, "multiple of 8"),
        ({"detail": -1}, "a weight"),
        ({"detail": np.nan}, "a weight"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(BadParameter, match=message):
        index(**options)


def test_names_that_say_too_little_are_refused():
    with pytest.raises(BadData, match="one name for each"):
        index(names=["a", "b"])
    with pytest.raises(BadData, match="names more than one row"):
        index(names=[1] * 80)
    with pytest.raises(BadData, match="keep to one sort"):
        index(names=[0.5] * 80)
    with pytest.raises(BadData, match="one a row"):
        index(names="a")
    model = index()
    with pytest.raises(BadData, match="already"):
        model.add(rows()[:1], names=[5])
    with pytest.raises(BadData, match="whole numbers here, and these are texts"):
        model.add(rows()[:1], names=["a"])
    with pytest.raises(BadParameter, match="no row of the index is named 99 and 1 more"):
        model.remove([99, 98])
    assert len(model.names_) == 80
    with pytest.raises(BadData, match="give names for these"):
        index(names=[f"n{i}" for i in range(80)]).add(rows()[:1])


def test_changing_options_after_a_fit_changes_nothing_until_the_next():
    model = index(bits=16)
    before = model.query(rows(), k=3)
    model.set_params(bits=None, metric="euclidean")
    for a, b in zip(model.query(rows(), k=3), before, strict=True):
        assert_array_equal(a, b)


# ---------------------------------------------------------------- bits that are learned


def test_learned_bits_find_more_of_the_nearest_embeddings_than_itq_both_ways():
    rng = np.random.default_rng(0)
    spread = np.linspace(1, 0.2, 24)
    x = (rng.normal(size=(60, 24))[rng.integers(0, 60, 2100)] * 0.6 + rng.normal(size=(2100, 24))) * spread
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    truth = np.argsort(-x[2000:] @ x[:2000].T, axis=1)[:, :10]
    found = {}
    for detail in ("auto", 1000.0):  # the second is PCA and ITQ
        model = SearchIndex(bits=16, detail=detail, epochs=15 if detail == "auto" else 1, random_state=0).fit(x[:2000])
        asked = (x[2000:], model.encode(x[2000:]))
        found[detail] = [np.mean([np.isin(t, f) for t, f in zip(truth, model.query(q)[1], strict=True)]) for q in asked]
    assert found["auto"][0] > found[1000.0][0] + 0.02
    assert found["auto"][1] > found[1000.0][1] + 0.01


def test_signs_cost_nothing_more_where_they_say_who_is_near_and_follow_their_gradient():
    """Sixteen rows in four heaps: signs that tell the heaps apart cost less than signs that mix them."""
    rng = torch.Generator().manual_seed(0)
    heaps = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).repeat_interleave(4, 0)
    x = heaps + 0.01 * torch.randn(16, 2, generator=rng)
    network = MLP((2, 2))
    price = Signs(perplexity=3.0)
    costs = []
    for matrix in (torch.eye(2), torch.tensor([[1.0, 0], [1, 0]])):
        with torch.no_grad():
            network.weights[0].copy_(matrix)
        costs.append(float(price(network, x, 2, None).detach().mean()))
    assert costs[0] < 0.2 < 0.5 < costs[1]
    network.weights[0].data[1, 1] = 0.3
    price(network, x, 2, None).sum().backward()
    assert float(network.weights[0].grad[1, 1]) < 0  # the second unit should look at the second column
    assert price(network, x[:1], 2, None).item() == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["topic=sports"], [i for i in range(80) if i % 4 == 0]),
        (["topic=arts", "topic = world", "read==true"], [i for i in range(80) if i % 4 in (1, 3) and i % 3 == 0]),
        (["topic="], [i for i in range(80) if i % 4 == 2]),
        (["year>=1990.5", "year<1993"], [11, 12]),
        (["at<=2020-01-02"], [0, 1]),
        (["at>2020-03-18T12"], [78, 79]),
    ],
)
def test_conditions_in_words_pick_what_they_say(words, expected):
    assert_array_equal(np.flatnonzero(Metadata.read(KNOWN, 80).said(words, 80)), expected)


MISTAKEN = {
    "sports": "expected COLUMN=VALUE",
    "subject=arts": "columns of metadata here: topic, year, read, at",
    "year=late": "holds numbers, and 'late' is none",
    "read=maybe": "Try 'True'",
    "topic>a": "no order here. Try 'topic=a'",
    "at=soon": "holds dates",
}


@pytest.mark.parametrize("word", MISTAKEN)
def test_conditions_in_words_that_mean_nothing_are_refused(word):
    with pytest.raises(BadParameter, match=re.escape(MISTAKEN[word])):
        Metadata.read(KNOWN, 80).said([word], 80)


def test_the_command_line_keeps_columns_beside_an_index_and_picks_rows_by_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [f"{a},{b},{'red' if i % 2 else 'blue'},{2000 + i},{a}" for i, (a, b) in enumerate(rows()[:, :2])]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,colour,year,query", *lines]))
    (tmp_path / "new.csv").write_text("\n".join(["a,b", *(line.rsplit(",", 3)[0] for line in lines[:2])]))

    def run(command, code=0):
        assert main(command.split()) == code
        return capsys.readouterr().err

    run("search build t.csv --meta colour,year --meta query -o i.safetensors --epochs 1")
    run("search query i.safetensors new.csv -o f.csv -k 3 --where colour=red --where year>=2040")
    found = pd.read_csv(tmp_path / "f.csv")
    assert list(found.columns) == ["query", "rank", "name", "distance", "colour", "year", "query found"]
    assert len(found) == 6
    assert (found["colour"] == "red").all()
    assert_array_equal(found["year"], 2000 + found["name"])
    assert (found["year"] >= 2040).all()
    assert "leaves none of 80 rows" in run("search query i.safetensors new.csv -o f.csv --where colour=green", 2)
    assert "Did you mean 'colour'" in run("search build t.csv --meta color -o j.safetensors", 2)
    made = pd.read_csv(tmp_path / "t.csv").astype({"colour": "category"})
    made.loc[0, "colour"] = None
    made.to_parquet(tmp_path / "t.parquet")
    run("search build t.parquet --meta colour --drop query -o k.safetensors --epochs 1")
    run("search query k.safetensors t.parquet -o f.csv -k 1 --where colour=")
    assert (pd.read_csv(tmp_path / "f.csv")["name"] == 0).all()
    run("search build new.csv -o j.safetensors --epochs 1")
    assert "none (give metadata= with the rows, or --meta)" in run(
        "search query j.safetensors new.csv -o f.csv --where a=1", 2
    )
