"""The convolutional network: images of any size, a start at PCA, gradients, precision, coordinates of its code."""

import numpy as np
import pytest
import reference as ref
import torch
from torch import Tensor, nn

from latently import Autoencoder, recipes
from latently.engine.align import align
from latently.engine.linear import principal, start_linear
from latently.errors import BadParameter
from latently.model import Composition, Parts
from latently.parts import Bottleneck, Identity, KLSparse
from latently.parts.doors import Door
from latently.parts.likelihoods import SquaredError
from latently.parts.networks import Conv, Ends, Gemm, Network
from latently.values import Batch, Sizes

SHAPES = [(1, 1, 1), (1, 3, 5), (1, 8, 8), (3, 9, 17), (1, 28, 28), (2, 40, 6), (1, 1, 50)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))


def ends_of(shape: tuple[int, ...], code: int = 2, masked: bool = False, numbers: int = 1) -> Ends:
    cells = int(np.prod(shape))
    return Ends(cells * (1 + masked), code, code, numbers * cells, 100, None, shape)


def built(spec: Conv, ends: Ends, dtype: torch.dtype = torch.float32) -> tuple[Network, Network]:
    encoder, decoder = spec.build(ends, ref.generator(1))
    return encoder.to(dtype), decoder.to(dtype)


def shaken(network: Network) -> Network:
    """The same with every weight off its start, so that nothing is zero."""
    rng = ref.generator(5)
    for p in network.parameters():
        nn.init.normal_(p, 0, 0.2, generator=rng)
    return network


def pictures(rows: int = 60, shape: tuple[int, ...] = (1, 12, 10)) -> Batch:
    """Blobs at chance places."""
    rng = np.random.default_rng(0)
    channels, height, width = shape
    y, x = np.mgrid[:height, :width]
    cy, cx, size = (rng.uniform(a, b, (rows, channels, 1, 1)) for a, b in ((0, height), (0, width), (2, 4)))
    image = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / size**2)
    return Batch(torch.from_numpy((image.reshape(rows, -1) * 2 - 0.5).astype(np.float32)))


def model_of(spec: Conv, shape: tuple[int, ...], code: int, bottleneck: Bottleneck | None = None) -> Composition:
    cells = int(np.prod(shape))
    sizes = Sizes(cells, code, 60, shape=shape)
    parts = Parts(bottleneck=bottleneck or Identity()).bind(sizes)
    ends = Ends(cells, code, code, cells, 60, parts.bottleneck.activation, shape)
    encoder, decoder = spec.build(ends, ref.generator(1))
    return Composition(Door((0,) * cells, False), encoder, decoder, SquaredError().bind(sizes), parts, code)


@each_shape
@pytest.mark.parametrize("masked", [False, True])
def test_images_of_any_size_go_in_and_come_out(shape, masked):
    ends = ends_of(shape, 3, masked, numbers=2)
    encoder, decoder = (shaken(n) for n in built(Conv(), ends))
    x = ref.draw(4, ends.inputs, dtype=torch.float32, seed=1)
    z = encoder(x)
    assert z.shape == (4, 3)
    assert decoder(z).shape == (4, ends.outputs)
    assert not torch.allclose(z[0], z[1])


@each_shape
def test_every_cell_is_read_and_every_cell_is_written(shape):
    encoder, decoder = (shaken(n) for n in built(Conv(activation="tanh", line=False), ends_of(shape), torch.float64))
    x = ref.draw(1, encoder.inputs, seed=1).requires_grad_()
    assert (torch.autograd.grad(encoder(x).sum(), x)[0] != 0).all()
    z = torch.zeros(1, 2, dtype=torch.float64)
    assert ((decoder(z + 1) - decoder(z)) != 0).all()


def test_the_mask_of_a_pixel_is_seen_where_the_pixel_is():
    ends = ends_of((1, 12, 10), masked=True)
    encoder, _ = built(Conv(line=False), ends)
    grid = encoder.grid
    pixel, known = torch.zeros(1, 240), torch.zeros(1, 240)
    pixel[0, 37], known[0, 120 + 37] = 1, 1
    at = [grid.fold(t).sum(1).nonzero().tolist() for t in (pixel, known)]
    assert at[0] == at[1]
    assert len(at[0]) == 1


def test_numbers_of_one_cell_stand_side_by_side_and_neighbours_are_near():
    """Folded and unfolded again, an image is itself; of two numbers a cell the second is the next column."""
    _, decoder = built(Conv(), ends_of((2, 9, 7)))
    grid = decoder.deep.grid
    image = ref.draw(4, 2 * 9 * 7, seed=3)
    assert torch.equal(grid.unfold(grid.fold(image)), image)
    channels = grid.fold(image)
    twice = torch.stack([channels.unflatten(1, (2, -1)), -channels.unflatten(1, (2, -1))], 2).flatten(1, 3)
    assert torch.equal(grid.unfold(twice), torch.stack([image, -image], -1).flatten(1))


