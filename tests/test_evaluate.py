"""Every figure of `evaluate` against a computation of its own."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fits import fitted, gaps, rows
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, r2_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import Autoencoder, evaluate
from latently.errors import BadData, UnsupportedInput
from latently.parts import Dense
from latently.tasks import figures

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


@pytest.fixture(scope="module")
def wines():
    from sklearn.datasets import load_wine

    return load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def judged(wines):
    """A plain fit on every other wine, and its evaluation on the others."""
    x, y = wines
    model = fitted(x[::2], k=3, epochs=20, validation_fraction=None)
    return model, x[1::2], y[1::2], evaluate(model, x[1::2], y[1::2])


def units(model, x):
    """Rows in standard deviations of the fit's columns."""
    return (x - model.data_.scales_.mean) / model.data_.scales_.scale


# ---------------------------------------------------------------- errors


def test_the_error_is_the_mean_square_in_units_of_the_fits_variance(judged, wines):
    model, x, _, found = judged
    scaler = StandardScaler().fit(wines[0][::2])
    expected = np.mean((scaler.transform(x) - scaler.transform(model.reconstruct(x))) ** 2)
    assert found["reconstruction"]["error"]["model"] == pytest.approx(expected, rel=1e-4)


def test_columns_are_told_in_user_units(judged):
    model, x, _, found = judged
    roots = np.sqrt(np.mean((x - model.reconstruct(x)) ** 2, 0))
    got = [found["columns"][f"x{j}"]["model"] for j in range(x.shape[1])]
    np.testing.assert_allclose(got, roots, rtol=1e-3)


def test_mean_and_pca_are_fitted_on_other_rows(judged):
    model, x, _, found = judged
    x = units(model, x)
    few = np.random.default_rng(0).permutation(len(x))
    mean, pca = [], []
    for fold in np.array_split(few, 5):
        rest = np.setdiff1d(few, fold)
        linear = PCA(3).fit(x[rest])
        mean.append((x[fold] - x[rest].mean(0)) ** 2)
        pca.append((x[fold] - linear.inverse_transform(linear.transform(x[fold]))) ** 2)
    error = found["reconstruction"]["error"]
    assert error["mean"] == pytest.approx(np.concatenate(mean).mean(), rel=0.02)  # folds of another draw
    assert error["pca"] == pytest.approx(np.concatenate(pca).mean(), rel=0.04)
    own = PCA(3).fit(x)
    assert error["pca"] > np.mean((x - own.inverse_transform(own.transform(x))) ** 2)


def test_a_row_guessed_from_others_does_not_feel_its_own_values():
    model, x = fitted(), rows(40)
    far = x.copy()
    far[7] *= 1000
    before, after = (figures.Subject(model, model._batch(v), 0).guesses["mean"][7] for v in (x, far))
    np.testing.assert_array_equal(before, after)


def test_missing_cells_leave_every_error():
    x = gaps(rows())
    model = fitted(x)
    found = evaluate(model, x)
    known = ~np.isnan(x)
    guess = figures.Subject(model, model._batch(x), 0).cells().numpy()
    expected = ((units(model, x) - guess)[known] ** 2).mean()
    assert found["reconstruction"]["error"]["model"] == pytest.approx(expected, rel=1e-4)
    assert found["robustness"]["clean"]["error"] == found["reconstruction"]["error"]["model"]
    assert 0 < found["columns"]["x1"]["mean"] < 2 * np.nanstd(x[:, 1])


def test_noise_and_gaps_cost_what_they_cost(judged):
    model, x, _, found = judged
    clean = found["reconstruction"]["error"]["model"]
    many = np.repeat(x, 30, 0)
    rng = np.random.default_rng(1)
    noisy = many + 0.5 * model.data_.scales_.scale * rng.normal(size=many.shape)
    hidden = np.where(
        rng.random(many.shape) < 0.3, model.data_.scales_.mean, many
    )  # no mask channel: the mean is the filler
    for name, seen in (("noise 0.5", noisy), ("missing 30%", hidden)):
        expected = np.mean((units(model, model.reconstruct(seen)) - units(model, many)) ** 2)
        assert found["robustness"][name]["error"] == pytest.approx(expected, rel=0.12)  # another draw
        times = found["robustness"][name]["times clean"]
        assert times == pytest.approx(found["robustness"][name]["error"] / clean)


