"""Codes of series: which shapes occur, wherever; numbers of like size; and the way back to a series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import Autoencoder, Series, load, save
from latently.parts.networks import Dense, Ends, Temporal
from latently.parts.networks.shapes import Shaped

SMALL = Temporal((4, 8), hidden=8, shapes=True)


def bursts(n: int = 90, steps: int = 96, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a burst of one of two shapes, a wave or a saw, anywhere."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % 2
    place = np.arange(20)
    shapes = [np.sin(place / 20 * 4 * np.pi), place % 5 - 2.0]
    items = 0.1 * rng.normal(size=(n, steps, 1))
    for item, kind in zip(items, kinds, strict=True):
        first = rng.integers(0, steps - 20)
        item[first : first + 20, 0] += shapes[kind]
    return items, kinds


def worth(codes: np.ndarray, kinds: np.ndarray) -> float:
    """Accuracy of a linear probe on folds."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(cross_val_score(probe, codes, kinds, cv=3).mean())


def model(**options: object) -> Autoencoder:
    """A small fit."""
    given = {"data": Series(), "network": SMALL, "epochs": 3, "validation_fraction": None, "random_state": 0}
    return Autoencoder(16, **(given | options))


def test_codes_tell_shapes_wherever_they_lie() -> None:
    items, kinds = bursts()
    codes = model().fit_transform(items)
    rows = items.reshape(len(items), -1)
    assert worth(codes, kinds) > 0.9 > worth(rows, kinds) + 0.1
    assert worth(codes, kinds) > worth(PCA(16, random_state=0).fit_transform(rows), kinds) + 0.2


def test_a_code_leads_back_to_what_is_reconstructed() -> None:
    items, _ = bursts(40)
    fitted = model().fit(items)
    again = fitted.inverse_transform(fitted.transform(items))
    assert_allclose(again, fitted.reconstruct(items), atol=1e-4)
    assert ((again - items) ** 2).mean() < ((items - items.mean(0)) ** 2).mean()


def test_between_two_codes_lies_a_series_like_others() -> None:
    items, _ = bursts(40)
    fitted = model().fit(items)
    codes = fitted.transform(items)
    between = fitted.inverse_transform((codes[:20] + codes[20:]) / 2)
    assert between.std() < 2 * items.std()


def test_numbers_of_codes_are_of_like_size_and_small_codes_keep_their_axes() -> None:
    items, _ = bursts(60)
    for network in (SMALL, Dense((8,))):
        spread = model(network=network).fit_transform(items).std(0)
        assert spread.max() < 4 * spread.min()
    few = Autoencoder(4, data=Series(), network=SMALL, epochs=2, random_state=0).fit_transform(items)
    assert (np.diff(few.std(0)) < 0).all()


def test_what_is_told_of_shapes_moves_little_as_a_wave_moves() -> None:
    rng = torch.Generator().manual_seed(0)
    encoder, _ = SMALL.build(Ends(128, 16, 16, 128, shape=(1, 128), free=True), rng)
    assert isinstance(encoder, Shaped)
    place, turns = torch.arange(128.0) * torch.pi / 64, torch.randint(4, 17, (64, 1), generator=rng)
    waves, moved = (torch.sin(place * turns + 6 * torch.rand(64, 1, generator=rng)) for _ in range(2))
    encoder.settle(waves)
    told, again = encoder.told(waves), encoder.told(moved)
    assert (told - again).square().mean() < 0.15 * told.var(0).mean()
    assert (waves - moved).square().mean() > waves.var(0).mean()


def test_what_lies_behind_the_end_counts_for_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    encoder, _ = SMALL.build(Ends(256, 16, 16, 128, shape=(1, 128), free=True), rng)
    assert isinstance(encoder, Shaped)
    x = torch.randn(8, 128, generator=rng)
    known = torch.ones_like(x)
    known[:, 64:] = 0
    encoder.settle(torch.cat([x, torch.ones_like(x)], 1))
    other = torch.cat([x[:, :100], 5 + x[:, 100:]], 1)  # further behind than the widest filter reaches but in part
    near, far = (encoder._shares(torch.cat([v, known], 1))[:, : 32 * 2] for v in (x, other))
    assert_array_equal(near.numpy(), far.numpy())


def test_gaps_ragged_items_files_and_other_kinds_are_taken(tmp_path: Path) -> None:
    items = [item[: 70 + i % 27].copy() for i, item in enumerate(bursts(40)[0])]
    items[3][10:20] = np.nan
    items[5][:] = np.nan
    fitted = model().fit(items)
    codes = fitted.transform(items)
    save(fitted, tmp_path / "fitted.safetensors")
    assert_array_equal(load(tmp_path / "fitted.safetensors").transform(items), codes)
    assert codes.shape == (40, 16)
    assert np.isfinite(codes).all()
    assert_allclose(fitted.transform(items[:7]), codes[:7], atol=0)
    assert isinstance(fitted.encoder_, Shaped)
    assert not isinstance(model(kind="sparse").fit(items).encoder_, Shaped)
    assert np.isfinite(model(kind="contractive").fit(items).transform(items)).all()
    assert fitted.jacobian(items[:2]).shape[:2] == (2, 16)
