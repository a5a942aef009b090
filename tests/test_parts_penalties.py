"""The contraction: its three methods agree with the full Jacobian, and so do their gradients."""

import numpy as np
import pytest
import reference as ref
import torch
from torch import Tensor, nn

from latently import native
from latently.errors import BadParameter
from latently.parts import Contraction
from latently.parts.networks import MLP, Gemm, Network, Skip, Wrapped
from latently.parts.penalties import _signs
from latently.values import Sizes, Weight

IN, CODE, ROWS = 6, 4, 5
NETWORKS = {
    "one layer": lambda: MLP((IN, CODE), last="sigmoid"),
    "two layers, relu": lambda: MLP((IN, 8, CODE), "relu"),
    "one linear": lambda: MLP((IN, CODE)),
    "deep relu": lambda: MLP((IN, 20, 17, CODE)),
    "beside a line, relu": lambda: Skip(MLP((IN, CODE)), MLP((IN, 9, CODE))),
    "deep tanh": lambda: MLP((IN, 8, 5, CODE), "tanh", "tanh"),
    "beside a line": lambda: Skip(MLP((IN, CODE)), MLP((IN, 8, CODE), "gelu")),
    "wrapped": lambda: Wrapped(nn.Sequential(nn.Linear(IN, 7), nn.SiLU(), nn.Linear(7, CODE)), IN, CODE),
}
CLOSED = ["one layer", "one linear", "two layers, relu"]
each_network = pytest.mark.parametrize("name", NETWORKS)


def make(name: str) -> Network:
    network = NETWORKS[name]().double()
    for p in network.parameters():
        nn.init.normal_(p, 0, 0.6, generator=ref.generator(p.numel()))
    return network


def price(network: Network, x: Tensor, method: str, rng: torch.Generator | None = None, **options: int) -> Tensor:
    code = options.pop("code", network.outputs)
    return Contraction(0.1, method, **options)(network, x, code, rng)


def by_differences(network: Network, x: Tensor, code: int) -> ref.Array:
    """`sum_j ||grad_x h_j||^2` of every row."""
    whole = ref.array(ref.slopes(lambda: network.plain(x)[:, :code], x))
    return (np.einsum("aoai->aoi", whole) ** 2).sum((1, 2))


@each_network
def test_the_exact_price_is_the_sum_of_squared_gradients_of_the_units(name):
    network, x = make(name), ref.draw(ROWS, IN)
    ref.near(price(network, x, "exact"), by_differences(network, x, CODE), 1e-7)
    ref.near(price(network, x, "exact", ref.generator()), network.jacobian(x).square().sum((1, 2)), 1e-10)


def test_one_layer_is_the_lectures_closed_form():
    network, x = make("one layer"), ref.draw(ROWS, IN)
    w, b = ref.array(network.weights[0]), ref.array(network.biases[0])
    h = ref.layer(ref.array(x), w, b, "sigmoid")
    ref.near(price(network, x, "closed"), (h * (1 - h)) ** 2 @ (w**2).sum(1), 1e-12)


@pytest.mark.parametrize("method", ["closed", "auto"])
@pytest.mark.parametrize("name", CLOSED)
def test_the_closed_form_is_the_exact_price(name, method):
    network, x = make(name), ref.draw(ROWS, IN)
    ref.near(price(network, x, method, ref.generator()), price(network, x, "exact"), 1e-9)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(CLOSED)))
def test_without_a_closed_form_auto_probes_and_closed_is_refused(name):
    network, x = make(name), ref.draw(ROWS, IN)
    probed = price(network, x, "probe", ref.generator())
    ref.near(price(network, x, "auto", ref.generator()), probed, 1e-12)
    with pytest.raises(BadParameter, match="no closed form"):
        price(network, x, "closed", ref.generator())


@each_network
def test_without_a_generator_the_price_is_exact(name):
    network, x = make(name), ref.draw(ROWS, IN)
    for method in ("auto", "probe"):
        ref.near(price(network, x, method), price(network, x, "exact"), 1e-10)


