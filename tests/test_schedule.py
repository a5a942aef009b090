"""Which fits make a model: they start at PCA, rows that judge stay apart, the code is as wide as the data asks."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from latently import Autoencoder
from latently.engine import schedule as stages
from latently.engine.align import align
from latently.engine.fit import Split, fit
from latently.engine.linear import principal, start_linear
from latently.engine.plan import Plan
from latently.engine.rank import linear_rank
from latently.engine.schedule import Outcome, Schedule, train
from latently.engine.store import Checkpoint
from latently.engine.watch import Watcher
from latently.modalities import Table
from latently.parts.networks import Dense
from latently.recipes import resolve
from latently.tasks.assemble import Blueprint, network_of
from latently.values import Batch

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

SEED = 3


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def normal(n: int, columns: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, columns))


def planes(n: int, rank: int, columns: int = 20, seed: int = 0, noise: float = 0.05) -> np.ndarray:
    """`rank` directions of equal variance in `columns` columns, and white noise."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.normal(size=(columns, columns)))[0][:rank]
    return rng.normal(size=(n, rank)) @ directions + noise / columns**0.5 * rng.normal(size=(n, columns))


def bent(n: int, seed: int = 0) -> np.ndarray:
    """A curved sheet in seven dimensions, with a little noise: two numbers fix a row, PCA needs four."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(-1, 1, size=(2, n))
    return np.c_[u, v, u + v, u - v, u + v**2, v - u**2, u + v + u * v] + 0.01 * rng.normal(size=(n, 7))


def blueprint(x: np.ndarray, k: int, kind: object = "undercomplete", loss: str = "auto", network: object = "auto"):
    recipe, table = resolve(kind), Table().fit(x)
    plan = Blueprint(recipe, network_of(network), table, loss, k, len(x), torch.device("cpu"), "float32")
    return plan.build, table.batch(x)


def scheduled(x: np.ndarray, validation: float | str | None = "auto", kind: object = "undercomplete") -> Outcome:
    build, rows = blueprint(x, 2, kind)
    options = {"epochs": 8, "batch_rows": "auto", "learning_rate": "auto", "max_time": None}
    return train(build, rows, Schedule(options, validation, SEED, Watcher(), Checkpoint(None, "")))


# ---------------------------------------------------------------- the linear start


@pytest.mark.parametrize(
    ("network", "loss"),
    [
        ("auto", "squared_error"), ("auto", "mean_squared_error"), ((16,), "squared_error"), ((), "squared_error"),
        (Dense(tied=True), "squared_error"), (Dense(activation="tanh"), "squared_error"),
    ],
    ids=str,
)  # fmt: skip
def test_an_undercomplete_fit_starts_at_pca(digits, network, loss):
    build, rows = blueprint(digits, 8, loss=loss, network=network)
    x, split = rows.x.double().numpy(), Split(rows.take(slice(0, 1200)), rows.take(slice(1200, None)))
    rng = generator()
    model = build(rng)
    assert start_linear(model, split.train, rng)
    plan = Plan(epochs=1, batch_rows=600, learning_rate=1e-3)
    history = fit(model, split, plan, rng, Watcher(), Checkpoint(None, "").section("fit"))
    pca = PCA(8).fit(x[:1200])
    rest = x[1200:]
    error = ((rest - pca.inverse_transform(pca.transform(rest))) ** 2).sum(1).mean()
    first = history.columns["validation"][0] * (rest.shape[1] if loss == "mean_squared_error" else 1)
    assert first == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "linear"), [("undercomplete", True), ("denoising", True), ("variational", True), ("sparse", False)]
)
def test_an_outcome_says_whether_it_started_at_pca(kind, linear):
    assert scheduled(planes(60, 3), kind=kind).linear is linear


@pytest.mark.parametrize("columns", [12, 1600])
def test_principal_directions_are_those_of_pca(columns):
    x = planes(150, 5, columns, noise=0.3) * np.linspace(1, 2, columns)
    ours, theirs = principal(Batch(torch.from_numpy(x).float()), 5, generator()), PCA(5, svd_solver="full").fit(x)
    cosines = np.abs((ours.directions.double().numpy() * theirs.components_).sum(1))
    np.testing.assert_allclose(cosines, 1, atol=1e-3)
    np.testing.assert_allclose(ours.scales**2, theirs.explained_variance_ * 149 / 150, rtol=1e-3)
    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-5)


def test_principal_directions_take_a_weight_of_three_as_three_copies():
    x, weight = torch.from_numpy(normal(40)).float(), torch.ones(40)
    weight[:10] = 3.0
    weighted = principal(Batch(x, weight=weight / weight.mean()), 3, generator())
    copied = principal(Batch(x.repeat_interleave(weight.int(), 0)), 3, generator())
    for a, b in ((weighted.directions, copied.directions), (weighted.scales, copied.scales)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("rank", "k", "seed"), [(3, 3, 0), (5, 2, 1), (10, 8, 2)])
def test_on_linear_data_no_fit_ends_worse_than_pca(rank, k, seed):
    x = planes(400, rank, seed=seed, noise=0.5)
    held = Autoencoder(k, epochs=10, random_state=seed).fit(x).held_out_
    assert held.model <= 1.02 * held.pca
    assert held.pca < 0.95 * held.mean


# ---------------------------------------------------------------- coordinates of a plain code


@pytest.mark.parametrize("network", ["auto", (8,), (), Dense(tied=True), Dense(hidden=(8,), line=False)], ids=str)
def test_aligned_codes_are_centred_uncorrelated_and_sorted(digits, network):
    build, rows = blueprint(digits[:400], 6, network=network)
    model = build(generator())
    for i, p in enumerate(model.parameters()):
        p.data += 0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(i))
    with torch.no_grad():
        before = model.decode(model.encode(rows))
        assert align(model, rows)
        codes, after = model.encode(rows).double(), model.decode(model.encode(rows))
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
    covariance = torch.cov(codes.t())
    spread = covariance.diagonal()
    assert bool((spread.diff() <= 0).all())
    assert float((covariance - spread.diag()).abs().max()) < 1e-3 * float(spread[0])
    tied = isinstance(network, Dense) and network.tied
    assert tied or float(codes.mean(0).abs().max()) < 1e-3 * float(spread[0].sqrt())
    if network == ():
        torch.testing.assert_close(torch.pdist(codes), torch.pdist(after.double()), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["sparse", "contractive", "variational", "topk"])
def test_a_code_with_a_price_keeps_its_coordinates(kind):
    build, rows = blueprint(normal(40), 3, kind)
    model = build(generator())
    before = [p.detach().clone() for p in model.parameters()]
    assert not align(model, rows)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))


# ---------------------------------------------------------------- rows that judge


@pytest.mark.parametrize(
    ("rows", "validation", "judged"),
    [
        (60, "auto", 60), (99, "auto", 99), (100, "auto", 10), (100, 0.25, 25), (300, 0.5, 150), (9, "auto", 9),
        (8, "auto", None), (8, 0.5, None), (60, None, None), (60, 0.0, None),
    ],
)  # fmt: skip
def test_how_many_rows_judge(rows, validation, judged, monkeypatch):
    monkeypatch.setattr(stages, "CROSS_BELOW", 100)
    held = scheduled(normal(rows, 3), validation).held_out
    assert (held if held is None else held.rows) == judged


def test_a_large_set_gives_away_no_more_than_needed(monkeypatch):
    monkeypatch.setattr(stages, "CROSS_BELOW", 100)
    monkeypatch.setattr(stages, "MOST_HELD_OUT", 40)
    assert scheduled(normal(600, 3)).held_out.rows == 40


@pytest.mark.parametrize("validation", ["auto", 0.3])
def test_no_row_learns_and_judges_and_none_is_lost(validation, monkeypatch):
    splits, x = [], normal(50)
    monkeypatch.setattr(stages, "fit", lambda model, data, *rest: splits.append(data) or fit(model, data, *rest))
    scheduled(x, validation)
    everything = set(Table().fit(x).batch(x).x[:, 0].tolist())
    judged = [set() if s.valid is None else set(s.valid.x[:, 0].tolist()) for s in splits]
    for split, judges in zip(splits, judged, strict=True):
        learners = set(split.train.x[:, 0].tolist())
        assert not learners & judges
        assert learners | judges == everything
    if validation == "auto":
        assert set().union(*judged[:3]) == everything
        assert sum(map(len, judged)) == 50
        assert not judged[3]
    else:
        assert len(splits) == 1


def test_cross_validation_finds_how_long_the_last_fit_takes(digits):
    build, rows = blueprint(digits[:300], 12)
    options = {"epochs": 100, "batch_rows": "auto", "learning_rate": 2e-2}
    history = train(build, rows, Schedule(options, "auto", SEED, Watcher(), Checkpoint(None, ""))).history
    longest = max(map(len, history.folds))
    mean = np.mean([fold + fold[-1:] * (longest - len(fold)) for fold in history.folds], axis=0)
    assert len(history.folds) == 3
    assert 0 < int(mean.argmin()) < 40, "the case is too easy: the best look is the first or the last"
    assert history.columns["epoch"][-1] == 3 * int(mean.argmin())


def test_max_time_bounds_all_stages_together():
    model = Autoencoder(2, epochs=10**6, max_time=2.0, random_state=0).fit(bent(300))
    assert model.history_.stopped == "time"
    assert model.history_.columns["epoch"][-1] > 0
    assert model.history_.seconds < 3.5
    assert np.isfinite(model.reconstruct(bent(20))).all()


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("fails", [False, True])
def test_a_small_fit_takes_one_thread_and_gives_the_others_back(two_threads, monkeypatch, fails):
    seen = []

    def update(self, epoch, history):
        seen.append(torch.get_num_threads())
        if fails:
            raise KeyboardInterrupt

    monkeypatch.setattr(Watcher, "update", update)
    if fails:
        with pytest.raises(KeyboardInterrupt):
            scheduled(normal(60))
    else:
        scheduled(normal(60))
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


# ---------------------------------------------------------------- how wide


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("rank", [1, 3, 5, 10])
def test_directions_that_stand_out_of_white_noise_are_counted(rank, noise):
    x = torch.from_numpy(planes(400, rank, noise=noise)).float()
    assert linear_rank(Batch(x), generator()) == rank


@pytest.mark.parametrize("rank", [3, 5, 10])
def test_auto_recovers_the_rank_of_linear_data(rank):
    model = Autoencoder(epochs=8, random_state=0).fit(planes(300, rank))
    assert model.n_components_ == rank
    assert model.transform(planes(20, rank)).shape == (20, rank)


def test_auto_finds_two_components_on_a_bent_sheet():
    model = Autoencoder(epochs=80, learning_rate=5e-3, random_state=0).fit(bent(150))
    curve = model.components_curve_
    assert model.n_components_ == 2
    assert curve.pca[curve.components.index(2)] > 0.02 * curve.mean, "PCA would do with two as well"


def test_the_curve_of_widths_is_kept():
    model = Autoencoder(epochs=12, random_state=0).fit(planes(300, 3))
    curve = model.components_curve_
    assert curve.components == sorted(set(curve.components))
    assert len(curve.components) == len(curve.error) == len(curve.pca) > 1
    error = dict(zip(curve.components, curve.error, strict=True))
    widest = error[max(error)]
    assert error[3] <= widest + 0.02 * curve.mean < error[2]
    assert Autoencoder(3, epochs=1, random_state=0).fit(planes(60, 3)).components_curve_ is None


@pytest.mark.parametrize("x", [normal(30, 1), np.ones((30, 4)), normal(2, 4)], ids=["a column", "constant", "two rows"])
def test_auto_has_an_answer_where_there_is_nothing_to_find(x):
    model = Autoencoder(epochs=1, random_state=0).fit(x)
    assert model.n_components_ == 1


def test_a_column_that_only_one_row_moves_leaves_the_held_out_error_on_its_scale():
    x = np.random.default_rng(0).normal(size=(200, 5))
    x[:, 0] = 0.1
    x[7, 0] = 3.0
    held = Autoencoder(2, epochs=1, random_state=0).fit(x).held_out_
    assert held.mean < 100
