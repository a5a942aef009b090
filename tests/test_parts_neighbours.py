"""The price on parted neighbours is t-SNE's: affinities, divergence and gradient agree with other computations."""

import numpy as np
import pytest
import reference as ref
import torch
from scipy.spatial.distance import pdist, squareform
from torch import nn

from latently import Autoencoder
from latently.errors import BadParameter
from latently.parts import Contrast, Neighbours
from latently.parts.neighbours import REACH, SPREAD, affinities, squared_distances
from latently.parts.networks import MLP
from latently.values import Sizes, Weight

ROWS, IN = 40, 5


def encoder() -> MLP:
    network = MLP((IN, 7, 2), "tanh").double()
    for p in network.parameters():
        nn.init.normal_(p, 0, 0.5, generator=ref.generator(p.numel()))
    return network


def far(x: torch.Tensor) -> torch.Tensor:
    return squared_distances(x).fill_diagonal_(torch.inf)


def by_hand(x: np.ndarray, z: np.ndarray, perplexity: float) -> np.ndarray:
    """`n sum_j P_ij log(P_ij / Q_ij)`, from scikit-learn's P and numpy's Q."""
    from sklearn.manifold._t_sne import _joint_probabilities

    p = squareform(_joint_probabilities(squareform(pdist(x, "sqeuclidean")), perplexity, verbose=0))
    q = 1 / (1 + squareform(pdist(z, "sqeuclidean")))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    off = ~np.eye(len(x), dtype=bool)
    each = np.zeros_like(p)
    each[off] = p[off] * np.log(p[off] / q[off])
    return len(x) * each.sum(1)


def test_every_row_has_the_perplexity_asked_for():
    p = ref.array(affinities(far(ref.draw(ROWS, IN)), 7.0))
    np.testing.assert_allclose(p.sum(1), 1)
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(1)
    np.testing.assert_allclose(np.exp(entropy), 7.0, rtol=0.01)
    assert (np.diag(p) == 0).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_units_do_not_matter_to_affinities(scale):
    x = ref.draw(ROWS, IN)
    ref.near(affinities(far(scale * x), 7.0), affinities(far(x), 7.0), 0.01)


def test_the_price_is_the_divergence_of_the_map_from_the_data():
    network, x = encoder(), ref.draw(ROWS, IN)
    z = SPREAD * ref.array(network.plain(x))
    expected = by_hand(ref.array(x), z, 7.0)
    np.testing.assert_allclose(
        ref.array(Neighbours(perplexity=7.0)(network, x, 2, None)), expected, rtol=0.02, atol=0.01
    )


def test_bounded_units_are_compared_through_tanh():
    network, x = encoder(), ref.draw(ROWS, IN)
    z = REACH * np.tanh(ref.array(network.plain(x)))
    price = Neighbours(perplexity=7.0, bounded=True)(network, x, 2, None)
    np.testing.assert_allclose(ref.array(price), by_hand(ref.array(x), z, 7.0), rtol=0.02, atol=0.01)


def test_its_gradient_is_the_one_of_t_sne():
    x = ref.draw(ROWS, 2)
    network = MLP((2, 2)).double()
    network.weights[0].data.copy_(torch.eye(2))
    moved = x.clone().requires_grad_()
    price = Neighbours(perplexity=7.0)

    class Given(MLP):
        def plain(self, x: torch.Tensor) -> torch.Tensor:
            return moved

    given = Given((2, 2))
    price(given, x, 2, None).mean().backward()
    p = affinities(far(x), 7.0)
    p = (p + p.t()) / (2 * ROWS)
    y = SPREAD * x
    near = 1 / (1 + squared_distances(y)).fill_diagonal_(torch.inf)
    pull = (p - near / near.sum()) * near
    expected = 4 * (pull.sum(1, keepdim=True) * y - pull @ y)  # van der Maaten 2008, equation 5
    ref.near(moved.grad, SPREAD * expected, 1e-9)


def test_the_price_of_an_angle_is_the_divergence_of_cosines_for_each_cell():
    network, x = encoder(), ref.draw(ROWS, IN)
    price = Contrast(perplexity=4.0, temperature=0.3).bind(Sizes(IN, 2))
    z, p = ref.array(network.plain(x)), ref.array(affinities(far(x), 4.0))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    q = np.exp(z @ z.T / 0.3)
    np.fill_diagonal(q, 0)
    q /= q.sum(1, keepdims=True)
    off = p > 0
    each = np.zeros_like(p)
    each[off] = p[off] * np.log(p[off] / q[off])
    np.testing.assert_allclose(ref.array(price(network, x, 2, None)), IN * each.sum(1), rtol=1e-9)