@pytest.mark.parametrize("spec", [Conv(), Conv((4, 6), blocks=2, activation="relu"), Conv(5, hidden=0)], ids=repr)
def test_the_hand_and_autograd_agree(spec):
    for network in built(spec, ends_of((2, 13, 11), 3), torch.float64):
        shaken(network)
        params = list(network.parameters())
        x, g = ref.draw(4, network.inputs, seed=1), ref.draw(4, network.outputs, seed=2)
        leaf = x.clone().requires_grad_()
        want = torch.autograd.grad(network.plain(leaf), [leaf, *params], g)
        with torch.no_grad():
            y, tape = network.run(x)
            down = network.back(tape, g.clone())
        for a, b in zip([down, *(p.grad for p in params)], want, strict=True):
            assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
        assert torch.allclose(y, network.plain(x))


def test_the_encoder_leaves_the_gradient_at_its_input_out_when_told():
    encoder, _ = (shaken(n) for n in built(Conv(), ends_of((1, 12, 10))))
    x = ref.draw(4, encoder.inputs, dtype=torch.float32, seed=1)
    grads = []
    for to_input in (True, False):
        encoder.zero_grad(set_to_none=True)
        with torch.no_grad():
            y, tape = encoder.run(x)
            assert (encoder.back(tape, torch.ones_like(y), to_input) is None) is not to_input
        grads.append([p.grad for p in encoder.parameters()])
    for a, b in zip(*grads, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_low_precision_trains_near_full_precision_and_predicts_at_full():
    ends = ends_of((1, 28, 28), 4)
    for network in built(Conv(), ends):
        x, g = (ref.draw(64, n, seed=s, dtype=torch.float32) for s, n in ((1, network.inputs), (2, network.outputs)))
        for p in network.parameters():
            p.data += 0.02 * torch.empty_like(p).normal_(generator=ref.generator(3))
        found: list[tuple[Tensor, ...]] = []
        for gemm in (Gemm(), Gemm(low_from=1)):
            for module in network.modules():
                if isinstance(module, Network):
                    module.gemm = gemm
            network.zero_grad(set_to_none=True)
            with torch.no_grad():
                y, tape = network.run(x)
                y = y.clone()
                network.back(tape, g.clone())
            assert y.dtype == network.plain(x).dtype == torch.float32
            assert all(p.dtype == p.grad.dtype == torch.float32 for p in network.parameters())
            found.append((y, *(p.grad.clone() for p in network.parameters())))
        for full, low in zip(*found, strict=True):
            assert 0 < float((full - low).norm() / full.norm()) < 0.1


def test_training_starts_at_pca():
    rows, shape = pictures(), (1, 12, 10)
    model = model_of(Conv(), shape, 5)
    assert start_linear(model, rows, ref.generator(0))
    found = model.decode(model.encode(rows))
    want = principal(rows, 5, ref.generator(0)).reconstruct(rows.x)
    assert torch.allclose(found, want, atol=1e-4)


def test_new_coordinates_keep_the_function_and_are_orthogonal():
    rows, shape = pictures(), (1, 12, 10)
    model = model_of(Conv(), shape, 5)
    start_linear(model, rows, ref.generator(0))
    with torch.no_grad():
        for p in model.parameters():
            p += 0.01 * torch.empty_like(p).normal_(generator=ref.generator(2))
        before, old = model.decode(model.encode(rows)), model.encode(rows)
        assert align(model, rows)
        after, codes = model.decode(model.encode(rows)), model.encode(rows)
    assert torch.allclose(before, after, atol=1e-3)
    assert not torch.allclose(old, codes, atol=1e-2)
    spread = torch.cov(codes.t())
    assert torch.allclose(spread, spread.diag().diag(), atol=1e-3 * float(spread.max()))
    assert (spread.diag().diff() <= 0).all()


def test_many_rows_are_predicted_as_few_are():
    encoder, decoder = (shaken(n) for n in built(Conv(), ends_of((1, 28, 28), 3)))
    x = ref.draw(700, 784, dtype=torch.float32, seed=1)
    with torch.no_grad():
        z = encoder(x)
        assert torch.equal(z[256:512], encoder(x[256:512]))
        assert torch.allclose(z, torch.cat([encoder(x[:1]), encoder(x[1:])]), rtol=1e-5, atol=1e-4)
        assert decoder(z).shape == (700, 784)


def test_a_code_that_must_not_be_linear_is_not_and_has_no_line():
    model = model_of(Conv(), (1, 12, 10), 6, KLSparse(0.05, 1.0))
    z = model.encode(pictures())
    assert ((z > 0) & (z < 1)).all()
    assert model.encoder.linear() is None
    assert model_of(Conv(), (1, 12, 10), 200).encoder.linear() is None  # overcomplete: PCA would copy


@pytest.mark.parametrize("spec", [Conv(), Conv((8, 16), blocks=2), Conv(4, line=False), Conv(blocks=0)], ids=repr)
def test_parameters_are_counted_before_they_are_made(spec):
    ends = ends_of((1, 28, 20), 4, masked=True)
    made = sum(p.numel() for n in built(spec, ends) for p in n.parameters())
    assert spec.count(ends) == made
    assert spec.work(ends) > made


def test_the_layers_are_told():
    encoder, decoder = built(Conv(), ends_of((1, 28, 28), 4))
    assert encoder.stack()[:2] == ["1x28x28 -> 32x7x7", "32x7x7 -> 256"]
    assert decoder.stack()[:2] == ["4 -> 256", "256 -> 32x7x7"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"channels": 0}, "channels"), ({"channels": (8, -1)}, "channels"), ({"channels": "wide"}, "channels"),
        ({"channels": ()}, "channels"), ({"blocks": -1}, "blocks"), ({"activation": "step"}, "activation"),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(options, word):
    with pytest.raises(BadParameter, match=word):
        Conv().set_params(**options).build(ends_of((1, 12, 10)), ref.generator(0))


