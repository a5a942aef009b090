"""How far the nearest rows are: as exact arithmetic has it, a row's own, and which rows of a fit are trusted."""

import pytest
import torch

from latently import native
from latently.tasks import nearness
from latently.tasks.nearness import Neighbours


def drawn(rows: int, columns: int, seed: int) -> torch.Tensor:
    return torch.empty(rows, columns, dtype=torch.float64).normal_(generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["kernels", "torch"])
def ways(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(native, "_library", lambda: None)
    elif not native.there():
        pytest.skip("the kernels were not compiled on this machine")


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize(("rows", "columns", "k"), [(40, 1000, 21), (17, 33, 32), (3, 16, 16), (5, 7, 1)])
def test_the_least_numbers_of_each_row_come_least_first(rows, columns, k):
    x = drawn(rows, columns, 0).float()
    x[0, -2:] = x[0].min() - 1  # equal ones, in the last place
    values, places = native.least(x, k)
    assert torch.equal(values, x.topk(k, largest=False).values)
    assert torch.equal(x.gather(1, places), values)
    assert all(len(set(row)) == k for row in places.tolist())


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize(("k", "alone"), [(1, False), (1, True), (5, True), (9, False)])
def test_distances_are_those_of_exact_arithmetic_and_a_rows_own(k, alone):
    known = drawn(300, 6, 1)
    known = torch.cat([known, known[:3]])  # copies
    x = torch.cat([known[:20], drawn(30, 6, 2), 1e25 * drawn(2, 6, 3), known[4:6] + 1e-7])
    near = Neighbours(known, None, k, alone)
    gaps = (x[:, None] - known).square().sum(2)
    if alone:
        gaps = gaps.masked_fill(gaps <= 1e-12 * x.square().sum(1)[:, None], torch.inf)
    wanted = gaps.sort(1).values[:, k - 1].sqrt()
    found = near.distance(x, None)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-9)
    assert torch.equal(found, torch.cat([near.distance(row.expand_as(x), None)[:1] for row in x]))


def test_rows_far_from_their_neighbours_teach_little():
    x = torch.cat([drawn(400, 4, 4), 8 + drawn(6, 4, 5)]).float()

    class Model(torch.nn.Linear):
        """As much of a composition as is asked: columns as they are."""

        def door(self, batch: nearness.Batch) -> torch.Tensor:
            return batch.x

    model = Model(1, 1)
    model.door.__func__.levels = (0,) * 4
    rows, valid = nearness.trusted(model, nearness.Batch(x), nearness.Batch(x[:7]))
    assert rows.weight.mean() == pytest.approx(1, rel=1e-5)
    assert rows.weight[:400].median() > 20 * rows.weight[400:].median()
    assert len(valid.weight) == 7
