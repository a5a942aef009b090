"""Convolutional encoder and decoder for images of any size, beside a linear path, described as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from latently.errors import BadParameter
from latently.parts.networks.activations import ACTIVATIONS
from latently.parts.networks.base import Design, Ends, Network
from latently.parts.networks.convolution import Layers, Reader, Writer
from latently.parts.networks.filters import Grid
from latently.parts.networks.mlp import beside_lines

__all__ = ["Conv"]

HIDDEN = 512  # units between filters and code; half as many where rows are few
FEW = 5000
BATCH = 128  # rows: more steps of fewer rows learn more in the same time
FEWEST = 50  # rows of which some only judge; fewer are cross-validated
BUDGET = 3.6e13  # operations of a default fit: 240 s at 150 a nanosecond, what a core of 2025 makes of small filters


@dataclass
class Conv(Design):
    """Filters for images of any size: strided residual stages into the code, and sub-pixel ones out of it.

    `patch`: pixels a side that become channels before the first filters; "auto": 4 where a side is over 16, 2 over 8.
    `channels`: filters of each stage; every stage but the first halves the sides. A number: as many in each. "auto": as
    many stages as bring both sides to 8, 32 filters doubling up to 128. `blocks`: residual blocks a stage, of two 3x3
    filters each. `hidden`: width of a fully connected layer between filters and code; 0 has none. `activation`: between
    layers. `code_activation`: of the code; None leaves it to the kind (linear unless the kind needs another). `line`: a
    linear path beside the filters, from image to code and from code to image, so that training starts at PCA; "auto"
    has one where the code is linear and narrower than the image.
    """

    channels: Sequence[int] | int | Literal["auto"] = "auto"
    patch: int | Literal["auto"] = "auto"
    blocks: int = 1
    hidden: int | Literal["auto"] = "auto"
    activation: str = "silu"
    code_activation: str | None = None
    line: bool | Literal["auto"] = "auto"

    def check(self) -> None:
        """Raise `BadParameter` on numbers of filters or blocks that cannot be, and on unknown activations."""
        if isinstance(self.channels, str):
            widths = [1] if self.channels == "auto" else []
        else:
            widths = [self.channels] if isinstance(self.channels, int) else list(self.channels)
        if not widths or not all(_whole(n) and n > 0 for n in widths):
            raise BadParameter(
                f"channels={self.channels!r}: expected a whole positive number of filters, one for each stage such as "
                "(32, 64), or 'auto'."
            )
        if not _whole(self.blocks) or self.blocks < 0:
            raise BadParameter(f"blocks={self.blocks!r}: expected a whole number of residual blocks a stage, from 0.")
        if self.patch != "auto" and (not _whole(self.patch) or self.patch < 1):
            raise BadParameter(f"patch={self.patch!r}: expected pixels a side, from 1, or 'auto'.")
        if self.hidden != "auto" and (not _whole(self.hidden) or self.hidden < 0):
            raise BadParameter(f"hidden={self.hidden!r}: expected the width of a layer before the code, 0, or 'auto'.")
        for name in (self.activation, self.code_activation or "linear"):
            if name not in ACTIVATIONS:
                raise BadParameter(f"unknown activation {name!r}; known: {', '.join(sorted(ACTIVATIONS))}.")

    def seen(self, ends: Ends) -> Ends:
        """The ends with rows as images; `BadParameter` where they are none."""
        if len(ends.shape) != 3 or ends.inputs % (ends.shape[1] * ends.shape[2]) or ends.outputs % _cells(ends):
            raise BadParameter(
                f"network=Conv(...) needs images (channels, height, width); these rows have shape {ends.shape}, "
                f"{ends.inputs} features and {ends.outputs} outputs. Use Dense(...) for columns."
            )
        return ends

    def sides(self) -> tuple[int, int]:
        """Of a filter."""
        return 3, 3

    def _given(self) -> list[int] | None:
        """The filters of each stage, as far as the user says how many stages there are."""
        return None if isinstance(self.channels, (str, int)) else list(self.channels)

    def widths(self, stages: int) -> list[int]:
        """The filters of each stage; "auto": 32, doubled from stage to stage up to 128."""
        if isinstance(self.channels, int):
            return [self.channels] * stages
        return self._given() or [min(128, 32 << i) for i in range(stages)]

    def has_line(self, ends: Ends, last: str) -> bool:
        """Whether there is a linear path."""
        return ends.code < ends.inputs and last == "linear" if self.line == "auto" else bool(self.line)

    def _pair(self, ends: Ends) -> tuple[Reader, Writer, str]:
        """Both branches, weights not drawn, and the activation of the code."""
        self.check()
        ends = self.seen(ends)
        if ends.last and self.code_activation not in (None, ends.last):
            raise BadParameter(
                f"code_activation={self.code_activation!r}: this kind's code is {ends.last} whatever the rest is; "
                "leave code_activation at None."
            )
        last = ends.last or self.code_activation or "linear"
        given = self._given()
        grid = Grid.over(
            ends.shape, None if self.patch == "auto" else self.patch, None if given is None else len(given)
        )
        hidden = (HIDDEN if ends.rows > FEW else HIDDEN // 2) if self.hidden == "auto" else self.hidden
        widths = tuple(self.widths(len(grid.strides)))
        layers = Layers(widths, self.blocks, (hidden,) if hidden else (), self.activation, self.sides())
        return Reader(grid, ends, layers, last), Writer(grid, ends, layers), last

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        with torch.device("meta"):
            reader, writer, last = self._pair(ends)
        own = sum(p.numel() for n in (reader, writer) for p in n.parameters())
        straight = (ends.inputs + 1) * ends.delivered + (ends.code + 1) * ends.outputs
        return own + (straight if self.has_line(ends, last) else 0)

    def work(self, ends: Ends) -> int:
        """Multiplications a row in one pass through both, for choosing threads."""
        with torch.device("meta"):
            reader, writer, _ = self._pair(ends)
        return reader.work() + writer.work()

    def plan(self, ends: Ends) -> dict[str, Any]:
        """Batches of 128 at most, a step for every four rows but at least 3,000, within minutes of one core.

        A tenth of the rows judges, few as they may be: four fits of filters, as cross-validation has, take too long.
        """
        rows: dict[str, Any] = {"batch_rows": BATCH} if ends.rows > 40 * BATCH else {}
        rows |= {"validation": 0.1} if ends.rows >= FEWEST else {}
        most = int(BUDGET / (6 * BATCH * self.work(ends)))
        return rows | {"learning_rate": 3e-3, "steps": min(most, max(3000, ends.rows // 4))}

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder with fresh weights; `BadParameter` on options that cannot join these ends."""
        reader, writer, last = self._pair(ends)
        line = self.has_line(ends, last)
        reader.start(rng, zero_last=line)
        writer.start(rng, zero_last=line)
        return beside_lines(reader, writer, ends, rng) if line else (reader, writer)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _cells(ends: Ends) -> int:
    return ends.shape[0] * ends.shape[1] * ends.shape[2]
