"""On a CUDA card: the fit and the scores of the CPU within rounding, the same bytes for the same seed."""

import math

import numpy as np
import pytest
import reference as ref
import torch
from fits import fitted, gaps, rows

from latently import Autoencoder, device, load, save
from latently.parts import Dense
from latently.parts.networks import Gemm

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card"),
    pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm"),
]

KINDS = ["undercomplete", "sparse", "contractive", "vector_quantised", "topk", "denoising+variational"]


def whole(place: str, **options: object) -> Autoencoder:
    """Steps of all rows at once, whose order does not matter then: what is drawn differs from place to place."""
    given = {"batch_size": 80, "epochs": 20, "validation_fraction": None, "precision": "float32", **options}
    return fitted(gaps(rows()), device=place, **given)


def wide(place: str = "cuda", **options: object) -> Autoencoder:
    """Layers wide enough for bfloat16."""
    x = np.random.default_rng(0).normal(size=(2048, 1024)).astype(np.float32)
    given = {"batch_size": 256, "epochs": 3, "validation_fraction": None, **options}
    return fitted(x, k=16, network=Dense(hidden=(1024,), line=False), device=place, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_cpu(kind):
    """Of one step, for kinds that draw nothing; of the others that they are finite."""
    found = []
    for place in ("cpu", "cuda"):
        model = ref.compose(kind, Dense(hidden=(6,)), dtype=torch.float32).to(place)
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        batch = ref.rows("known weight", dtype=torch.float32).to(torch.device(place))
        model.gradients(batch, torch.Generator(place).manual_seed(0), 1.0)
        found.append(torch.cat([p.grad.flatten().cpu() for p in model.parameters()]))
    assert bool(found[1].isfinite().all())
    if "+" not in kind and kind != "contractive":
        torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


def test_a_fit_is_that_of_the_cpu_and_so_are_its_scores(tmp_path):
    here, there = whole("cpu"), whole("cuda")
    assert {p.device.type for p in there.model_.parameters()} == {"cuda"}
    x = gaps(rows())
    np.testing.assert_allclose(there.score_samples(x), here.score_samples(x), rtol=0.02, atol=1e-3)
    save(there, tmp_path / "model")
    moved = load(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(moved.score_samples(x), there.score_samples(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moved.transform(x), there.transform(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["denoising+variational", "topk"])
def test_the_same_seed_gives_the_same_bytes(kind, tmp_path):
    for name in "ab":
        save(fitted(rows(), kind=kind, device="cuda"), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_score_does_not_depend_on_the_rows_beside_it():
    model, x = fitted(device="cuda"), rows()
    np.testing.assert_array_equal(model.score_samples(x)[17:20], model.score_samples(x[17:20]))


def test_precision_auto_learns_as_well_and_leaves_the_settings_of_the_process():
    flags = torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision()
    full, auto = wide(precision="float32"), wide(precision="auto")
    losses = [m.history_.columns["reconstruction"][-1] for m in (full, auto)]
    assert math.isclose(*losses, rel_tol=0.01)
    assert {p.dtype for p in auto.model_.parameters()} == {torch.float32}
    able = torch.cuda.get_device_capability()[0] >= 8
    expected = Gemm(low_from=device.CARD_LOW_FROM) if able else Gemm()
    assert auto.model_.encoder.gemm == expected
    assert flags == (torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision())


def test_a_resumed_fit_ends_with_the_same_bytes(tmp_path):
    options = {"kind": "denoising", "device": "cuda", "epochs": 6}
    save(fitted(**options), tmp_path / "whole")
    again = fitted(**options, checkpoint=tmp_path / "state")
    save(again, tmp_path / "first")
    save(fitted(**options, checkpoint=tmp_path / "state"), tmp_path / "second")
    first, second = (tmp_path / name for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    np.testing.assert_array_equal(again.transform(rows()), load(tmp_path / "whole").transform(rows()))


def test_a_batch_too_large_for_the_card_halves_itself():
    """16,384 rows of layers of 16,384: some 4 GiB of activations, where 1.5 have room."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    x = np.random.default_rng(0).normal(size=(16_384, 64)).astype(np.float32)
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved() + 1.5 * 2**30) / total))
    try:
        model = fitted(
            x, k=8, network=Dense(hidden=(16_384,), line=False), device="cuda", batch_size=16_384, epochs=2,
            validation_fraction=None, precision="float32",
        )  # fmt: skip
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert model.history_.batch_rows in (8192, 4096, 2048)
    assert "short of memory" in [a.name for a in model.alarms_]
    assert np.isfinite(model.score_samples(x)).all()
