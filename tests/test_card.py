"""The way of a card, on one that is pretended: all in one place, nothing waited for, the results of the CPU."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import reference as ref
import torch
from fits import fitted
from pretend import CARD, Card, card

from latently import device, load, recipes, save
from latently.engine.fit import Split, fit
from latently.engine.plan import Plan
from latently.engine.store import Checkpoint
from latently.engine.watch import Watcher
from latently.parts.networks import MLP, Dense, Gemm

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

WAITS = {  # kinds whose step depends on what it finds: they read the card once or a few times a step
    "clustering": "whether centres have begun",
    "dictionary": "which units are on, and which are dead",
}


def frame(n: int = 60) -> pd.DataFrame:
    """Numbers, some of them wide or missing, categories, truths and dates."""
    rng = np.random.default_rng(0)
    found = pd.DataFrame({
        "a": rng.normal(size=n), "b": rng.exponential(size=n) ** 3, "c": rng.choice(list("xyz"), n),
        "d": rng.random(n) < 0.5, "e": pd.date_range("2020", periods=n), "f": rng.choice(list("pq"), n),
    })  # fmt: skip
    found.loc[::7, "a"] = found.loc[::5, "c"] = None
    return found


@pytest.mark.parametrize("kind", ["denoising+variational", "masking:.3+topk", "vector_quantised"])
def test_a_fit_on_a_card_is_that_of_the_cpu(kind, monkeypatch, tmp_path):
    data, options = frame(), {"kind": kind, "epochs": 2, "validation_fraction": 0.2}
    with card(monkeypatch):
        there = fitted(data, device="cuda", **options)
        assert {p.device for p in there.model_.parameters()} == {CARD}
        scores = there.score_samples(data)
        save(there, tmp_path / "model")
    here = fitted(data, device="cpu", **options)
    np.testing.assert_allclose(there.history_.columns["validation"], here.history_.columns["validation"], rtol=1e-3)
    np.testing.assert_allclose(scores, here.score_samples(data), rtol=1e-3, atol=1e-3)
    loaded = load(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(loaded.score_samples(data), scores, rtol=1e-4, atol=1e-5)


def read_in_an_epoch(kind: str, batch: int, reads: list[str]) -> int:
    """What a fit of one epoch reads back, of rows with gaps, weights, and no others to judge by."""
    model = ref.compose(kind, Dense(hidden=(6,)), dtype=torch.float32).to(CARD)
    data, rng = ref.rows("known weight", dtype=torch.float32).to(CARD), torch.Generator().manual_seed(5)
    plan, section = Plan(epochs=1, batch_rows=batch, learning_rate=1e-3), Checkpoint(None, "").section("fit")
    reads.clear()
    fit(model, Split(data), plan, rng, Watcher(), section)
    return len(reads)


@pytest.mark.parametrize("kind", recipes.names())
def test_no_step_waits_for_the_card(kind, monkeypatch):
    """As much is read back in an epoch of twelve steps as in one of two, but for kinds that are known to wait."""
    with card(monkeypatch) as reads:
        few, many = (read_in_an_epoch(kind, batch, reads) for batch in (6, 1))
    assert (many > few > 0) if kind in WAITS else (many == few > 0)


def test_no_step_of_a_mixed_table_waits_for_the_card(monkeypatch):
    with card(monkeypatch) as reads:
        counts = []
        for batch in (30, 3):
            reads.clear()
            fitted(frame(), kind="denoising", batch_size=batch, epochs=1, validation_fraction=None, device="cuda")
            counts.append(len(reads))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(
    ("capability", "precision", "expected"),
    [
        ((9, 0), "auto", device.CARD_LOW_FROM),
        ((8, 0), "auto", device.CARD_LOW_FROM),
        ((7, 5), "auto", None),
        ((9, 0), "float32", None),
        ((7, 5), "bfloat16", device.LOW_FROM),
    ],
)
def test_wide_layers_compute_in_bfloat16_where_a_card_multiplies_it(capability, precision, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    flags = torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision()
    assert Gemm(**device.products(CARD, precision)) == Gemm(low_from=expected)
    assert flags == (torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision())


def test_bfloat16_on_a_card_asks_nothing_of_onednn(monkeypatch):
    net, x, g = MLP((20, 30, 8)).start(ref.generator()), ref.draw(16, 20).float(), ref.draw(16, 8, seed=1).float()

    def walked(net: MLP, x: torch.Tensor, g: torch.Tensor) -> list[torch.Tensor]:
        for p in net.parameters():
            p.grad = torch.zeros_like(p)
        y, tape = net.run(x)
        back = net.back(tape, g)
        assert tape[0][0].dtype == (torch.bfloat16 if net.gemm.low_from == 0 else torch.float32)
        return [t.float().cpu() for t in (y, back, *(p.grad for p in net.parameters()))]

    with torch.no_grad():
        want = walked(net, x, g)
        with card(monkeypatch):
            net.to(CARD).gemm = Gemm(low_from=0, low_rows=1)
            found = walked(net, x.to(CARD), g.to(CARD))
    for a, b in zip(found, want, strict=True):
        assert a.dtype == torch.float32
        assert 0 < float((a - b).norm() / b.norm()) < 0.05


def test_the_pretended_card_refuses_what_a_card_would(monkeypatch):
    with card(monkeypatch) as reads:
        x, y = torch.ones(3, device="cuda"), torch.ones(3)
        assert isinstance(x, Card)
        assert (x.device, (x + 1).device, y.device) == (CARD, CARD, torch.device("cpu"))
        with pytest.raises(RuntimeError, match="expected all tensors on cuda:0"):
            x + y
        with pytest.raises(TypeError, match="numpy"):
            x.numpy()
        assert reads == []
        assert float(x.cpu().sum()) == 3
        assert reads == []
        assert float((x * 2).sum()) == 6
        assert reads == ["__float__"]


def test_without_a_card_the_script_says_so_and_it_can_be_rehearsed(capsys, monkeypatch):
    path = Path(__file__).parents[1] / "bench" / "card.py"
    spec = importlib.util.spec_from_file_location("card_script", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    script.main([])
    assert capsys.readouterr().out.startswith("no CUDA card here")
    monkeypatch.setattr(script, "SHAPES", ((6, 5, 2),))
    script.main(["--device", "cpu", "--quick"])
    table = capsys.readouterr().out.splitlines()[2:]
    assert len(table) == 3
    assert len({line.count("|") for line in table}) == 1
    assert all(float(cell.strip(" %")) > 0 for cell in table[2].split("|")[3:-1])
