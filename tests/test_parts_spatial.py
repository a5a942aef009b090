"""Corruptions that know where a cell lies: one rectangle exactly, neighbours only, and never the pixel itself."""

import numpy as np
import pytest
import reference as ref
import torch
from torch import Tensor

from latently.errors import BadParameter
from latently.model import Composition, Parts
from latently.parts import BlindSpot, Block, Corruption, Dense, Shift
from latently.parts.doors import Door
from latently.parts.likelihoods import SquaredError
from latently.parts.networks import Ends
from latently.recipes import resolve
from latently.recipes.denoising import Denoising
from latently.values import Batch, Sizes

CHANNELS, HEIGHT, WIDTH = 2, 12, 20
SHAPE = (CHANNELS, HEIGHT, WIDTH)
CELLS = CHANNELS * HEIGHT * WIDTH
ROWS = 600
PARTS = {"block": Block(), "fixed block": Block(size=(3, 5)), "blind spot": BlindSpot(0.1), "shift": Shift(0.4)}
each_part = pytest.mark.parametrize("name", PARTS)


def sizes(shape: tuple[int, ...] = SHAPE) -> Sizes:
    return Sizes(int(np.prod(shape)), 2, ROWS, shape=shape)


def make(part: Corruption, shape: tuple[int, ...] = SHAPE) -> Corruption:
    return part.bind(sizes(shape))


def numbered(rows: int = ROWS) -> Tensor:
    """Every cell tells its own place: `1 + pixel + 1000 channel`, exact in float32."""
    pixel = torch.arange(HEIGHT * WIDTH) + 1.0
    return torch.stack([pixel + 1000 * c for c in range(CHANNELS)]).flatten().repeat(rows, 1)


def images(x: Tensor) -> Tensor:
    return x.view(len(x), *SHAPE)