def test_the_length_of_a_code_costs_nothing():
    network, x = MLP((IN, 3)).double(), ref.draw(ROWS, IN)
    nn.init.normal_(network.weights[0], generator=ref.generator())
    price = Contrast().bind(Sizes(IN, 3))
    before = price(network, x, 3, None)
    network.weights[0].data.mul_(7)
    ref.near(price(network, x, 3, None), before, 1e-9)


@pytest.mark.parametrize("part", [Neighbours(), Contrast()])
def test_rows_that_are_equal_or_alone_cost_a_finite_price(part):
    network, price = encoder(), part.bind(Sizes(IN, 2))
    for x in (torch.zeros(6, IN).double(), ref.draw(1, IN), ref.draw(2, IN), ref.draw(3, IN)):
        value = price(network, x, 2, ref.generator())
        assert value.shape == (len(x),)
        value.sum().backward()
        assert all(bool(p.grad.isfinite().all()) for p in network.parameters())


def test_large_batches_are_cut_into_even_pieces():
    network, x = encoder(), ref.draw(1100, IN)
    whole = Neighbours()(network, x, 2, None)
    ref.near(whole[:367], Neighbours()(network, x[:367], 2, None), 1e-9)


def test_rows_move_by_a_share_of_the_way_to_the_nearest():
    x, seen = ref.draw(ROWS, 50), []

    class Looks(MLP):
        def plain(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return super().plain(x)

    network = Looks((50, 2)).double()
    Neighbours(noise=0.5)(network, x, 2, ref.generator())
    Neighbours(noise=0.5)(network, x, 2, None)
    moved = (seen[0] - x).norm(dim=1) / far(x).amin(1).sqrt()
    assert moved.mean() == pytest.approx(0.5, rel=0.05)
    assert torch.equal(seen[1], x)


def test_of_an_encoder_that_delivers_variances_the_means_are_compared():
    network, x = MLP((IN, 4)).double(), ref.draw(ROWS, IN)
    nn.init.normal_(network.weights[0], generator=ref.generator())
    before = Neighbours()(network, x, 2, None)
    network.weights[0].data[2:] = 0
    ref.near(Neighbours()(network, x, 2, None), before, 1e-12)


@pytest.mark.parametrize(
    "part", [Neighbours(-1.0), Neighbours(perplexity=1.0), Neighbours(noise=-0.1), Contrast(temperature=0.0)]
)
def test_options_that_cannot_work_are_refused(part):
    with pytest.raises(BadParameter, match="must be"):
        part.bind(Sizes(IN, 2))


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
@pytest.mark.parametrize("kind", ["neighbours", "masking:.2+neighbours:10"])
def test_a_fit_with_it_sees_256_rows_together_unless_told_otherwise(kind, monkeypatch):
    seen, price = [], Neighbours.forward
    monkeypatch.setattr(Neighbours, "forward", lambda self, *args: seen.append(len(args[1])) or price(self, *args))
    x = np.random.default_rng(0).normal(size=(500, 4))
    for batch in ("auto", 100):
        Autoencoder(2, kind=kind, batch_size=batch, epochs=1, validation_fraction=None, random_state=0).fit(x)
    assert seen == [250] * 2 + [100] * 5


def test_alpha_weighs_the_price_by_name():
    assert Neighbours(2.0).weights() == {"neighbours": Weight(2.0)}


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_a_linear_model_learns_more_from_features_than_from_principal_components_of_the_same_columns():
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load_digits(return_X_y=True)
    model = Autoencoder(8, kind="features", epochs=40, validation_fraction=None, random_state=0)
    encoders = model, make_pipeline(StandardScaler(), PCA(8, random_state=0))
    heads = [make_pipeline(e, StandardScaler(), LogisticRegression(max_iter=1000)) for e in encoders]
    ours, linear = (h.fit(x[:1200], y[:1200]).score(x[1200:], y[1200:]) for h in heads)
    assert ours > linear + 0.02
