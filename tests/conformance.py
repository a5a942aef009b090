"""Every kind and every task that the registries hold, on every modality, and one kind defined here by an outsider."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.datasets import load_digits

from latently import recipes
from latently.model import Parts
from latently.parts import L1, Chain, Conv, Gaussian, Masking
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


COMPOSED = ["denoising+topk+contractive", "gaussian:.2+variational", "importance:3+variational", "swap+kl"]
KINDS = [*recipes.names(), *COMPOSED, Outsider]
SAMPLES = {"images": images()}  # what the suite runs on besides tables
QUICK = {  # what a quick fit of a task needs
    "AnomalyDetector": {"validation_fraction": 0.25}, "Compressor": {"repair": 4}, "Denoiser": {"n_components": "auto"},
}  # fmt: skip
TABLES = [name for name, task in sorted(tasks().items()) if task().__sklearn_tags__().input_tags.two_d_array]
JOBS = [(name, "table") for name in TABLES] + [(name, what) for what in SAMPLES for name in sorted(tasks())]


@pytest.mark.parametrize("check", KIND_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_kind(kind, check):
    check(kind, TABLE)


@pytest.mark.parametrize("check", KIND_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("kind", recipes.names())
@pytest.mark.parametrize("what", SAMPLES)
def test_kind_of(what, kind, check):
    check(kind, SAMPLES[what])


@pytest.mark.parametrize("check", TASK_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", sorted(tasks()))
def test_task(name, check):
    check(tasks()[name])


@pytest.mark.parametrize("check", JOB_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize(("name", "what"), JOBS)
def test_job(name, what, check):
    options = {"n_components": 2, "epochs": 2, **QUICK.get(name, {})}
    check(tasks()[name](**options), SAMPLES.get(what, TABLE))


def test_an_outsider_checks_a_kind_with_one_call():
    check_kind(Outsider(alpha=0.02))


def test_an_outsider_checks_a_modality_with_one_call():
    check_task(tasks()["Compressor"](repair=0), SAMPLES["images"])
