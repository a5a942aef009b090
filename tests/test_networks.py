"""Networks: the lecture's formulas; backward passes by hand agree with autograd and finite differences."""

import copy
import pickle

import numpy as np
import pytest
import reference as ref
import torch
from torch import Tensor, nn

from latently.errors import BadParameter
from latently.parts.networks import ACTIVATIONS, MLP, Dense, Ends, Gemm, Network, Skip, Wrapped
from latently.parts.networks.contract import closed, gram
from latently.parts.networks.dictionary import Analysis, Synthesis

IN, OUT, ROWS = 5, 3, 7
PRECISIONS = [(torch.float64, 1e-10), (torch.float32, 1e-5)]


def tied() -> list[Network]:
    source = MLP((OUT, 6, IN), "tanh")
    return [source, MLP((IN, 6, OUT), "tanh", "linear", source)]


def tied_skip() -> list[Network]:
    line, deep = MLP((OUT, IN)), MLP((OUT, 4, IN), "relu")
    return [line, deep, Skip(MLP((IN, OUT), source=line), MLP((IN, 4, OUT), "relu", source=deep))]


def centred() -> list[Network]:
    source = Synthesis(OUT, IN)
    return [source, Analysis(IN, OUT, "sigmoid", source)]


def wrapped() -> list[Network]:
    return [Wrapped(nn.Sequential(nn.Linear(IN, 6), nn.Tanh(), nn.Linear(6, OUT)), IN, OUT)]


#: What each makes: modules whose parameters count, the network itself the last of them.
NETWORKS = {
    **{f"one {a}": lambda a=a: [MLP((IN, OUT), last=a)] for a in ACTIVATIONS},
    **{f"two {a}": lambda a=a: [MLP((IN, 6, OUT), a)] for a in ACTIVATIONS},
    "deep": lambda: [MLP((IN, 6, 4, OUT), "tanh", "sigmoid")],
    "skip": lambda: [Skip(MLP((IN, OUT)), MLP((IN, 6, 4, OUT), "relu"))],
    "tied": tied,
    "tied skip": tied_skip,
    "wrapped": wrapped,
    "atoms": lambda: [Synthesis(IN, OUT)],
    "centred": centred,
}
STACKS = ["one sigmoid", "two relu", "two gelu", "deep", "tied", "skip", "tied skip"]
each_network = pytest.mark.parametrize("name", NETWORKS)
each_precision = pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)


def make(name: str, dtype: torch.dtype = torch.float64) -> tuple[Network, list[nn.Parameter]]:
    """The network and every parameter that its output depends on."""
    owner, rng = nn.ModuleList(NETWORKS[name]()).double(), ref.generator(1)
    for p in owner.parameters():
        nn.init.normal_(p, 0, 0.6, generator=rng)
    owner.to(dtype)
    network = owner[-1]
    assert isinstance(network, Network)
    used = [p for p in owner.parameters() if p.requires_grad]
    y = network(ref.draw(2, IN, dtype=dtype)).sum()
    for p, g in zip(used, torch.autograd.grad(y, used, allow_unused=True), strict=True):
        p.requires_grad_(g is not None)  # the biases of a source are its own
    return network, [p for p in used if p.requires_grad]


def walked(network: Network, params: list[nn.Parameter], x: Tensor, g: Tensor) -> list[Tensor | None]:
    """Output, input gradient and parameter gradients by `run` and `back`."""
    for p in params:
        p.grad = None
    with torch.no_grad():
        y, tape = network.run(x)
        y = y.clone()
        down = network.back(tape, g.clone())
    return [y, down, *(p.grad for p in params)]


def by_autograd(network: Network, params: list[nn.Parameter], x: Tensor, g: Tensor) -> list[Tensor]:
    leaf = x.clone().requires_grad_()
    y = network.plain(leaf)
    return [y.detach(), *torch.autograd.grad(y, [leaf, *params], g)]


