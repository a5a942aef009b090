"""Sparse dictionaries: what is kept, what is revived, atoms of length one, and a known dictionary found again."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import reference as ref
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from torch import Tensor

from latently import Autoencoder, PretrainedClassifier, evaluate, load, recipes, save
from latently.errors import BadParameter, FitAlarm
from latently.faces.report import units
from latently.model import Composition
from latently.parts import BatchTopK, TopK
from latently.parts.doors import Door
from latently.parts.likelihoods import SquaredError
from latently.parts.networks import Dictionary, Ends
from latently.values import Batch, Sizes

ATOMS, UNITS, CELLS, ON = 24, 32, 12, 2


def sparse_rows(n: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sums of two of 24 directions of length one in 12 columns, and the directions."""
    rng = np.random.default_rng(seed)
    atoms = np.random.default_rng(5).normal(size=(ATOMS, CELLS))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((n, ATOMS))
    for row in codes:
        row[rng.choice(ATOMS, ON, replace=False)] = rng.uniform(1, 2, ON)
    return codes @ atoms, atoms


@pytest.fixture(scope="module")
def found() -> Autoencoder:
    x, _ = sparse_rows()
    kind = recipes.Dictionary(k=ON, per="batch", noise=0)
    model = Autoencoder(
        UNITS, kind=kind, epochs=60, batch_size=64, learning_rate=1e-2, validation_fraction=0.1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)  # more units than the rows have a use for: some stay dead
        return model.fit(x)


def directions(model: Autoencoder) -> np.ndarray:
    """What each unit adds to a row in user units, length one."""
    each = model.inverse_transform(np.eye(UNITS)) - model.inverse_transform(np.zeros((1, UNITS)))
    return each / np.linalg.norm(each, axis=1, keepdims=True)


def test_a_known_dictionary_is_found_again(found):
    likeness = sparse_rows()[1] @ directions(found).T
    best = likeness[linear_sum_assignment(-likeness)]
    assert np.mean(best > 0.95) > 0.9, np.sort(best)
    new, _ = sparse_rows(400, seed=9)
    left = np.square(new - found.reconstruct(new)).sum() / np.square(new - new.mean(0)).sum()
    assert left < 0.15


def test_atoms_have_length_one_after_training(found):
    out = found.decoder_
    ours = out.plain(torch.eye(UNITS)) - out.plain(torch.zeros(1, UNITS))
    ref.near(ours.norm(dim=1), torch.ones(UNITS), 1e-5)
    assert not np.allclose(out.atoms.norm(dim=1).detach(), 1, atol=1e-4), "trained without changing a length inside"


def test_k_units_are_on_in_the_mean_and_other_numbers_of_them_in_single_rows(found):
    on = (found.transform(sparse_rows()[0]) > 0).sum(1)
    assert on.mean() == pytest.approx(ON, rel=0.1)
    assert on.std() > 0


def test_the_share_of_dead_units_is_told_everywhere(found):
    told = found.history_.columns["dead"]
    assert np.isfinite(told[1:]).all()
    assert found.summary()["dead"] == told[-1]
    assert evaluate(found, sparse_rows()[0])["code"]["dead share"] == pytest.approx(told[-1], abs=3 / UNITS)


def test_the_rows_on_which_a_unit_is_most(found):
    x, z = sparse_rows()[0], found.transform(sparse_rows()[0])
    rows, values = found.strongest(x, 3, 5)
    assert len(rows) == 5
    assert list(rows) == list(np.argsort(-z[:, 3], kind="stable")[:5])
    np.testing.assert_array_equal(values, z[rows, 3])
    on = int((z[:, 3] > 0).sum())
    assert len(found.strongest(x, 3, len(x))[0]) == on < len(x), "rows on which it is off are no examples"


@pytest.mark.parametrize(("unit", "n", "word"), [(UNITS, 5, "unit"), (-1, 5, "unit"), (0, 0, "n=0")])
def test_units_that_there_are_not_have_no_rows(found, unit, n, word):
    with pytest.raises(BadParameter, match=word):
        found.strongest(sparse_rows()[0], unit, n)
    with pytest.raises(NotFittedError):
        Autoencoder(3).strongest(sparse_rows()[0], 0)


