"""Wide codes of few units: what looking up finds is what multiplying finds, and the step is autograd's."""

import copy

import pytest
import reference as ref
import torch
from torch import Tensor

from latently import recipes
from latently.model import Composition
from latently.parts import BatchTopK, Dense, ImportanceWeighted, TopK, few
from latently.parts.doors import Door
from latently.parts.likelihoods import SquaredError
from latently.parts.networks import Dictionary, Ends, Wrapped
from latently.parts.networks.gemm import Gemm
from latently.values import Batch, Sizes


def scattered(on: int, rows: int = 8, units: int = 40) -> tuple[Tensor, Tensor]:
    """A tensor with `on` entries, and the same as a sparse one."""
    z = torch.zeros(rows, units, dtype=torch.float64)
    z.view(-1)[torch.randperm(z.numel(), generator=ref.generator(2))[:on]] = ref.draw(on, seed=3)
    return z, few.sparse(*z.nonzero().unbind(1), z[z != 0], z.shape)


@pytest.mark.parametrize("on", [0, 1, 7, 100])
def test_looking_up_is_multiplying(on, monkeypatch):
    monkeypatch.setattr(few, "BLOCK", 16)
    z, s = scattered(on)
    table, other, bias = ref.draw(40, 5, seed=4), ref.draw(8, 5, seed=5), ref.draw(5, seed=6)
    ref.near(few.dense(s), z, 0)
    ref.near(few.linear(s, table.t(), bias, relu=True), (z @ table + bias).relu(), 1e-14)
    ref.near(few.dense(few.input_grad(other, table.t(), s)), (other @ table.t()) * (z != 0), 1e-14)
    ref.near(few.input_grad(s, table, other), z @ table, 1e-14)
    into, total = ref.draw(40, 5, seed=7), ref.draw(40, seed=8)
    want = into + z.t() @ other, total + z.sum(0), into.t() + other.t() @ z, bias + other.sum(0)
    got = into.clone(), total.clone(), into.t().clone(), bias.clone()
    few.add_grads(s, other, got[0], got[1])
    few.add_grads(other, s, got[2], got[3])
    for a, b in zip(got, want, strict=True):
        ref.near(a, b, 1e-14)


def test_entries_of_both_in_the_order_of_rows():
    (z, s), (more, m) = scattered(9), scattered(4)
    both = few.join(s, few.like(m, m.values() * 2))
    ref.near(few.dense(both), z + 2 * more, 0)
    assert bool((both.indices()[0].diff() >= 0).all())


@pytest.mark.parametrize("width", [500, 514, 516, 4096])
def test_the_largest_are_found(width):
    h = ref.draw(9, width, seed=1)
    with torch.no_grad():
        units, _ = few.largest(h.float(), 13)
    ref.near(units.sort(1).values, h.topk(13, 1).indices.sort(1).values, 0)
    units, values = few.largest(h, 13)
    ref.near(values.sort(1, descending=True).values, h.topk(13, 1).values, 0)
    ref.near(h.gather(1, units), values, 0)
    z = few.dense(few.largest_of_all(h, 200))
    ref.near(z, h * (h >= h.flatten().topk(200).values.min()), 0)
    assert int((few.dense(few.largest_of_all(-h.abs(), 20)) != 0).sum()) == 0, "what is on is positive"


# ---------------------------------------------------------------- in a step


@pytest.fixture
def small(monkeypatch):
    """Even small codes are looked up."""
    for name, value in {"WIDE": 1, "MANY": 1, "FEW": 1.0, "GROUP": 1, "BLOCK": 2}.items():
        monkeypatch.setattr(few, name, value)


def stranger(model: Composition) -> Composition:
    """Its decoder is somebody else's module."""
    model.decoder = Wrapped(
        torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 5)).double(), 3, 5
    )
    return model


NETWORKS = {
    "flat": Dense(hidden=()), "deep": Dense(hidden=(4,), line=False), "tied": Dense(hidden=(4,), tied=True, line=False),
    "line": Dense(hidden=(4,), line=True), "rectified": Dense(hidden=(), code_activation="relu"), "atoms": Dictionary(),
    "stranger": Dense(hidden=()),
}  # fmt: skip
KINDS = {
    "topk": "topk:2", "masked": "masking:.3+topk:1", "batch": "batch_topk:1",
    "importance": recipes.Compose(bottleneck=TopK(1), bound=ImportanceWeighted(3)),
    "revived": recipes.Dictionary(k=1, revival=0.7), "revived batch": recipes.Dictionary(k=1, per="batch", revival=0.7),
}  # fmt: skip


@pytest.mark.parametrize("what", ["", "known weight"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_step_is_what_autograd_says(small, kind, network, what):
    model = ref.compose(KINDS[kind], NETWORKS[network])
    model, batch = stranger(model) if network == "stranger" else model, ref.rows(what)
    model.bottleneck.idle[1] = 1e6
    params = list(model.parameters())
    want = torch.autograd.grad(model.loss(batch, ref.generator()) / batch.cells, params)
    for p in params:
        p.grad = torch.zeros_like(p)
    told = model.gradients(batch, ref.generator(), 1.0)
    for p, expected in zip(params, want, strict=True):
        ref.near(p.grad, expected, 1e-10)
    if "revived" in kind:
        assert float(told["revival"].abs().sum()) > 0


@pytest.mark.parametrize("part", [TopK(2), BatchTopK(2)], ids=str)
def test_the_same_units_are_idle(small, part, monkeypatch):
    part, h = part.bind(Sizes(cells=4, code=6, rows=30)).double(), ref.draw(10, 6, seed=1) - 1
    other = copy.deepcopy(part)
    z = part.run(h, ref.generator())[0].z
    assert z.is_sparse
    monkeypatch.setattr(few, "MANY", 10**9)
    ref.near(few.dense(z), other.run(h, ref.generator())[0].z, 0)
    ref.near(part.idle, other.idle, 0)


PRODUCTS = {
    "torch": Gemm(), "own": Gemm(native=True), "large": Gemm(native=True, onednn_from=1), "low": Gemm(low_from=1),
}  # fmt: skip


@pytest.mark.parametrize("products", PRODUCTS.values(), ids=PRODUCTS)
@pytest.mark.parametrize(
    "design", [Dense(hidden=(), line=False), Dense(hidden=(24,), line=False), Dictionary()], ids=str
)
def test_a_wide_code_learns_as_the_dense_products_would_teach_it(design, products, monkeypatch):
    """Float32 gradients of 1,024 units equal to 1e-5; in bfloat16 the rounding of single products is seen."""
    monkeypatch.setattr("latently.parts.networks.gemm.LARGE", 1)
    cells, units, x = 32, 1024, ref.draw(256, 32, dtype=torch.float32)
    sizes = Sizes(cells, units, 1000)
    found = []
    for many in (1, 10**9):
        monkeypatch.setattr(few, "MANY", many)
        parts = recipes.resolve("topk:8").parts(units).bind(sizes)
        pair = design.build(Ends(cells, units, units, cells, 1000), ref.generator())
        for network in pair:
            network.gemm = products
        model = Composition(Door((0,) * cells, False), *pair, SquaredError().bind(sizes), parts, units)
        model.gradients(Batch(x), ref.generator(), 1.0)
        found.append([p.grad for p in model.parameters()])
    for a, b in zip(*found, strict=True):
        assert float((a - b).norm()) <= (2e-2 if products.low_from else 1e-5) * float(b.norm())
