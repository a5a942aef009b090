"""Codes that gather around learned centres: the price is DEC's, and clusters are those of the nearest centre."""

import numpy as np
import pytest
import reference as ref
import torch
from fits import fitted, rows
from sklearn.metrics import adjusted_rand_score

from latently import Autoencoder, load, save
from latently.errors import BadParameter, UnsupportedInput
from latently.parts import Clustered
from latently.recipes import Clustering
from latently.values import Sizes, Sort

ROWS, CODE, K = 30, 3, 4


def learned() -> Clustered:
    neck = Clustered(K, 2.0).bind(Sizes(5, CODE, ROWS)).double()
    for _ in range(20):
        neck.observe(ref.draw(ROWS, CODE))
    return neck


def by_hand(neck: Clustered, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`q` and `p`, a row at a time."""
    centres, reach, share = ref.array(neck.centres), float(neck.reach), ref.array(neck.book.share[0])
    q = np.array([[1 / (1 + ((row - m) ** 2).sum() / reach) for m in centres] for row in h])
    q /= q.sum(1, keepdims=True)
    p = q**2 / np.maximum(share, 0.1 / K)
    return q, p / p.sum(1, keepdims=True)


def test_the_price_is_the_divergence_and_the_targets_entropy():
    neck, h = learned(), ref.draw(ROWS, CODE, seed=1)
    q, p = by_hand(neck, ref.array(h))
    code = neck(h)
    assert torch.equal(code.z, h)
    assert code.costs["clustering"].sort is Sort.PENALTY
    ref.near(neck.assignment(h), q, 1e-10)
    divergence, entropy = (p * np.log(p / q)).sum(1), -(p * np.log(p)).sum(1)
    ref.near(code.costs["clustering"].value, divergence + entropy, 1e-10)


def test_its_gradient_is_the_divergences_with_the_target_held():
    neck, h = learned(), ref.draw(ROWS, CODE, seed=1)
    p = torch.from_numpy(by_hand(neck, ref.array(h))[1])
    want = ref.slopes(lambda: (p * (p / neck.assignment(h)).log()).sum(), h)
    leaf = h.clone().requires_grad_()
    (got,) = torch.autograd.grad(neck(leaf).costs["clustering"].value.sum(), leaf)
    ref.near(got, want, 1e-7)


def test_centres_are_where_the_rows_are():
    spots = 10 * torch.eye(3)
    neck = Clustered(3).bind(Sizes(5, 3, ROWS))
    for seed in range(200):
        neck.observe(spots.repeat(10, 1) + 0.1 * ref.draw(ROWS, 3, seed=seed, dtype=torch.float32))
    found = neck.nearest_centre(spots)
    assert sorted(found.tolist()) == [0, 1, 2]
    ref.near(neck.centres[found], spots, 0.05)


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    truth = np.arange(240) % 3
    return (4 * rng.normal(size=(3, 6)))[truth] + rng.normal(size=(240, 6)), truth


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_clusters_of_rows_are_found_and_kept_in_a_file(blobs, tmp_path):
    x, truth = blobs
    model = Autoencoder(2, kind="clustering:3", epochs=30, random_state=0).fit(x)
    found = model.clusters(x)
    assert adjusted_rand_score(truth, found) > 0.95
    centres = model.model_.bottleneck.centres.numpy()
    far = ((model.transform(x)[:, None] - centres) ** 2).sum(2)
    np.testing.assert_array_equal(found, far.argmin(1))
    save(model, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "m.safetensors").clusters(x), found)


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_the_price_gathers_rows_around_their_centres(blobs):
    x, _ = blobs
    spread = []
    for alpha in (0.0, 30.0):
        model = Autoencoder(2, kind=Clustering(3, alpha), epochs=30, random_state=0).fit(x)
        z, neck = model.transform(x), model.model_.bottleneck
        spread.append(((z - neck.centres.numpy()[model.clusters(x)]) ** 2).sum() / ((z - z.mean(0)) ** 2).sum())
    assert spread[1] < 0.7 * spread[0]


def test_other_kinds_have_no_centres_and_odd_numbers_are_refused():
    with pytest.raises(UnsupportedInput, match="learned no centres"):
        fitted().clusters(rows())
    for kind, said in ((Clustering(1), "clusters must be"), (Clustering(alpha=-1.0), "alpha must be")):
        with pytest.raises(BadParameter, match=said):
            Autoencoder(2, kind=kind).fit(rows())
