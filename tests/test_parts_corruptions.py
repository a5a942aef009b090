"""Corruptions: how much they touch, with what, and that chance comes from the generator alone."""

import itertools

import pytest
import reference as ref
import torch
from torch import Tensor

from latently.errors import BadParameter
from latently.model import Composition, Parts
from latently.parts import Block, Chain, Corruption, Dense, Gaussian, Masking, Remasking, SaltAndPepper, Swap, Uniform
from latently.parts.doors import Door
from latently.parts.likelihoods import SquaredError
from latently.parts.networks import Ends
from latently.values import Batch, Sizes

ROWS, CELLS = 4000, 5
SHARES = {"masking": Masking, "salt_and_pepper": SaltAndPepper, "swap": Swap}
CORRUPTIONS = {
    "gaussian": Gaussian(0.4),
    "uniform": Uniform(0.6),
    **{name: kind(0.25) for name, kind in SHARES.items()},
    "remasking": Remasking(0.1, 0.7),
    "block": Block(0.4),
    "chain": Chain([Swap(0.2), Masking(0.3)]),
}
each_corruption = pytest.mark.parametrize("name", CORRUPTIONS)


def cells() -> Tensor:
    return ref.draw(ROWS, CELLS) * torch.tensor([1, 2, 3, 4, 5.0]) + 10


def make(part: Corruption) -> Corruption:
    x = cells()
    return part.bind(Sizes(CELLS, 2, ROWS, x.amin(0), x.amax(0)))


def some_known() -> Tensor:
    return torch.rand(ROWS, CELLS, generator=ref.generator(3)) < 0.8