def test_a_table_that_is_not_all_numbers_is_told_in_nats(wines, monkeypatch):
    x = gaps(wines[0])
    model = fitted(x, kind="variational")
    monkeypatch.setattr(figures.Subject, "numeric", False)
    found = evaluate(model, x)
    each, known = model.model_.each(model._batch(x)).detach().numpy(), ~np.isnan(x)
    assert found["reconstruction"]["nats"]["model"] == pytest.approx(each.sum() / known.sum(), rel=1e-4)
    assert found["columns"]["x1"]["nats"] == pytest.approx(each[:, 1].sum() / known[:, 1].sum(), rel=1e-4)
    assert found["robustness"]["clean"]["error"] == found["reconstruction"]["nats"]["model"]
    assert found["robustness"]["missing 50%"]["error"] > found["robustness"]["clean"]["error"]


# ---------------------------------------------------------------- the code


def test_l0_counts_units_that_are_on(wines):
    x = wines[0]
    model = fitted(x, k=12, kind="topk:3")
    z = model.transform(x)
    assert evaluate(model, x)["code"]["l0"] == pytest.approx((z != 0).sum(1).mean())
    assert evaluate(fitted(x, k=5), x)["code"]["l0"] == 5


def test_dead_units_never_move(wines):
    x = wines[0]
    model = fitted(x, k=8, kind="l1:.5")
    z = model.transform(x)
    assert evaluate(model, x)["code"]["dead share"] == pytest.approx(np.mean(z.std(0) < 1e-6 * z.max()))
    for weight in model.model_.encoder.parameters():
        weight.data.zero_()
    assert evaluate(model, x)["code"] == {"l0": 0, "dead share": 1, "jacobian norm": 0}


def test_the_jacobian_is_the_encoders_slope_by_differences(wines):
    x = wines[0][:20]
    model = fitted(wines[0], k=2, network=Dense(hidden=(8,), activation="tanh"))
    step = 1e-2
    moved = [
        model.transform(x + step * s).astype(float) - model.transform(x - step * s)
        for s in np.diag(model.data_.scales_.scale)
    ]
    norm = np.sqrt((np.array(moved) ** 2).sum((0, 2))) / (2 * step)
    assert evaluate(model, x)["code"]["jacobian norm"] == pytest.approx(norm.mean(), rel=2e-3)


def test_costs_are_the_means_of_the_models(wines):
    x = wines[0]
    for kind in ("contractive", "kl:.1", "variational"):
        model = fitted(x, kind=kind)
        expected = {name: float(np.mean(v)) for name, v in model.costs(x).items()}
        assert evaluate(model, x)["costs"] == pytest.approx(expected, rel=1e-5)


def test_nats_per_unit_are_kl_to_the_prior(wines):
    x = wines[0]
    model = fitted(x, k=4, kind="variational", epochs=30, validation_fraction=None)
    found = evaluate(model, x)["kl"]
    assert sum(found["nats per unit"]) == pytest.approx(model.costs(x)["kl"].mean(), rel=1e-4)
    assert found["active units"] == (model.transform(x).var(0) > 0.01).sum()


def test_neighbours_are_judged_beside_pca(judged):
    model, x, _, found = judged
    z = units(model, x)
    for name, code in (("model", model.transform(x)), ("pca", PCA(3).fit_transform(z))):
        got = found["neighbours"]["trustworthiness, 5 neighbours"][name]
        assert got == pytest.approx(trustworthiness(z, code, n_neighbors=5), abs=2e-3)


# ---------------------------------------------------------------- what codes are worth


def test_classes_are_probed_on_codes_components_and_columns(judged):
    model, x, y, found = judged
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    got = found["probe"]["accuracy, logistic"]
    for name, code in (("model", model.transform(x)), ("raw", x)):
        assert got[name] == pytest.approx(cross_val_score(head, code, y, cv=folds).mean(), abs=0.02)
    wide = make_pipeline(StandardScaler(), PCA(3), LogisticRegression(max_iter=2000))
    assert got["pca"] == pytest.approx(cross_val_score(wide, x, y, cv=folds).mean(), abs=0.04)
    clusters = KMeans(3, n_init=10, random_state=0).fit_predict(model.transform(x))
    for name, score in (("nmi", normalized_mutual_info_score), ("ari", adjusted_rand_score)):
        assert found["probe"][f"{name}, k-means"]["model"] == pytest.approx(score(y, clusters), abs=0.02)
        assert set(found["probe"][f"{name}, k-means"]) == {"model", "pca", "raw"}


