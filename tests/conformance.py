"""Every kind and every task that the registries hold, on every modality, and one kind defined here by an outsider."""

from dataclasses import dataclass, fields

import numpy as np
import pytest
from sklearn.datasets import load_digits

from latently import recipes
from latently.modalities import Audio, Modality, Pieces, Series
from latently.model import Parts
from latently.parts import L1, Chain, Conv, Dense, Gaussian, Masking, Spectral
from latently.parts.likelihoods import Autoregressive
from latently.parts.networks import Reader
from latently.recipes import Recipe
from latently.tasks import tasks
from latently.testing import JOB_CHECKS, KIND_CHECKS, TABLE, TASK_CHECKS, Sample, check_kind, check_task


@dataclass
class Outsider(Recipe):
    """A sparse code of doubly corrupted rows: nobody registered it."""

    sigma: float = 0.1
    alpha: float = 0.01

    def parts(self, n_components: int) -> Parts:
        """Two corruptions and a price."""
        return Parts(bottleneck=L1(self.alpha), corruption=Chain([Gaussian(self.sigma), Masking(0.1)]))


def images(n: int = 120) -> Sample:
    """Handwritten digits; with holes as floats, one of them without a pixel."""
    digits = (load_digits().images[:n] * 15).astype(np.uint8)
    holed = digits.astype(np.float32)
    holed[::3, 2:5, 3] = np.nan
    holed[5] = np.nan
    return Sample(digits, holed, network=Conv(channels=8, hidden=32))


def series(n: int = 60) -> Sample:
    """Waves of 8 to 16 steps; with runs that are not known, one of them wholly."""
    rng = np.random.default_rng(0)
    steps, turn = rng.integers(8, 17, n), rng.uniform(0, 2 * np.pi, n)
    waves = [np.sin(np.arange(k) / 2 + t) + 0.05 * rng.normal(size=k) for k, t in zip(steps, turn, strict=True)]
    holed = [w.copy() for w in waves]
    for w in holed[::3]:
        w[2:5] = np.nan
    holed[5][:] = np.nan
    return Sample(waves, holed, network=Dense((8,)))


def long_series(steps: int = 400) -> Sample:
    """One wave, now fast, now slow, cut into windows; with a run that is not known."""
    x = np.sin(np.cumsum(0.6 + 0.5 * np.sin(np.arange(steps) / 20)))
    x += 0.02 * np.random.default_rng(0).normal(size=steps)
    holed = x.copy()
    holed[50:58] = np.nan
    return Sample(x, holed, {"data": Series(window=12)}, network=Dense((8,)), stepwise=True)


def documents(n: int = 60) -> Sample:
    """Words of the sea, of games and of gardens, a document of each in turn."""
    subjects = ["sail ship sea wind port wave", "goal ball team match score kick", "tree leaf root soil rain seed"]
    rng = np.random.default_rng(0)
    return Sample([" ".join(rng.choice(subjects[i % 3].split(), 9)) for i in range(n)])


def names(n: int = 48) -> Sample:
    """Names of two or three syllables, spelled."""
    rng = np.random.default_rng(0)
    syllables = [c + v for c in "klmnrst" for v in "aiou"]
    return Sample(
        sorted({"".join(rng.choice(syllables, rng.integers(2, 4))) for _ in range(n)}),
        options={"data": Pieces(decoder=Autoregressive(size=16, embed=8))},
        network=Reader(width=8, embed=8),
    )


def sounds(n: int = 18) -> Sample:
    """Tones of a tenth to a fifth of a second."""
    rng = np.random.default_rng(0)
    samples, pitch = rng.integers(800, 1600, n), rng.uniform(200, 3000, n)
    tones = [np.sin(2 * np.pi * f * np.arange(k) / 8000) for k, f in zip(samples, pitch, strict=True)]
    tones = [(0.3 * t + 0.01 * rng.normal(size=t.size)).astype(np.float32) for t in tones]
    return Sample(tones, options={"data": Audio(rate=8000, bands=8)}, network=Dense((8,)))


COMPOSED = ["denoising+topk+contractive", "gaussian:.2+variational", "importance:3+variational", "swap+kl"]
KINDS = [*recipes.names(), *COMPOSED, Outsider]
SEQUENCES = {
    "series": series(),
    "long series": long_series(),
    "documents": documents(),
    "names": names(),
    "sounds": sounds(),
}
SAMPLES = {"images": images(), **SEQUENCES}  # what the suite runs on besides tables
QUICK = {  # what a quick fit of a task needs
    "AnomalyDetector": {"validation_fraction": 0.25}, "Compressor": {"repair": 4}, "Denoiser": {"n_components": "auto"},
    ("Denoiser", "sounds"): {"n_components": "auto", "network": Spectral(window=64, widths=(4, 4))},
    ("Imputer", "series"): {"n_components": "auto"}, ("Imputer", "long series"): {"n_components": "auto"},
    "PretrainedClassifier": {"tuning_epochs": 2}, "PretrainedRegressor": {"tuning_epochs": 2},
}  # fmt: skip
TABLES = [name for name, task in sorted(tasks().items()) if task().__sklearn_tags__().input_tags.two_d_array]
FEW_KINDS = ["undercomplete", "variational", "denoising", "vector_quantised", "remasking"]
KINDS_OF = [(kind, "images") for kind in recipes.names()] + [(k, what) for what in SEQUENCES for k in FEW_KINDS]
WITHOUT = {  # takes no such data
    "Compressor": list(SEQUENCES), "Imputer": ["documents", "names", "sounds"],
    "PretrainedClassifier": ["long series"], "PretrainedRegressor": list(SEQUENCES),  # which the other one tries
}  # fmt: skip
JOBS = [(name, "table") for name in TABLES] + [(name, "images") for name in sorted(tasks())]
JOBS += [(name, what) for what in SEQUENCES for name in sorted(tasks()) if what not in WITHOUT.get(name, ())]


@pytest.mark.parametrize("check", KIND_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_kind(kind, check):
    check(kind, TABLE)


@pytest.mark.parametrize("check", KIND_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize(("kind", "what"), KINDS_OF)
def test_kind_of(kind, what, check):
    """Of sequences, one kind of each sort that reads rows, spoils rows, or makes codes in a way of its own.

    Left out are sparse, topk, contractive, compressive, neighbours, hashing and fsq: prices and forms of codes, which
    know nothing of rows and are tried on tables and images. The modalities' own tests fit every kind once.
    """
    check(kind, SAMPLES[what])


@pytest.mark.parametrize("check", TASK_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", sorted(tasks()))
def test_task(name, check):
    check(tasks()[name])


@pytest.mark.parametrize("check", JOB_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize(("name", "what"), JOBS)
def test_job(name, what, check):
    options = {"n_components": 2, "epochs": 2, **QUICK.get((name, what), QUICK.get(name, {}))}
    check(tasks()[name](**options), SAMPLES.get(what, TABLE))


@pytest.mark.parametrize("reading", Modality.registry.values(), ids=lambda m: m.key)
def test_no_option_of_a_modality_hides_what_modalities_do(reading):
    assert {f.name for f in fields(reading)} & set(dir(Modality)) == set()


def test_an_outsider_checks_a_kind_with_one_call():
    check_kind(Outsider(alpha=0.02))


def test_an_outsider_checks_a_modality_with_one_call():
    check_task(tasks()["Compressor"](repair=0), SAMPLES["images"])