@each_corruption
def test_the_same_generator_state_gives_the_same_draw(name):
    part, x = make(CORRUPTIONS[name]), cells()
    a, b, c = (part.hide(x, None, ref.generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(a[0], b[0])
    assert not torch.equal(a[0], c[0])


@each_corruption
def test_the_global_generator_and_the_clean_cells_are_left_alone(name):
    part, x, before = make(CORRUPTIONS[name]), cells(), torch.get_rng_state()
    part.hide(x, None, ref.generator())
    part(x, ref.generator())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(x, cells())


@each_corruption
def test_what_was_unknown_stays_unknown(name):
    known = some_known()
    after = make(CORRUPTIONS[name]).hide(cells(), known.clone(), ref.generator())[1]
    assert not (after & ~known).any()
    assert (~after & known).any() == (name in ("masking", "remasking", "block", "chain"))


@pytest.mark.parametrize("level", [0.1, 0.3, 0.8])
@pytest.mark.parametrize("kind", SHARES.values())
def test_the_share_of_touched_cells_is_the_level(kind, level):
    x = cells()
    touched = make(kind(level)).hide(x, None, ref.generator())[0] != x
    error = 4.5 * (level * (1 - level) / ROWS) ** 0.5
    assert (touched.double().mean(0) - level).abs().max() < error + 1 / ROWS  # a swap may draw its own row


@pytest.mark.parametrize("part", [Masking(0.3), Remasking()])
@pytest.mark.parametrize("given", [False, True])
def test_masking_puts_to_zero_and_says_which(given, part):
    x, known = cells(), some_known() if given else None
    after, left = make(part).hide(x, known, ref.generator())
    gone = after == 0
    assert torch.equal(left, ~gone & known if given else ~gone)
    assert torch.equal(after[~gone], x[~gone])


def test_remasking_draws_the_share_of_each_row_evenly():
    x = torch.ones(ROWS, 400)
    shares = 1 - make(Remasking(0.2, 0.8)).hide(x, None, ref.generator())[0].mean(1)
    assert ((shares > 0.1) & (shares < 0.9)).all()
    ref.near(shares.mean(), torch.tensor(0.5), 0.02)
    ref.near(shares.std(), torch.tensor(0.6 / 12**0.5), 0.02)


def test_remasking_hides_whole_pixels_of_images():
    shape = (3, 8, 10)
    part = Remasking(0.4, 0.6).bind(Sizes(240, 2, ROWS, shape=shape))
    known = part.hide(torch.ones(ROWS, 240), None, ref.generator())[1].view(ROWS, *shape)
    assert torch.equal(known.any(1), known.all(1))
    assert abs(known.double().mean() - 0.5) < 0.02
    grey = Remasking(0.4, 0.6).bind(Sizes(240, 2, ROWS, shape=(1, 24, 10)))
    table = Remasking(0.4, 0.6).bind(Sizes(240, 2, ROWS))
    x = torch.ones(ROWS, 240)
    assert torch.equal(grey(x, ref.generator(1)), table(x, ref.generator(1)))


def test_remasking_everything_and_the_same_share_of_each_row_are_allowed():
    assert not make(Remasking(1.0, 1.0)).hide(cells(), None, ref.generator())[1].any()
    gone = make(Remasking(0.3, 0.3))(cells(), ref.generator()) == 0
    assert abs(gone.double().mean() - 0.3) < 0.02


def test_salt_and_pepper_takes_the_limits_of_the_column_evenly():
    x = cells()
    after = make(SaltAndPepper(0.4)).hide(x, None, ref.generator())[0]
    touched = after != x
    low, high = ((after == limit) & touched for limit in (x.amin(0), x.amax(0)))
    assert torch.equal(low | high, touched)
    assert abs(low.sum() / touched.sum() - 0.5) < 4.5 * 0.5 / touched.sum() ** 0.5


def test_a_swap_takes_values_of_the_same_column():
    x = cells()
    after = make(Swap(0.5)).hide(x, None, ref.generator())[0]
    for column, mixed in zip(x.t(), after.t(), strict=True):
        assert torch.isin(mixed, column).all()
        ref.near(mixed.mean() / column.std(), column.mean() / column.std(), 0.1)
        assert abs(mixed.std() / column.std() - 1) < 0.1


def test_swapped_cells_are_drawn_each_for_itself():
    x = torch.arange(ROWS).double().unsqueeze(1).repeat(1, 2)
    after = make(Swap(0.9)).hide(x, None, ref.generator())[0]
    both = (after != x).all(1)
    assert (after[both][:, 0] == after[both][:, 1]).double().mean() < 0.01


def test_gaussian_noise_has_its_standard_deviation():
    noise = make(Gaussian(0.4))(cells(), ref.generator()) - cells()
    assert noise.mean().abs() < 4.5 * 0.4 / noise.numel() ** 0.5
    assert abs(noise.std() / 0.4 - 1) < 4.5 / (2 * noise.numel()) ** 0.5
    assert 0.03 < (noise.abs() > 2 * 0.4).double().mean() < 0.06


def test_uniform_noise_fills_its_width():
    noise = make(Uniform(0.6))(cells(), ref.generator()) - cells()
    assert noise.abs().max() <= 0.6 + 1e-12
    assert noise.abs().max() > 0.599
    assert noise.mean().abs() < 4.5 * 0.6 / (3 * noise.numel()) ** 0.5
    assert abs(noise.std() / (0.6 / 3**0.5) - 1) < 0.02


def test_a_chain_is_its_steps_one_after_the_other():
    x, rng = cells(), ref.generator(7)
    want, known = make(Masking(0.3)).hide(*make(Swap(0.2)).hide(x, None, rng), rng)
    got = make(CORRUPTIONS["chain"]).hide(x, None, ref.generator(7))
    assert torch.equal(got[0], want)
    assert torch.equal(got[1], known)


def test_binding_a_chain_leaves_the_steps_given_alone():
    step = SaltAndPepper(0.2)
    make(Chain([step]))
    assert not dict(step.named_buffers())


def composition(name: str) -> Composition:
    pair = Dense(hidden=()).build(Ends(CELLS, 2, 2, CELLS, ROWS), ref.generator())
    parts = Parts(corruption=make(CORRUPTIONS[name]))
    return Composition(Door((0,) * CELLS, False), *pair, SquaredError(), parts, 2).double()


@each_corruption
def test_unknown_cells_stay_filler_for_the_encoder(name):
    known = some_known()
    batch = Batch(cells().masked_fill(~known, 0.0), known)
    seen = composition(name).see(batch, ref.generator())
    assert (seen.x[~known] == 0).all()
    assert not (seen.known & ~known).any()
    assert not torch.equal(seen.x, batch.x)


@each_corruption
def test_without_a_generator_nothing_is_corrupted_and_with_one_a_supplied_input_is(name):
    model, x = composition(name), cells()
    assert model.see(Batch(x), None).x is x
    assert torch.equal(model.see(Batch(x, given=x + 1), None).x, x + 1)
    seen = model.see(Batch(x, given=x + 1), ref.generator()).x
    assert torch.equal(seen, model.see(Batch(x + 1), ref.generator()).x)


@pytest.mark.parametrize(
    "part",
    [*(kind(level) for kind, level in itertools.product(SHARES.values(), (0.0, 1.0))),
     *(Remasking(low, high) for low, high in ((0.5, 0.4), (-0.1, 0.9), (0.0, 0.0), (0.5, 1.1))),
     Gaussian(0.0), Uniform(-1.0), Chain([Swap(0.2), Masking(1.0)])],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(part):
    with pytest.raises(BadParameter, match="must be"):
        make(part)
