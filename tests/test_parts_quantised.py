"""Codes of whole numbers: the nearest vector is the nearest, gradients go straight through, nothing stays unused."""

import itertools
import math

import numpy as np
import pytest
import reference as ref
import torch
from torch import Tensor

from latently import Autoencoder, evaluate, recipes
from latently.engine.infer import pieces
from latently.errors import BadParameter
from latently.parts import FSQ, Identity, Quantised, VectorQuantised
from latently.values import Sizes, Sort

ROWS, CODE = 50, 7
PARTS = {
    "pairs": VectorQuantised(8),
    "single numbers": VectorQuantised(5, groups=CODE),
    "one token": VectorQuantised(6, groups=1, beta=1.5),
    "uneven tokens": VectorQuantised(4, groups=3),
    "grid": FSQ(),
    "one grid": FSQ(6),
    "mixed grid": FSQ([2, 3, 9]),
}
VECTORS = [name for name, part in PARTS.items() if isinstance(part, VectorQuantised)]
each_part = pytest.mark.parametrize("name", PARTS)
each_codebook = pytest.mark.parametrize("name", VECTORS)


def bound(part: Quantised, code: int = CODE, rows: int = 1000, dtype: torch.dtype = torch.float32) -> Quantised:
    return part.bind(Sizes(cells=4, code=code, rows=rows)).to(dtype)


def make(name: str, dtype: torch.dtype = torch.float32) -> tuple[Quantised, Tensor]:
    """The part, its codebooks drawn, and what an encoder would hand it."""
    part = bound(PARTS[name], dtype=dtype)
    if isinstance(part, VectorQuantised):
        groups, _, width = part.codebook.shape
        filled = (part.spot < CODE).view(groups, 1, width)  # the end of a narrower token is always zero
        part.codebook.data = ref.draw(*part.codebook.shape, seed=3, dtype=dtype) * filled
    return part, ref.draw(ROWS, CODE, seed=1, dtype=dtype)


def cut(part: VectorQuantised, z: np.ndarray) -> list[np.ndarray]:
    return np.array_split(z, len(part.alphabet), axis=1)


# ---------------------------------------------------------------- what the code is


@each_codebook
def test_each_token_is_the_nearest_vector_of_its_codebook(name):
    part, h = make(name)
    z = part(h).z
    books = part.codebook.detach().numpy()
    for t, (token, found) in enumerate(zip(cut(part, h.numpy()), cut(part, z.detach().numpy()), strict=True)):
        book = books[t][:, : token.shape[1]]
        far = ((token[:, None] - book) ** 2).sum(2)
        np.testing.assert_array_equal(part.indices(h)[:, t].numpy(), far.argmin(1))
        np.testing.assert_array_equal(found, book[far.argmin(1)])


@pytest.mark.parametrize("levels", [2, 5, 8])
def test_a_grid_has_equal_parts_and_their_middles(levels):
    part = bound(FSQ(levels), code=1)
    t = torch.linspace(-0.9999, 0.9999, 4001)[:, None]
    z = part(t.atanh()).z
    middles = (np.arange(levels) + 0.5) * 2 / levels - 1
    np.testing.assert_allclose(torch.unique(z), middles, atol=1e-6)
    assert ((z - t).abs() <= 1 / levels + 1e-5).all()
    share = torch.bincount(part.indices(t).flatten()) / len(t)
    np.testing.assert_allclose(share, 1 / levels, atol=1e-3)


@pytest.mark.parametrize("far", [-1e4, 1e4])
def test_a_grid_ends_at_its_outermost_levels(far):
    part = bound(FSQ())
    token = part.indices(part(torch.full((2, CODE), far)).z)
    assert torch.equal(token, (torch.tensor(part.alphabet) - 1 if far > 0 else torch.zeros(CODE).long()).expand(2, -1))


@each_part
def test_tokens_are_within_their_alphabet_and_the_code_keeps_its_width(name):
    part, h = make(name)
    tokens = part.indices(part(3 * h).z)
    assert tokens.dtype == torch.int64
    assert tokens.shape == (ROWS, len(part.alphabet))
    assert (tokens >= 0).all()
    assert (tokens < torch.tensor(part.alphabet)).all()
    assert part.values(tokens).shape == (ROWS, CODE)