def test_about_k_units_are_on_in_new_rows_although_few_were_learned_from():
    """Their own threshold would leave 15 on: 200 rows of 64 columns are soon known by heart."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(64, 64)) * np.linspace(1, 0.5, 64)
    x, new = (rng.normal(size=(n, 64)) @ mix.T for n in (200, 500))
    kind = recipes.Dictionary(k=8, per="batch", noise=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)
        model = Autoencoder(256, kind=kind, epochs=40, batch_size=64, random_state=0).fit(x)
    codes = model.transform(new)
    assert (codes > 0).sum(1).mean() == pytest.approx(8, rel=0.15)
    for i in range(5):
        np.testing.assert_array_equal(model.transform(new[i : i + 1])[0], codes[i], err_msg="depends on the batch")


def test_a_classifier_is_tuned_on_such_codes():
    x, z = sparse_rows(90)[0], np.arange(90) % 2
    model = PretrainedClassifier(24, kind="batch_topk:4", network=(16,), epochs=2, tuning_epochs=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)
        model.fit(x, z)
    np.testing.assert_array_equal(model.transform(x)[:2], model.transform(x[:2]))


def test_pca_of_equal_size_has_as_many_components_as_units_are_on(found):
    x = sparse_rows(200, seed=2)[0]
    told = evaluate(found, x)
    assert told["code"]["l0"] == pytest.approx(ON, rel=0.2)
    own = PCA(ON).fit(x)  # cross-fitting leaves a little more
    left = np.square(own.inverse_transform(own.transform(x)) - x).mean() / x.var()
    assert told["reconstruction"]["error"]["pca"] == pytest.approx(left, rel=0.1)
    assert told["reconstruction"]["error"]["model"] < 0.5 * told["reconstruction"]["error"]["pca"]


def test_a_wide_code_has_the_same_jacobian(found):
    x = sparse_rows(3, seed=2)[0]

    def code(row: Tensor) -> Tensor:
        return found.model_.bottleneck(found.encoder_.plain(found.model_.door(Batch(row[None])))).z[0]

    rows = found._batch(x).x
    want = torch.stack([torch.autograd.functional.jacobian(code, row) for row in rows])
    ref.near(torch.from_numpy(found.jacobian(x)), want, 1e-5)


def test_a_file_holds_sparse_codes_by_what_is_on(found, tmp_path):
    save(found, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.codes_, found.codes_)
    x = sparse_rows()[0]
    np.testing.assert_array_equal(again.transform(x), found.transform(x))
    assert (tmp_path / "model.safetensors").stat().st_size < found.codes_.nbytes / 2


def test_a_report_shows_the_units_on_most_and_what_they_are_greatest_on(found):
    x = sparse_rows()[0]
    given = SimpleNamespace(estimator=found, rows=x, items="rows")
    listing = units.told(given, lambda i: f"row {i}")[0]
    z = found.transform(x)
    unit = int((z > 0).sum(0).argmax())
    rows, values = found.strongest(x, unit, 4)
    lines = listing["rows"][:4]
    assert [line[0] for line in lines] == [str(unit), "", "", ""]
    assert lines[0][1] == f"{(z[:, unit] > 0).mean():.1%}"
    assert [line[3:] for line in lines] == [[f"{v:.3g}", f"row {i}"] for i, v in zip(rows, values, strict=True)]
    column, by = lines[0][2].split(", ")[0].split(" ")
    most = int(np.abs(directions(found)[unit]).argmax())
    assert column == found.data_.names[most]
    assert np.sign(float(by)) == np.sign(directions(found)[unit][most])
    gallery = units.drawn(given, str)
    assert gallery["lines"][0]["images"][:4] == [str(i) for i in rows]
    dense = SimpleNamespace(estimator=Autoencoder(3, epochs=1, random_state=0).fit(x[:100]), rows=x[:9], items="rows")
    assert (units.told(dense, str), units.drawn(dense, str)) == ([], None)


# ---------------------------------------------------------------- what is kept


def settled(k: int = 2) -> BatchTopK:
    part = BatchTopK(k).bind(Sizes(cells=4, code=6, rows=30)).double()
    part.settle(ref.draw(30, 6, seed=1))
    return part


def test_a_batch_keeps_its_largest():
    part, h = settled(), ref.draw(9, 6, seed=3)
    z = part(h, ref.generator()).z
    least = np.sort(ref.array(h), axis=None)[-2 * 9]
    ref.near(z, np.where((ref.array(h) >= least) & (ref.array(h) > 0), ref.array(h), 0), 0)


def test_the_threshold_leaves_k_on_and_knows_no_batch():
    part, h = settled(), ref.draw(30, 6, seed=1)
    z = part(h).z
    assert int((z > 0).sum()) == 2 * 30
    for i in range(30):
        ref.near(part(h[i : i + 1]).z, z[i : i + 1], 0)
    crowd = torch.cat([h[:1], 100 * h])
    ref.near(part(crowd).z[:1], z[:1], 0)


def test_what_is_on_is_positive_even_if_k_asks_for_more():
    part = BatchTopK(6).bind(Sizes(cells=4, code=6, rows=30)).double()
    h = ref.draw(9, 6, seed=3)
    ref.near(part(h, ref.generator()).z, h.relu(), 0)


@pytest.mark.parametrize("spelling", ["batch_topk:2", "masking:.2+batch_topk:2"])
def test_it_is_spelled(spelling):
    neck = recipes.resolve(spelling).parts(8).bottleneck
    assert isinstance(neck, BatchTopK)
    assert (neck.k, neck.revival) == (2, 1 / 32)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (recipes.Dictionary(k=0), "k=0"), (recipes.Dictionary(per="column"), "'row' or 'batch'"),
        (recipes.Dictionary(expansion=0.0), "expansion=0"), (recipes.Dictionary(revival=-1.0), "revival=-1"),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(kind, word):
    with pytest.raises(BadParameter, match=word):
        Autoencoder(kind=kind, epochs=1).fit(sparse_rows(40)[0])


def test_the_width_follows_from_the_columns():
    model = Autoencoder(kind=recipes.Dictionary(expansion=2.5), epochs=1, validation_fraction=None, random_state=0)
    model.fit(sparse_rows(40)[0])
    assert model.n_components_ == 30


# ---------------------------------------------------------------- what is revived


def counted(part: TopK, h: Tensor, times: int) -> TopK:
    for _ in range(times):
        part.run(h, ref.generator())
    return part


@pytest.mark.parametrize("part", [TopK(2, revival=0.5), BatchTopK(2)], ids=str)
def test_a_unit_is_dead_after_a_training_set_without_it(part):
    part, h = part.bind(Sizes(cells=4, code=6, rows=30)).double(), ref.draw(10, 6, seed=1).abs() + 1
    h[:, 4] = 0.1
    counted(part, h, 2)
    assert float(part.noted()["dead"]) == 0
    assert part(h, ref.generator()).spare is None
    counted(part, h, 1)
    assert float(part.noted()["dead"]) == pytest.approx(1 / 6)
    spare = part(h, ref.generator()).spare
    assert spare is not None
    ref.near(spare[:, 4], h[:, 4], 0)
    assert int((spare != 0).sum()) == 10
    assert part(h).spare is None, "inference knows no spare units"
    h[3, 4] = 9.0
    counted(part, h, 1)
    assert float(part.noted()["dead"]) == 0


def half_dead(kind: object = None) -> Composition:
    """A composition of three units, the second of which has long been off."""
    model = ref.compose(kind or recipes.Dictionary(k=1, per="row"), Dictionary())
    model.bottleneck.idle[1] = 1e6
    return model


@pytest.mark.parametrize("what", ["", "known", "weight", "known weight"])
def test_the_price_is_auxk(what):
    """`||e - D s||^2 - ||e||^2`, `e` what the row's own code leaves, without `e`'s gradient (Gao 2024)."""
    model, batch = half_dead(), ref.rows(what)
    done = model(batch, ref.generator())
    assert done.code.spare is not None
    assert bool((done.code.spare != 0).any())
    atoms = ref.array(model.decoder.atoms)
    atoms = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    error = ref.array(batch.x - done.params)
    left = error - ref.array(done.code.spare) @ atoms
    known = 1.0 if batch.known is None else ref.array(batch.known)
    want = ((left**2 - error**2) * known).sum(1)
    ref.near(model.costs(done, ref.generator())["revival"].value, want, 1e-11)


@pytest.mark.parametrize("what", ["", "known", "weight", "known weight"])
@pytest.mark.parametrize("per", ["row", "batch"])
def test_the_step_revives_as_autograd_says(what, per):
    model, batch = half_dead(recipes.Dictionary(k=1, per=per, revival=0.7)), ref.rows(what)
    params = list(model.parameters())
    want = torch.autograd.grad(model.loss(batch, ref.generator()) / batch.cells, params)
    for p in params:
        p.grad = torch.zeros_like(p)
    told = model.gradients(batch, ref.generator(), 1.0)
    for p, expected in zip(params, want, strict=True):
        ref.near(p.grad, expected, 1e-10)
    assert float(told["revival"].abs().sum()) > 0


@pytest.mark.parametrize("revival", [0.0, 1 / 32])
def test_dead_units_come_back_to_life_when_asked(revival):
    """All but four of 24 units start below zero for every row; revived, they end in use."""
    x = torch.from_numpy(sparse_rows(600)[0]).float()
    sizes = Sizes(CELLS, ATOMS, len(x))
    parts = recipes.Dictionary(k=ON, revival=revival, noise=0).parts(ATOMS).bind(sizes)
    pair = Dictionary().build(Ends(CELLS, ATOMS, ATOMS, CELLS, len(x)), ref.generator())
    with torch.no_grad():
        pair[0].bias[4:] = -3
    model = Composition(Door((0,) * CELLS, False), *pair, SquaredError().bind(sizes), parts, ATOMS)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(600):
        optimiser.zero_grad()
        model.gradients(Batch(x[step % 3 :: 3]), ref.generator(step), 1.0)
        optimiser.step()
    dead = float(model.bottleneck.noted()["dead"])
    assert dead < 0.3 if revival else dead > 0.7