def test_columns_are_no_image():
    with pytest.raises(BadParameter, match="Dense"):
        Conv().build(Ends(9, 2, 2, 9), ref.generator(0))


def test_building_leaves_global_chance_alone():
    before = torch.get_rng_state()
    Conv().build(ends_of((1, 12, 10)), ref.generator(0))
    assert torch.equal(torch.get_rng_state(), before)


def shots(rows: int = 40) -> np.ndarray:
    """Blobs as bytes, 9 by 7 pixels."""
    found = pictures(rows, (1, 9, 7)).x.numpy().reshape(rows, 9, 7)
    return np.rint((found + 0.5) * 100).astype(np.uint8)


OWN = ("dictionary",)  # kinds that bring a network of their own


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
@pytest.mark.parametrize("code", [3, 90])
@pytest.mark.parametrize("kind", [*(k for k in recipes.names() if k not in OWN), "sparse+contractive", "swap+kl"])
def test_every_kind_learns_images_narrow_and_wide(kind, code):
    x = shots()
    model = Autoencoder(code, kind=kind, epochs=2, validation_fraction=None, random_state=0).fit(x)
    assert isinstance(model.network_, Conv)
    assert model.transform(x).shape == (40, code)
    again = model.reconstruct(x)
    assert again.shape == x.shape
    assert again.dtype == x.dtype
    assert np.isfinite(model.score_samples(x)).all()


def test_images_with_holes_are_learned_and_the_holes_leave_the_error():
    x = shots().astype(np.float32)
    x[:, :3, :3] = np.nan
    model = Autoencoder(3, epochs=3, validation_fraction=None, random_state=0).fit(x)
    assert model.model_.encoder.inputs == 2 * 63
    assert np.isfinite(model.transform(x)).all()
    moved = x.copy()
    moved[:, :3, :3] = np.nan
    assert np.array_equal(model.transform(moved), model.transform(x))


def test_a_row_has_the_code_that_it_has_alone():
    x = shots(200)
    model = Autoencoder(3, epochs=2, validation_fraction=None, random_state=0).fit(x)
    np.testing.assert_allclose(model.transform(x)[150], model.transform(x[150:151])[0], rtol=1e-5, atol=1e-6)


def test_filters_beat_pca_on_images_that_move(digits):
    """Held-out digits of eight by eight, each put at one of nine places: what filters are for."""
    rng = np.random.default_rng(0)
    x = np.zeros((900, 10, 10), np.uint8)
    for i, image in enumerate(digits[:900].reshape(-1, 8, 8).astype(np.uint8)):
        dy, dx = rng.integers(3, size=2)
        x[i, dy : dy + 8, dx : dx + 8] = image
    model = Autoencoder(12, epochs=15, validation_fraction=0.2, random_state=0).fit(x)
    assert model.held_out_.model < 0.85 * model.held_out_.pca


def test_the_pace_follows_from_sizes_and_is_the_default_of_a_fit():
    small, large = (Conv().plan(Ends(784, 32, 32, 784, n, None, (1, 28, 28))) for n in (1000, 60_000))
    assert "batch_rows" not in small
    assert large["batch_rows"] == 128
    assert 3000 == small["steps"] < large["steps"]
    huge = Conv().plan(Ends(3 * 96**2, 32, 32, 3 * 96**2, 60_000, None, (3, 96, 96)))
    assert huge["steps"] < large["steps"]