@each_part
def test_chance_comes_from_the_generator_alone(name):
    part, x, before = make(PARTS[name]), numbered(), torch.get_rng_state()
    a, b, c = (part.hide(x, None, ref.generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(a[0], b[0])
    assert not torch.equal(a[0], c[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(x, numbered()), "the clean cells were changed"
    assert torch.equal(part(x, ref.generator(1)), a[0])


@each_part
def test_the_images_of_a_batch_are_drawn_each_for_itself(name):
    made = make(PARTS[name])(numbered(), ref.generator())
    assert len(torch.unique(made, dim=0)) > 0.5 * min(ROWS, 8 * 15)


# ---------------------------------------------------------------- block


def sides(gone: Tensor) -> tuple[int, int]:
    """Height and width of the one rectangle that is hidden; fails where it is none."""
    assert (gone == gone[0]).all(), "a channel is hidden otherwise than another"
    rows, columns = gone[0].any(1), gone[0].any(0)
    for line in (rows, columns):
        at = line.nonzero().flatten()
        assert len(at) == at[-1] - at[0] + 1, "there is a gap"
    assert torch.equal(gone[0], rows[:, None] & columns[None, :]), "it is no rectangle"
    return int(rows.sum()), int(columns.sum())


@pytest.mark.parametrize("level", [0.1, 0.25, 0.6])
def test_a_block_is_exactly_one_rectangle_of_the_level_s_area(level):
    x = numbered()
    after, known = make(Block(level)).hide(x, None, ref.generator())
    assert torch.equal(after == 0, ~known)
    assert torch.equal(after[known], x[known])
    found = [sides(gone) for gone in images(~known)]
    area = np.array([h * w for h, w in found]) / (HEIGHT * WIDTH)
    assert abs(area.mean() - level) < 0.02
    assert (abs(area - level) <= np.array([h for h, _ in found]) / 2 / (HEIGHT * WIDTH) + 1e-9).all(), (
        "by rounding only"
    )
    assert len(set(found)) >= 4, "the proportions do not vary"
    tall = np.array([h for h, _ in found]) / (HEIGHT * level**0.5)
    assert tall.min() > 0.4
    assert tall.max() < 2.2


def test_blocks_lie_everywhere():
    known = make(Block(size=4)).hide(numbered(4000), None, ref.generator())[1]
    gone = images(~known)[:, 0].double().mean(0)
    places = (HEIGHT - 3) * (WIDTH - 3)
    assert abs(gone[0, 0] - 1 / places) < 4.5 * (1 / places / 4000) ** 0.5
    inner = gone[3:-3, 3:-3]
    assert (abs(inner - 16 / places) < 5 * (16 / places / 4000) ** 0.5).all()


@pytest.mark.parametrize(("size", "expected"), [(4, (4, 4)), ((3, 5), (3, 5)), ((HEIGHT, 1), (HEIGHT, 1))])
def test_a_size_fixes_the_sides(size, expected):
    known = make(Block(size=size)).hide(numbered(50), None, ref.generator())[1]
    assert {sides(gone) for gone in images(~known)} == {expected}


def test_a_block_of_a_table_is_a_run_of_columns():
    x = torch.ones(ROWS, 10)
    known = Block(0.3).bind(Sizes(10, 2, ROWS)).hide(x, None, ref.generator())[1]
    assert ((~known).sum(1) == 3).all()
    assert ((~known).int().diff(dim=1, prepend=torch.zeros(ROWS, 1).int()) == 1).sum(1).eq(1).all(), "one run"
    assert len(torch.unique(known, dim=0)) == 8
    assert (~Block(size=2).bind(Sizes(10, 2)).hide(x, None, ref.generator())[1]).sum(1).eq(2).all()


def test_what_was_unknown_stays_unknown():
    known = torch.rand(ROWS, CELLS, generator=ref.generator(3)) < 0.8
    after = make(Block()).hide(numbered(), known.clone(), ref.generator())[1]
    assert torch.equal(after, known & make(Block()).hide(numbered(), None, ref.generator())[1])


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (1, 2, 2), (1, 1, 7), (2, 9, 1)])
@pytest.mark.parametrize("level", [0.01, 0.5, 0.99])
def test_a_block_fits_every_size_and_hides_something(shape, level):
    x = torch.ones(40, int(np.prod(shape)))
    known = make(Block(level), shape).hide(x, None, ref.generator())[1]
    assert (~known).any(1).all()


def test_a_block_has_a_word_and_a_name_among_noises():
    assert resolve("block:.4").parts(2).corruption.options() == {"level": 0.4, "size": "auto"}
    assert isinstance(Denoising(noise="block", level=0.2).parts(2).corruption, Block)


# ---------------------------------------------------------------- blind spot


def moved(part: Corruption, rows: int = ROWS) -> tuple[Tensor, Tensor]:
    """Which pixels changed, `(picked, 2)`, and where the values of each channel came from, `(picked, channels, 2)`."""
    x = numbered(rows)
    after = part.hide(x, None, ref.generator())[0]
    changed = images(after != x)
    assert (changed == changed[:, :1]).all(), "channels of a pixel go together"
    n, i, j = changed[:, 0].nonzero(as_tuple=True)
    value = images(after)[n, :, i, j].long() - 1
    assert torch.equal(value // 1000, torch.arange(CHANNELS).expand(len(value), -1)), "another channel's value"
    pixel = value % 1000
    return torch.stack([i, j], 1), torch.stack([pixel // WIDTH, pixel % WIDTH], 2)


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_a_blind_spot_takes_a_neighbour_never_itself(radius):
    to, source = moved(make(BlindSpot(0.1, radius)))
    away = source - to[:, None]
    assert (away.abs() <= radius).all()
    assert (away != 0).any(2).all()
    assert torch.equal(source[:, 0], source[:, 1]), "a pixel moves as a whole"


@pytest.mark.parametrize("level", [0.02, 0.3])
def test_a_blind_spot_changes_the_share_asked_for(level):
    to, _ = moved(make(BlindSpot(level)))  # every drawn pixel differs from every neighbour, so each change is seen
    count = ROWS * HEIGHT * WIDTH
    assert abs(len(to) / count - level) < 4.5 * (level * (1 - level) / count) ** 0.5


def test_every_neighbour_is_equally_likely_and_corners_have_fewer():
    to, source = moved(make(BlindSpot(0.5, 2)), 4000)
    away = (source[:, 0] - to) + 2
    cases = {"inside": ((to >= 2) & (to < torch.tensor([HEIGHT - 2, WIDTH - 2]))).all(1), "corner": (to == 0).all(1)}
    for name, others in (("inside", 24), ("corner", 8)):
        picked = away[cases[name]]
        count = torch.bincount(picked[:, 0] * 5 + picked[:, 1], minlength=25)
        assert (count > 0).sum() == others
        share = count[count > 0].double() / len(picked)
        assert (abs(share - 1 / others) < 5 * (1 / others / len(picked)) ** 0.5).all()


def test_an_unknown_neighbour_gives_nothing():
    known = torch.ones(ROWS, CELLS, dtype=torch.bool)
    images(known)[:, :, :, 10:] = False
    x = numbered().masked_fill(~known, 0.0)
    after, left = make(BlindSpot(0.3)).hide(x, known, ref.generator())
    assert torch.equal(left, known)
    assert (after[known] != 0).all()
    assert (after != x).any()


def test_with_full_emphasis_only_replaced_pixels_teach():
    pair = Dense(hidden=()).build(Ends(CELLS, 2, 2, CELLS, ROWS, None), ref.generator())
    parts = Parts(corruption=make(BlindSpot(0.05)), emphasis=1.0)
    model = Composition(Door((0,) * CELLS, False), *pair, SquaredError(), parts, 2)
    batch = Batch(numbered(4))
    done = model(batch, ref.generator())
    hit = done.seen.x != batch.x
    each = (done.params - batch.x).square()
    got = model.costs(done)["reconstruction"].value
    ref.near(got / 1e6, 2 * (each * hit).sum(1) / 1e6, 1e-4)
    assert 0.01 < hit.double().mean() < 0.12


def test_a_blind_spot_on_a_table_is_refused_and_swap_is_named():
    with pytest.raises(BadParameter, match="Swap"):
        BlindSpot().bind(Sizes(10, 2))


@pytest.mark.parametrize(
    "part",
    [
        Block(0.0), Block(1.0), Block(size=0), Block(size=(3,)), Block(size=13), Block(size=(2, 21)),
        BlindSpot(0.0), BlindSpot(1.0), BlindSpot(radius=0),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(part):
    with pytest.raises(BadParameter, match="must be"):
        make(part)


@pytest.mark.parametrize(("part", "name", "value"), [(Block(), "size", "big"), (BlindSpot(), "radius", 1.5)])
def test_options_of_another_sort_are_refused(part, name, value):
    setattr(part, name, value)
    with pytest.raises(BadParameter, match=f"{name} must be"):
        make(part)


# ---------------------------------------------------------------- shifted images


def test_a_shifted_image_is_one_of_those_a_share_of_its_sides_away_with_its_edges_repeated():
    clean, moved = images(numbered())[0], images(make(Shift(0.2))(numbered(), ref.generator()))
    padded = np.pad(clean.numpy(), ((0, 0), (2, 2), (4, 4)), mode="edge")
    allowed = {padded[:, i : i + HEIGHT, j : j + WIDTH].tobytes() for i in range(5) for j in range(9)}
    assert {image.numpy().tobytes() for image in moved} == allowed


def test_what_is_known_of_an_image_moves_with_it():
    known = torch.rand(ROWS, CELLS, generator=ref.generator(1)) < 0.7
    x = numbered() * known
    moved, still = make(Shift()).hide(x, known, ref.generator())
    assert torch.equal(moved != 0, still)
    assert not torch.equal(still, known)


@pytest.mark.parametrize("shape", [(1, 8, 8), (6,), (2, 30)])
def test_small_images_and_what_is_no_image_stay_where_they_are(shape):
    x = torch.rand(20, int(np.prod(shape)), generator=ref.generator())
    assert torch.equal(make(Shift(), shape)(x, ref.generator(1)), x)