@each_part
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_code_survives_the_way_through_whole_numbers_to_the_bit(name, dtype):
    part, h = make(name, dtype)
    z = part(h).z.detach()
    assert torch.equal(part.values(part.indices(z)), z)
    assert torch.equal(part.nearest(z), z)
    assert not torch.equal(part.nearest(h), h)


def test_near_twins_in_a_codebook_are_told_apart():
    part = bound(VectorQuantised(64, groups=1), code=1)
    part.codebook.data = 100 + torch.arange(64).view(1, 64, 1) * 2.0**-17  # neighbours in float32
    assert torch.equal(part.indices(part.codebook.detach()[0]).flatten(), torch.arange(64))


def test_many_rows_are_looked_up_in_pieces(monkeypatch):
    part, h = make("pairs")
    whole = part.indices(h)
    monkeypatch.setattr("latently.parts.quantised.AT_ONCE", 3 * 4 * 8)
    assert torch.equal(part.indices(h), whole)
    assert part.indices(h[:0]).shape == (0, 4)


@pytest.mark.parametrize("code", range(1, 12))
def test_the_defaults_take_every_width(code):
    for part, tokens in ((VectorQuantised(), -(-code // 2)), (FSQ(), code)):
        made = bound(part, code=code)
        assert len(made.alphabet) == tokens
        assert made(ref.draw(3, code, dtype=torch.float32)).z.shape == (3, code)
    for groups in range(1, code + 1):
        assert len(bound(VectorQuantised(groups=groups), code=code).alphabet) == groups


@pytest.mark.parametrize(("rows", "levels"), [(1, 2), (12, 2), (100, 16), (1797, 256), (60_000, 512)])
def test_automatic_codebooks_leave_four_rows_a_vector(rows, levels):
    assert bound(VectorQuantised(), rows=rows).alphabet == (levels,) * 4


def test_the_levels_of_a_grid_come_in_turn():
    assert bound(FSQ()).alphabet == (8, 5, 5, 5, 8, 5, 5)
    assert bound(FSQ([2, 3, 9])).alphabet == (2, 3, 9, 2, 3, 9, 2)


def test_a_code_that_is_not_quantised_is_its_own_nearest():
    z = ref.draw(3, CODE)
    assert Identity().nearest(z) is z


# ---------------------------------------------------------------- gradients


def slopes(part: Quantised, h: Tensor, g: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient at `h` by autograd of `forward`, and by `run` and `back`."""
    leaf = h.clone().requires_grad_()
    code = part(leaf)
    ((code.z * g).sum() + sum((cost.value * c).sum() for cost in code.costs.values())).backward()
    with torch.no_grad():
        made, tape = part.run(h, None)
        byhand = part.back(tape, g.clone(), dict.fromkeys(made.costs, c))
    assert torch.equal(made.z, code.z)
    for name, cost in code.costs.items():
        ref.near(made.costs[name].value, cost.value, 1e-12)
    return leaf.grad, byhand


@each_part
def test_gradients_go_straight_through(name):
    part, h = make(name, torch.float64)
    g, c = ref.draw(ROWS, CODE, seed=2), ref.draw(ROWS, seed=8).abs()
    found = slopes(part, h, g, c)
    if isinstance(part, VectorQuantised):
        want = g + 2 * c[:, None] * (h - part.nearest(h))
        assert part.codebook.grad is None, "codebooks are means of codes, not learned by gradients"
    else:
        want = g * (1 - h.tanh() ** 2)
    for slope in found:
        ref.near(slope, want, 1e-12)


@each_codebook
def test_the_price_is_the_squared_distance_and_is_in_no_score(name):
    part, h = make(name, torch.float64)
    cost = part(h).costs["commitment"]
    assert cost.sort is Sort.PENALTY
    ref.near(cost.value, ((h - part.nearest(h)) ** 2).sum(1), 1e-12)
    assert part.weights()["commitment"].value == part.beta
    assert not part(h, ref.generator()).z.requires_grad


def test_a_grid_has_no_price():
    part, h = make("grid")
    assert not part(h).costs
    assert not part.weights()
    assert not list(part.parameters())


# ---------------------------------------------------------------- the codebook learns


def test_vectors_are_the_running_means_of_razavi(monkeypatch):
    monkeypatch.setattr("latently.parts.quantised.DEAD", 0.0)
    part, _ = make("pairs", torch.float64)
    part.share.fill_(1 / 8)
    book, count = part.codebook.detach().numpy().copy(), np.full((4, 8), 1 / 8)
    total = book * count[:, :, None]
    for seed in range(6):
        h = ref.draw(400, CODE, seed=20 + seed)
        decay = 1 - 400 / (400 + 32 * 8)
        wide = np.zeros((400, 8))
        wide[:, :CODE] = h.numpy()
        one = np.eye(8)[part.indices(h).numpy()]
        count = decay * count + (1 - decay) * one.mean(0)
        total = decay * total + (1 - decay) * np.einsum("ngk,ngw->gkw", one, wide.reshape(400, 4, 2)) / 400
        part.observe(h)
        ref.near(part.codebook.detach(), total / count[:, :, None], 1e-12)
        ref.near(part.share, count, 1e-12)


def clusters(rows: int, seed: int) -> Tensor:
    """Four clouds at the corners of a square."""
    corner = torch.randint(4, (rows,), generator=ref.generator(seed))
    middle = torch.stack([corner % 2, corner // 2], 1) * 10.0 - 5
    return middle + 0.1 * ref.draw(rows, 2, seed=seed, dtype=torch.float32)


def test_codebooks_find_clusters():
    part = bound(VectorQuantised(4, groups=1), code=2)
    for seed in range(200):
        part.observe(clusters(64, seed))
    found = part.codebook.detach()[0]
    corners = torch.tensor(list(itertools.product((-5.0, 5.0), repeat=2)))
    assert torch.cdist(corners, found).amin(1).max() < 0.1
    np.testing.assert_allclose(part.share.sum(), 1, atol=0.05)


def test_all_start_on_codes_of_the_first_batch():
    part, h = bound(VectorQuantised(16, groups=1), code=2), clusters(300, 1)
    part.observe(h)
    book = part.codebook.detach()[0]
    on_a_row = (book[:, None] == h).all(2).any(1)
    assert on_a_row.sum() >= 15  # all were at zero, so one was the nearest to every row: it goes to their mean
    assert len(torch.unique(book, dim=0)) >= 15
    assert len(torch.unique(part.indices(h))) >= 12


def test_a_vector_that_nobody_chooses_moves_to_where_codes_are():
    part = bound(VectorQuantised(4, groups=1), code=2)
    part.codebook.data[0] = torch.tensor([[-5.0, -5], [5, -5], [-5, 5], [900, 900]])
    part.share.fill_(1 / 4)
    for seed in range(40):
        part.observe(clusters(64, seed))
    assert (torch.cdist(part.codebook.detach()[0], torch.tensor([[5.0, 5]])) < 0.2).any()
    assert part.codebook.abs().max() < 6


@each_codebook
def test_observing_is_deterministic_and_leaves_global_chance_alone(name):
    before = torch.get_rng_state()
    books = []
    for _ in range(2):
        part = bound(PARTS[name])
        for seed in range(5):
            part.observe(ref.draw(ROWS, CODE, seed=seed, dtype=torch.float32))
        books.append(part.codebook.detach())
    assert torch.equal(*books)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("rows", [1, 3])
def test_fewer_rows_than_vectors_are_taken(rows):
    part, h = bound(VectorQuantised(32)), ref.draw(rows, CODE, dtype=torch.float32)
    for _ in range(3):
        part.observe(h)
    assert part.codebook.isfinite().all()
    assert (part.nearest(h) - h).square().sum() < 0.1 * h.square().sum()


# ---------------------------------------------------------------- how much is used


def test_usage_counts_values_their_perplexity_and_bits():
    part = bound(FSQ(4), code=2)
    tokens = torch.tensor([[0, 0], [0, 1], [1, 2], [1, 3]]).repeat(10, 1)
    told = part.usage(part.values(tokens).atanh())
    assert told["used"] == pytest.approx((2 / 4 + 4 / 4) / 2)
    assert told["perplexity"] == pytest.approx((2 + 4) / 2)
    assert told["bits"] == pytest.approx((1 + 2) / 2)
    assert told["room"] == pytest.approx(2)
    assert part.usage(part.values(tokens[:2]).atanh())["room"] == pytest.approx(1), "two rows show one bit at most"


@each_part
def test_unused_codes_are_complained_of_with_perplexity_and_usage(name):
    part, h = make(name)
    h = 1.5 * h
    assert "unused codes" not in dict(part.complaints(h))
    narrow = part.nearest(torch.zeros(1, CODE)).atanh() if isinstance(part, FSQ) else part.nearest(h[:1])
    h[3:] = narrow
    told = part.usage(h)
    message = dict(part.complaints(h))["unused codes"]
    assert f"perplexity {told['perplexity']:.3g}" in message
    assert f"{told['used']:.0%}" in message


# ---------------------------------------------------------------- on digits

KINDS = {"vector_quantised": 100.0, "fsq": 4.5}  # of 256 values, and of 5 to 8: perplexities above


@pytest.fixture(scope="module")
def fits(digits: np.ndarray) -> dict[str, Autoencoder]:
    """A fit of each kind with a third of its epochs, judged on a third of the rows."""
    options = {"epochs": 60, "validation_fraction": 1 / 3, "random_state": 0}
    return {kind: Autoencoder(16, kind=kind, **options).fit(digits) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_digits_are_learned_better_than_by_pca_and_the_codes_are_used(kind, fits, digits):
    model = fits[kind]
    assert not model.alarms_
    assert model.held_out_.model < 0.95 * model.held_out_.pca
    curve = model.history_.columns["validation"]
    assert min(curve) < 0.5 * curve[0]
    batch = model._batch(digits)
    h = pieces(lambda b: model.model_.encoder.plain(model.model_.door(b)), batch, 256, torch.device("cpu"))
    told = model.model_.bottleneck.usage(h)
    assert told["perplexity"] > KINDS[kind]
    assert told["used"] > 0.9
    assert told["bits"] > 0.85 * told["room"]


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_tells_the_usage(kind, fits, digits):
    found = evaluate(fits[kind], digits[:200])["code"]
    assert 1 < found["perplexity"] <= max(fits[kind].model_.bottleneck.alphabet)
    assert 0 < found["bits"] <= found["room"]
    assert 0 < found["used"] <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_jacobian_is_that_of_the_straight_way_through(kind, fits, digits):
    model, x = fits[kind], digits[:3]
    batch = model._batch(x)
    encoder, door = model.model_.encoder, model.model_.door
    want = encoder.jacobian(door(batch)).detach().numpy()
    if kind == "fsq":
        want = want * (1 - np.tanh(encoder.plain(door(batch)).detach().numpy()) ** 2)[:, :, None]
    np.testing.assert_allclose(model.jacobian(x), want, atol=1e-5)


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
@pytest.mark.parametrize("kind", [recipes.VectorQuantised(levels=3, groups=1), recipes.FSQ(2)], ids=["vq", "fsq"])
def test_samples_are_decoded_from_codes_that_an_encoder_could_have_made(kind, digits):
    model = Autoencoder(2, kind=kind, epochs=3, validation_fraction=None, random_state=0).fit(digits[:300])
    drawn = np.unique(np.round(model.sample(200, random_state=1), 3), axis=0)
    assert 1 < len(drawn) <= math.prod(model.model_.bottleneck.alphabet)


@pytest.mark.parametrize(("word", "part"), [("vq", VectorQuantised), ("fsq", FSQ)])
def test_the_kinds_have_words(word, part):
    neck = recipes.resolve(f"masking:.2+{word}:16").parts(4).bottleneck
    assert isinstance(neck, part)
    assert neck.levels == 16


@pytest.mark.parametrize(
    "part",
    [
        VectorQuantised(1), VectorQuantised(2**17), VectorQuantised(groups=0), VectorQuantised(groups=CODE + 1),
        VectorQuantised(beta=-1.0), FSQ(1), FSQ([]), FSQ([8, 1]), FSQ([5] * (CODE + 1)),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(part):
    with pytest.raises(BadParameter, match="must be"):
        bound(part)


@pytest.mark.parametrize(("part", "name", "value"), [(FSQ(), "levels", "few"), (VectorQuantised(), "levels", 2.5)])
def test_options_of_another_sort_are_refused(part, name, value):
    setattr(part, name, value)
    with pytest.raises(BadParameter, match=f"{name} must be"):
        bound(part)
