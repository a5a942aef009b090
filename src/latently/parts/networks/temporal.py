"""Convolutional encoder and decoder for series of any length: those of images, one step high."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from latently.errors import BadParameter
from latently.parts.networks.base import Ends, Network
from latently.parts.networks.conv import Conv
from latently.parts.networks.shapes import Shaped

__all__ = ["Temporal"]

PER_SHAPE = 8  # numbers of a code to one of shapes: fewer tell less of them, more leave a larger error


@dataclass
class Temporal(Conv):
    """Filters along time: strided residual stages into the code, and sub-pixel ones out of it, beside a linear path.

    `kernel`: steps of a filter, an odd number; 5 sees twenty steps of a series folded by four. `patch`: steps that
    become channels before the first filters; "auto": 4 where a series is longer than 16, 2 over 8. `channels`: filters
    of each stage; every stage but the first halves the length; "auto": as many as bring it to 8. `shapes`: whether
    one number of a plain code in eight tells which shapes occur, wherever they lie (`Shaped`), and the rest what is
    where. The other options are those of `Conv`.
    """

    kernel: int = 5
    shapes: bool = False

    def many(self, ends: Ends) -> int:
        """Numbers of the code that know no places."""
        last = self.code_activation in (None, "linear")
        return ends.code // PER_SHAPE if self.shapes and ends.free and ends.delivered == ends.code and last else 0

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """As of `Conv`, the encoder with numbers of shapes beside it where they are wanted."""
        many = self.many(ends)
        encoder, decoder = super().build(replace(ends, delivered=ends.delivered - many), rng)
        return (Shaped(encoder, ends, many).start(rng) if many else encoder), decoder

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        many = self.many(ends)
        turn = ends.code * (ends.code + 1) if many else 0
        return super().count(replace(ends, delivered=ends.delivered - many)) + turn

    def check(self) -> None:
        """Raise `BadParameter` on what cannot be."""
        super().check()
        if not isinstance(self.kernel, int) or isinstance(self.kernel, bool) or self.kernel < 1 or self.kernel % 2 == 0:
            raise BadParameter(f"kernel={self.kernel!r}: expected steps of a filter, an odd whole number.")

    def seen(self, ends: Ends) -> Ends:
        """Series as images one row high."""
        if len(ends.shape) != 2 or ends.inputs % ends.shape[1] or ends.outputs % (ends.shape[0] * ends.shape[1]):
            raise BadParameter(
                f"network=Temporal(...) needs series (channels, length); these rows have shape {ends.shape}, "
                f"{ends.inputs} features and {ends.outputs} outputs. Use Dense(...) for columns, Conv(...) for images."
            )
        return replace(ends, shape=(ends.shape[0], 1, ends.shape[1]))

    def plan(self, ends: Ends) -> dict[str, Any]:
        """As of `Conv`, in half as many steps: series have fewer cells than images."""
        asked = super().plan(ends)
        return asked | {"steps": asked["steps"] // 2}

    def sides(self) -> tuple[int, int]:
        """Of a filter."""
        return 1, self.kernel
