"""The door: numbers, one-hots and the mask channel, and nothing else, become features."""

import reference as ref
import torch

from latently.parts.doors import Door
from latently.values import Batch


def test_numbers_pass_as_they_are():
    x = ref.draw(3, 4)
    assert torch.equal(Door((0,) * 4, masked=False)(Batch(x)), x)


def test_categories_become_one_hots_in_their_place():
    door = Door((0, 3, 0), masked=False)
    x = torch.tensor([[0.5, 2.0, -1.0], [1.5, 0.0, -2.0]])
    want = torch.tensor([[0.5, 0, 0, 1, -1], [1.5, 1, 0, 0, -2]])
    assert torch.equal(door(Batch(x)), want)
    assert door.width == 5


def test_the_mask_channel_says_what_is_known():
    door, x = Door((0, 2), masked=True), torch.tensor([[0.5, 1.0], [0.0, 0.0]])
    known = torch.tensor([[True, True], [False, True]])
    assert torch.equal(door(Batch(x, known)), torch.tensor([[0.5, 0, 1, 1, 1], [0, 1, 0, 0, 1]]))
    assert torch.equal(door(Batch(x))[:, -2:], torch.ones(2, 2))
    assert door.width == 5