def all_near(got: list[Tensor], want: list[Tensor], tolerance: float) -> None:
    for a, b in zip(got, want, strict=True):
        ref.near(a, b, tolerance)


@pytest.mark.parametrize("g", ACTIVATIONS)
def test_a_stack_is_g_of_wx_plus_b_layer_by_layer(g):
    network, (w1, w2, b1, b2) = make(f"two {g}")
    x = ref.draw(ROWS, IN, seed=2) * 3
    h = ref.layer(ref.array(x), ref.array(w1), ref.array(b1), g)
    ref.near(network.plain(x), ref.layer(h, ref.array(w2), ref.array(b2), "linear"), 1e-12)


def test_every_activation_has_a_formula():
    assert set(ref.ACTIVATIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("g", ["linear", "sigmoid", "tanh", "relu"])
def test_one_layer_is_the_lectures_encoder_and_decoder(g, tie):
    pair = Dense(hidden=(), code_activation=g, tied=tie).build(Ends(IN, OUT, OUT, IN, 10), ref.generator())
    encoder, decoder = (n.double() for n in pair)
    for p in (*encoder.parameters(), *decoder.parameters()):
        nn.init.normal_(p, generator=ref.generator(p.numel()))
    x, w = ref.draw(ROWS, IN), ref.array(encoder.weights[0])
    star = w.T if tie else ref.array(decoder.weights[0])
    h = ref.layer(ref.array(x), w, ref.array(encoder.biases[0]), g)
    ref.near(encoder(x), h, 1e-12)
    ref.near(decoder(encoder(x)), ref.layer(h, star, ref.array(decoder.biases[0]), "linear"), 1e-12)


def test_a_shared_weight_gets_the_gradient_of_both_its_uses():
    encoder = MLP((IN, OUT), last="tanh").start(ref.generator()).double()
    twin, decoder = copy.deepcopy(encoder), MLP((OUT, IN)).double()
    decoder.weights[0].data = twin.weights[0].detach().t().clone()
    x, g = ref.draw(ROWS, IN), ref.draw(ROWS, IN, seed=1)
    for up, down in ((encoder, MLP((OUT, IN), source=encoder).double()), (twin, decoder)):
        h, tape = up.run(x)
        _, other = down.run(h)
        up.back(tape, down.back(other, g))
    ref.near(encoder.weights[0].grad, twin.weights[0].grad + decoder.weights[0].grad.t(), 1e-12)


@each_precision
@each_network
def test_run_and_back_agree_with_autograd_of_plain(name, dtype, tolerance):
    network, params = make(name, dtype)
    x, g = ref.draw(ROWS, IN, seed=2, dtype=dtype), ref.draw(ROWS, OUT, seed=3, dtype=dtype)
    all_near(walked(network, params, x, g), by_autograd(network, params, x, g), tolerance)


@each_network
def test_back_agrees_with_finite_differences(name):
    network, params = make(name)
    x, g = ref.draw(ROWS, IN, seed=2), ref.draw(ROWS, OUT, seed=3)
    got = walked(network, params, x, g)[1:]
    want = [ref.slopes(lambda: (network.plain(x) * g).sum(), p) for p in (x, *(p.data for p in params))]
    all_near(got, want, 1e-7)


@each_network
def test_gradients_accumulate_over_calls(name):
    network, params = make(name)
    x, g = ref.draw(ROWS, IN, seed=2), ref.draw(ROWS, OUT, seed=3)
    first = [p.clone() for p in walked(network, params, x, g)[2:]]
    _, tape = network.run(2 * x)
    network.back(tape, g)
    total = [p.grad.clone() for p in params]
    second = walked(network, params, 2 * x, g)[2:]
    all_near(total, [a + b for a, b in zip(first, second, strict=True)], 1e-12)


@pytest.mark.parametrize("name", ["two relu", "skip", "tied"])
def test_the_first_network_may_leave_out_the_input_gradient(name):
    network, params = make(name)
    x, g = ref.draw(ROWS, IN), ref.draw(ROWS, OUT)
    whole = [p.clone() for p in walked(network, params, x, g)[2:]]
    for p in params:
        p.grad = None
    assert network.back(network.run(x)[1], g, to_input=False) is None
    all_near([p.grad for p in params], whole, 1e-14)


@each_network
def test_jacobian_agrees_with_finite_differences(name):
    network, _ = make(name)
    x = ref.draw(ROWS, IN, seed=4)
    whole = ref.slopes(lambda: network.plain(x), x)  # (rows, out, rows, in)
    ref.near(network.jacobian(x), torch.einsum("aoai->aoi", whole), 1e-7)


@each_network
def test_tangent_is_the_jacobian_times_a_vector(name):
    network, _ = make(name)
    x, v = ref.draw(ROWS, IN, seed=4), ref.draw(ROWS, IN, seed=5)
    ref.near(network.tangent(x, v), torch.einsum("noi,ni->no", network.jacobian(x), v), 1e-12)


@each_network
def test_closed_form_and_gram_are_the_squared_norm_of_the_jacobian(name):
    network, _ = make(name)
    x = ref.draw(ROWS, IN, seed=4)
    want = network.jacobian(x).square().sum((1, 2))
    if isinstance(network, MLP):
        ref.near(gram(network, x), want, 1e-11)
    found = closed(network, x)
    assert (found is not None) == name.startswith(("one", "two", "tied")) or name == "tied skip"
    if found is not None:
        ref.near(found, want, 1e-11)


def through(network: Network, gemm: Gemm) -> None:
    for module in network.modules():
        if isinstance(module, MLP):
            module.gemm = gemm


@pytest.mark.parametrize("name", STACKS)
def test_onednn_agrees_with_the_portable_products(name):
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch has no direct oneDNN product")
    network, params = make(name, torch.float32)
    x, g = ref.draw(ROWS, IN, dtype=torch.float32), ref.draw(ROWS, OUT, seed=1, dtype=torch.float32)
    want = [t.clone() for t in walked(network, params, x, g)]
    through(network, Gemm(onednn_from=0))
    all_near(walked(network, params, x, g), want, 1e-5)


def bfloat16_works() -> bool:
    x = torch.ones(4, 4, dtype=torch.bfloat16)
    try:
        return bool(torch.ops.mkldnn._linear_pointwise(x, x, x[0], "relu", [], "")[0, 0] == 5)
    except (RuntimeError, AttributeError):
        return False


def test_what_a_step_looked_up_is_looked_up_anew_when_parameters_move():
    net = MLP((3, 4, 2)).start(ref.generator())
    x, g = ref.draw(5, 3, seed=1, dtype=torch.float32), ref.draw(5, 2, seed=2, dtype=torch.float32)

    def through():
        with torch.no_grad():
            y, tape = net.run(x)
            net.back(tape, g)
        assert torch.equal(y, net.plain(x).detach())
        return [p.grad.clone() for p in net.parameters()]

    first = through()
    for p in net.parameters():  # as a fit packs them
        p.data, p.grad = p.data.clone().mul_(1.5), torch.zeros_like(p)
    second = through()
    for p in net.parameters():  # as a fit releases them
        p.data, p.grad = p.data.div(1.5), None
    assert not torch.equal(first[0], second[0])
    for a, b in zip(first, through(), strict=True):
        torch.testing.assert_close(a, b)
    other = copy.deepcopy(net)
    assert other._held is None
    before = [p.grad.clone() for p in net.parameters()]
    with torch.no_grad():
        other.back(other.run(x)[1], g)
    for p, kept in zip(net.parameters(), before, strict=True):
        assert torch.equal(p.grad, kept)


@pytest.mark.skipif(not bfloat16_works(), reason="no bfloat16 product on this processor (avx512_bf16)")
@pytest.mark.parametrize("name", STACKS)
def test_bfloat16_stays_within_its_rounding(name):
    network, params = make(name, torch.float32)
    x, g = ref.draw(64, IN, dtype=torch.float32), ref.draw(64, OUT, seed=1, dtype=torch.float32)
    want = [t.clone() for t in walked(network, params, x, g)]
    through(network, Gemm(low_from=0, low_rows=1))
    for got, exact in zip(walked(network, params, x, g), want, strict=True):
        assert got.dtype == torch.float32
        assert 0 < (got - exact).norm() <= 0.02 * exact.norm()


def test_low_precision_is_for_stacks_that_are_large_enough():
    ws = [torch.zeros(3, 4), torch.zeros(5, 3)]
    assert Gemm(low_from=15).low(ws, 128)
    assert not Gemm(low_from=16).low(ws, 128)
    assert not Gemm().low(ws, 128)


def test_a_wrapped_module_does_what_a_stack_of_its_weights_does():
    other, params = make("wrapped")
    stack = MLP((IN, 6, OUT), "tanh").double()
    for p, q in zip((*stack.weights, *stack.biases), (*params[::2], *params[1::2]), strict=True):
        p.data = q.detach().clone()
    x, g = ref.draw(ROWS, IN), ref.draw(ROWS, OUT, seed=1)
    mine = walked(stack, [stack.weights[0], stack.biases[0], stack.weights[1], stack.biases[1]], x, g)
    all_near(walked(other, params, x, g), mine, 1e-12)
    ref.near(other.tangent(x, 2 * x), stack.tangent(x, 2 * x), 1e-12)
    ref.near(other.jacobian(x), stack.jacobian(x), 1e-12)


@pytest.mark.parametrize("tie", [False, True])
def test_a_stack_beside_a_line_starts_as_the_line(tie):
    pair = Dense(hidden=(6, 4), tied=tie).build(Ends(IN, OUT, OUT, IN, 10), ref.generator())
    for network, width in zip(pair, (IN, OUT), strict=True):
        x = ref.draw(ROWS, width, dtype=torch.float32)
        assert network.linear() is not None
        assert network(x).abs().max() > 0
        ref.near(network(x), network.linear()(x), 1e-6)


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    a, b, c = (MLP((IN, 6, OUT), "tanh").start(ref.generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.weights[0], c.weights[0])
    assert not any(bias.any() for bias in a.biases)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_pair_is_tied_to_itself(again):
    encoder, decoder = again(nn.ModuleList(NETWORKS["tied"]()))
    with torch.no_grad():
        for p in encoder.parameters():
            p.fill_(2)
    x = torch.ones(1, OUT)
    assert (decoder.matrices()[-1] == 2).all()
    ref.near(encoder(x), np.full((1, IN), 2 + 12 * np.tanh(2 + 2 * OUT)), 1e-6)


@pytest.mark.parametrize(("g", "last"), [(None, None), ("sigmoid", None), (None, "sigmoid")])
@pytest.mark.parametrize("line", [False, True, "auto"])
@pytest.mark.parametrize("tie", [False, True])
def test_parameters_are_counted_before_they_are_made(tie, line, g, last):
    spec = Dense(hidden=(11, 4), code_activation=g, tied=tie, line=line)
    pair = spec.build(Ends(IN, OUT, OUT, IN, 10, last), ref.generator())
    made = sum(p.numel() for network in pair for p in network.parameters())
    assert spec.count(Ends(IN, OUT, OUT, IN, 10, last)) == made


@pytest.mark.parametrize("option", [{"activation": "relux"}, {"code_activation": "relux"}, {"hidden": (0,)}])
def test_an_impossible_stack_is_refused(option):
    with pytest.raises(BadParameter):
        Dense(**option).build(Ends(IN, OUT, OUT, IN, 10), ref.generator())


def test_wider_data_gets_wider_layers_and_few_rows_narrower_ones():
    few, many = (np.array(Dense().widths(200, 16, rows)) for rows in (500, 100_000))
    assert (few < many).all()
    assert Dense().widths(5, 2, 500) < Dense().widths(30, 2, 500)