def test_names_of_classes_do_not_matter(judged):
    model, x, y, found = judged
    named = np.array(["barbera", "barolo", "grignolino"], dtype=object)[y]
    assert evaluate(model, x, named)["probe"] == found["probe"]


def test_numbers_are_probed_by_regression():
    x = rows(200)
    model = fitted(x)
    y = x @ np.arange(6.0)
    found = evaluate(model, x, y)["probe"]["r2, ridge"]
    assert found["raw"] > 0.999
    codes = np.column_stack([model.transform(x), np.ones(len(x))])
    line = codes @ np.linalg.lstsq(codes, y, rcond=None)[0]
    assert found["model"] <= r2_score(y, line) + 1e-6


def test_rows_without_a_label_are_left_out_of_the_probe(judged):
    model, x, y, _ = judged
    partly = y.astype(float)
    partly[::4] = np.nan
    kept = ~np.isnan(partly)
    assert evaluate(model, x, partly)["probe"] == evaluate(model, x[kept], y[kept])["probe"]


# ---------------------------------------------------------------- the record


def test_figures_are_json_and_text_and_a_table(judged):
    _, x, _, found = judged
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (data["task"], data["rows"], data["reconstruction"]) == ("Autoencoder", len(x), found["reconstruction"])
    assert "trustworthiness" in str(found)
    assert found._repr_html_().count("<tr>") == sum(len(s) for s in found.sections.values())
    odd = replace(found, sections={"costs": {"a<b": float("nan")}})
    assert odd.to_dict()["costs"] == {"a<b": None}
    assert "a&lt;b" in odd._repr_html_()


def test_the_same_seed_gives_the_same_figures(judged):
    model, x, y, found = judged
    assert evaluate(model, x, y) == found
    assert evaluate(model, x, y, random_state=1)["robustness"] != found["robustness"]


def test_of_many_rows_a_draw_is_looked_at(judged, monkeypatch):
    model, x, y, _ = judged
    monkeypatch.setattr("latently.tasks.evaluate.MOST", 60)
    found = evaluate(model, x, y)
    assert (found.rows, found.given) == (60, len(x))
    assert "of 89 rows" in str(found)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_handful_of_rows_gives_what_it_can(judged, count):
    model, x, y, _ = judged
    found = evaluate(model, x[:count], y[:count])
    assert np.isfinite(found["reconstruction"]["error"]["model"])
    assert "probe" not in found.sections


def test_a_task_adds_figures_of_its_own(judged, monkeypatch):
    model, x, y, _ = judged
    monkeypatch.setattr(type(model), "_figures", lambda self, data, y: {"alarms": {"rows": len(data)}})
    assert evaluate(model, x, y)["alarms"] == {"rows": len(x)}


def test_what_cannot_be_judged_is_refused(judged):
    model, x, y, _ = judged
    with pytest.raises(UnsupportedInput, match="IsolationForest"):
        evaluate(IsolationForest(), x)
    with pytest.raises(BadData, match=r"expected one value for each of 89 rows"):
        evaluate(model, x, y[:5])


@pytest.mark.parametrize(("data", "said"), [
    (np.zeros((30, 3)) + np.arange(30.0)[:, None], "on 30 rows"),
    ([np.sin(np.arange(12) + i) for i in range(30)], "on 30 windows"),
    ([f"word{i % 7} and word{i % 5}" for i in range(30)], "on 30 texts"),
    (np.arange(30 * 16, dtype=np.uint8).reshape(30, 4, 4), "on 30 images"),
])  # fmt: skip
def test_what_was_judged_is_called_by_its_name(data, said):
    model = Autoencoder(1, epochs=1, random_state=0).fit(data)
    assert said in str(evaluate(model, data)).splitlines()[0]
