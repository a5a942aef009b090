"""Planes of integers come back exactly, and at about the length that their tables promise."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from latently.codec.contexts import Contexts, magnitudes, neighbours, sites
from latently.codec.planes import PlaneCoder, rounded
from latently.codec.tables import BITS, Tables, laplace, whole
from latently.errors import FileProblem, MissingExtra

pytest.importorskip("constriction")


def values(images=6, rows=9, columns=8, planes=20, seed=0):
    """Laplace coefficients, smaller from plane to plane, whose spread drifts over the image."""
    rng = np.random.default_rng(seed)
    spread = np.exp(rng.normal(size=(images, rows, 1, 1)) + np.linspace(1, -4, planes))
    return rng.laplace(size=(images, rows, columns, planes)).astype(np.float32) * spread.astype(np.float32)


@pytest.fixture(scope="module")
def coder():
    return PlaneCoder.fit([rounded(values(60))])


@pytest.mark.parametrize("grid", [(1, 1, 1), (1, 1, 7), (1, 6, 1), (3, 5, 4), (1, 9, 8)])
def test_symbols_come_back(coder, grid):
    symbols = rounded(values(*grid, seed=1))
    assert_array_equal(coder.decode(coder.encode(symbols), grid), symbols)


def test_symbols_that_no_training_image_had_come_back(coder):
    symbols = rounded(values(seed=2))
    symbols[0, :, :, 19] = 10**6
    symbols[1, 2, 3, 0] = -(2**31) + 1
    symbols[2, :, :, 18] = -1
    grid = symbols.shape[:3]
    assert_array_equal(coder.decode(coder.encode(symbols), grid), symbols)


def test_contexts_save_bits(coder):
    symbols = rounded(values(40, seed=3))
    plain = 0.0
    for k in range(symbols.shape[3]):
        share = np.unique(symbols[..., k], return_counts=True)[1] / symbols[..., k].size
        plain -= symbols[..., k].size * float((share * np.log2(share)).sum())
    assert 8 * len(coder.encode(symbols)) < 0.95 * plain


def test_a_price_on_bits_shortens_and_costs_error(coder):
    exact = values(seed=4)
    cheap, near = coder.chosen(exact, 0.1), rounded(exact)
    assert len(coder.encode(cheap)) < len(coder.encode(near))
    assert np.abs(cheap - exact).max() < 1 + 1e-6
    assert_array_equal(coder.chosen(exact, 0.0), np.where(np.abs(exact % 1 - 0.5) < 1e-6, cheap, np.rint(exact)))


def test_a_coder_is_its_arrays(coder):
    symbols = rounded(values(seed=5))
    again = PlaneCoder.of(coder.arrays())
    assert again.encode(symbols) == coder.encode(symbols)
    assert {a.dtype.kind for a in coder.arrays().values()} == {"i"}


def test_bytes_that_nobody_encoded_are_an_error_or_symbols_but_never_a_crash(coder):
    rng = np.random.default_rng(0)
    for length in (0, 4, 40, 400):
        try:
            found = coder.decode(rng.bytes(length), (1, 4, 4))
        except FileProblem:
            continue
        assert found.shape == (1, 4, 4, 20)
    with pytest.raises(FileProblem, match="words"):
        coder.decode(b"abc", (1, 4, 4))


def test_guesses_are_whole_numbers_and_do_not_look_ahead(coder):
    """The scores of a plane stay the same whatever later planes and, in the first set, the plane itself hold."""
    symbols = rounded(values(1, seed=6))
    grid, seen = symbols.shape[:3], []

    def scores_of(image):
        found = {}

        def visit(k, scores):
            plane = np.ascontiguousarray(image[..., k]).ravel()
            found[k] = [scores.of(half, plane) for half in (0, 1)]
            return plane

        coder.contexts.walk(grid, visit)
        return found

    seen = scores_of(symbols)
    assert all((s == np.rint(s)).all() for pair in seen.values() for s in pair)
    other = symbols.copy()
    other[..., 8:] += 3
    changed = scores_of(other)
    for k in range(9):
        assert_array_equal(seen[k][0], changed[k][0])
        if k < 8:
            assert_array_equal(seen[k][1], changed[k][1])
    second = sites(grid)[1]
    other = symbols.copy().reshape(-1, symbols.shape[3])
    other[second, 8] += 5
    assert_array_equal(seen[8][1], scores_of(other.reshape(symbols.shape))[8][1])


def test_magnitudes_are_whole_and_grow():
    m = magnitudes(np.arange(-300, 301, dtype=np.int32))
    assert (m == np.rint(m)).all()
    assert_array_equal(m, m[::-1])
    assert (np.diff(m[300:]) >= 0).all()
    assert m[301] == 16


def test_neighbours_beyond_the_edge_are_the_opposite_ones():
    m = np.array([[[1.0, 10.0], [100.0, 1000.0]]])
    assert_array_equal(neighbours(m), [[[220.0, 2002.0], [2002.0, 220.0]]])
    assert_array_equal(neighbours(np.ones((1, 1, 1))), [[[0.0]]])


def test_tables_are_whole_and_sum_to_a_power_of_two():
    counts = np.random.default_rng(0).integers(0, 10**6, (7, 64)).astype(float)
    counts[3] = 0
    counts[3, 5] = 1e12
    found = whole(counts)
    assert (found.sum(1) == 1 << BITS).all()
    assert found.min() >= 1
    assert abs(laplace(3.0, 20).sum() - 1) < 1e-12
    assert Tables.of(counts).frequencies.min() >= 1


def test_contexts_of_one_image_without_detail():
    """Nothing to learn from is no error."""
    flat = np.zeros((1, 2, 2, 5), np.int32)
    coder = PlaneCoder.fit([flat])
    assert isinstance(coder.contexts, Contexts)
    assert len(coder.encode(flat)) <= 8
    assert_array_equal(coder.decode(coder.encode(flat), (1, 2, 2)), flat)


def test_without_the_coder_the_extra_is_named(coder, monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(MissingExtra, match=r"latently\[codec\]"):
        coder.encode(np.zeros((1, 2, 2, 20), np.int32))
