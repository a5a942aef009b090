"""Every kind and every task that the registries hold, and one kind defined here as an outsider would."""

from dataclasses import dataclass

import pytest

from latently import recipes
from latently.model import Parts
from latently.parts import L1, Chain, Gaussian, Masking
from latently.recipes import Recipe
from latently.tasks import tasks
from latently.testing import KIND_CHECKS, TASK_CHECKS, check_kind


@dataclass
class Outsider(Recipe):
    """A sparse code of doubly corrupted rows: nobody registered it."""

    sigma: float = 0.1
    alpha: float = 0.01

    def parts(self, n_components: int) -> Parts:
        """Two corruptions and a price."""
        return Parts(bottleneck=L1(self.alpha), corruption=Chain([Gaussian(self.sigma), Masking(0.1)]))


COMPOSED = ["denoising+topk+contractive", "gaussian:.2+variational", "importance:3+variational", "swap+kl"]
KINDS = [*recipes.names(), *COMPOSED, Outsider]


@pytest.mark.parametrize("check", KIND_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_kind(kind, check):
    check(kind)


@pytest.mark.parametrize("check", TASK_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", sorted(tasks()))
def test_task(name, check):
    check(tasks()[name])


def test_an_outsider_checks_a_kind_with_one_call():
    check_kind(Outsider(alpha=0.02))