@each_network
@pytest.mark.parametrize("code", [CODE, 2])
def test_probes_are_unbiased(name, code):
    network, x, n = make(name), ref.draw(ROWS, IN), 4000
    each = ref.array(price(network, x.repeat(n, 1), "probe", ref.generator(), code=code)).reshape(n, ROWS)
    gap = each.mean(0) - by_differences(network, x, code)
    assert (np.abs(gap) < 4 * each.std(0) / n**0.5).all()
    assert (each.std(0) > 0).all()


def test_more_probes_scatter_less():
    network, x = make("deep tanh"), ref.draw(1, IN).repeat(500, 1)
    one, nine = (price(network, x, "probe", ref.generator(), probes=k).std() for k in (1, 9))
    assert 0.25 < nine / one < 0.42


@each_network
def test_an_encoder_that_delivers_variances_is_measured_on_its_means(name):
    network, x = make(name), ref.draw(ROWS, IN)
    for method in ("auto", "exact"):
        ref.near(price(network, x, method, code=2), by_differences(network, x, 2), 1e-7)


@each_network
@pytest.mark.parametrize("method", ["auto", "exact", "probe"])
def test_the_gradient_of_the_price_agrees_with_finite_differences(name, method):
    network, x = make(name), ref.draw(ROWS, IN)
    params = list(network.parameters())

    def total() -> Tensor:
        return price(network, x, method, ref.generator(3)).sum()

    found = torch.autograd.grad(total(), params, allow_unused=True, materialize_grads=True)
    for p, got in zip(params, found, strict=True):
        ref.near(got, ref.slopes(total, p.data), 1e-6)


@pytest.mark.skipif(not native.there(), reason="not compiled")
@pytest.mark.parametrize(("low", "tolerance"), [(None, 1e-5), (1, 0.03)])
@pytest.mark.parametrize("method", ["auto", "probe"])
@pytest.mark.parametrize("name", ["one linear", "two layers, relu", "deep relu", "beside a line, relu"])
def test_our_own_kernels_give_its_gradient(name, method, low, tolerance):
    if low and not native.low():
        pytest.skip("no products in bfloat16")
    network, part, x = make(name).float(), Contraction(0.1, method), ref.draw(ROWS, IN, dtype=torch.float32)
    for module in network.modules():
        module.gemm = Gemm(native=True, low_from=low, low_rows=1)
    factor, params = 0.3 + torch.rand(ROWS, generator=ref.generator()), list(network.parameters())
    value = part(network, x, CODE, ref.generator(3))
    want = torch.autograd.grad((value * factor).sum(), params, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        tape = network.run(x)[1]
        got, more = part.gradients(network, x, tape, CODE, ref.generator(3), factor)
        assert more is None
    scale = max(float(g.abs().max()) for g in want)
    ref.near(got, value, tolerance)
    for p, g in zip(params, want, strict=True):
        ref.near((torch.zeros_like(p) if p.grad is None else p.grad) / scale, g / scale, tolerance)


def test_signs_are_tossed_one_by_one():
    signs = ref.array(_signs(torch.zeros(4001, 13, dtype=torch.float64), ref.generator()))
    assert set(np.unique(signs)) == {-1.0, 1.0}
    for lag in (1, 2, 32, 63, 64):
        flat = signs.ravel()
        assert abs((flat[lag:] * flat[:-lag]).mean()) < 4 / len(flat) ** 0.5
    places = signs.ravel()[: len(flat) // 64 * 64].reshape(-1, 64).mean(0)
    assert np.abs(places).max() < 4.5 / (len(flat) / 64) ** 0.5


@pytest.mark.parametrize("part", [Contraction(-1.0), Contraction(probes=0)])
def test_options_that_cannot_work_are_refused(part):
    with pytest.raises(BadParameter, match="must be"):
        part.bind(Sizes(IN, CODE))


def test_alpha_weighs_the_price_by_name():
    assert Contraction(0.2).weights() == {"contraction": Weight(0.2)}
