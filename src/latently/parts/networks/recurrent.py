"""Recurrent encoder and decoder for series, beside a linear path, described as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.errors import BadParameter
from latently.parts.networks.activations import ACTIVATIONS
from latently.parts.networks.base import Design, Ends, Network
from latently.parts.networks.mlp import MLP, beside_lines

__all__ = ["Recurrent"]

STEPS = 64  # of the recurrence, at most, where nobody says otherwise


class Gates(nn.Module):
    """Gated recurrent units (Cho 2014): `h' = u h + (1 - u) tanh(a + r (U h + c))`; r, u and a come from outside."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.turn, self.after = nn.Parameter(torch.zeros(3 * units, units)), nn.Parameter(torch.zeros(units))
        self.units = units

    def start(self, rng: torch.Generator) -> None:
        """Orthogonal weights from state to state."""
        for block in self.turn.data.split(self.units):
            nn.init.orthogonal_(block, generator=rng)

    def states(self, heard: Sequence[Tensor], h: Tensor) -> list[Tensor]:
        """The state after each step, from `h`; `heard` is `(rows, 3 units)` a step."""
        found = []
        for now in heard:
            gate, new = now.split([2 * self.units, self.units], 1)
            old = functional.linear(h, self.turn)
            reset, keep = torch.sigmoid(gate + old[:, : 2 * self.units]).chunk(2, 1)
            fresh = torch.tanh(new + reset * (old[:, 2 * self.units :] + self.after))
            h = fresh + keep * (h - fresh)
            found.append(h)
        return found


@dataclass(frozen=True)
class Beat:
    """How a row becomes steps: `patch` of its `length` steps at once, the last ones padded."""

    length: int
    patch: int

    @property
    def steps(self) -> int:
        """Of the recurrence."""
        return -(-self.length // self.patch)

    def fold(self, rows: Tensor) -> Tensor:
        """`(rows, features * length)` as `(rows, steps, features * patch)`."""
        x = rows.reshape(len(rows), -1, self.length)
        x = functional.pad(x, (0, self.steps * self.patch - self.length))
        return x.view(len(x), -1, self.steps, self.patch).transpose(1, 2).flatten(2)

    def unfold(self, x: Tensor, channels: int) -> Tensor:
        """`(rows, steps, channels * patch * numbers)` as rows of cells, the numbers of a cell side by side."""
        x = x.view(len(x), self.steps, channels, self.patch, -1).transpose(1, 2)
        return x.reshape(len(x), channels, self.steps * self.patch, -1)[:, :, : self.length].flatten(1)


class Listener(Network):
    """From a series to a code: states from both ends, and what they are at the other."""

    even = True

    def __init__(self, beat: Beat, ends: Ends, units: int, last: str) -> None:
        super().__init__()
        self.beat, self.inputs, self.outputs = beat, ends.inputs, ends.delivered
        width = ends.inputs // beat.length * beat.patch
        self.ears = nn.ModuleList([MLP((width, 3 * units)), MLP((width, 3 * units))])
        self.gates, self.units = nn.ModuleList([Gates(units), Gates(units)]), units
        self.head = MLP((2 * units, ends.delivered), last=last)

    def start(self, rng: torch.Generator, zero_last: bool) -> Self:
        """Draw the weights; with `zero_last` the code starts at zero."""
        for module in (*self.ears, *self.gates):
            module.start(rng)
        self.head.start(rng, zero_last)
        return self

    def plain(self, x: Tensor) -> Tensor:
        """The map in ordinary torch."""
        steps, ends = self.beat.fold(x), []
        for way, ear, gates in zip((1, -1), self.ears, self.gates, strict=True):
            heard = ear(steps).unbind(1)[::way]
            ends.append(gates.states(heard, x.new_zeros(len(x), self.units))[-1])  # type: ignore[operator]
        return self.head.plain(torch.cat(ends, 1))

    def heads(self) -> list[Network]:
        """The last layer."""
        return [self.head]

    def stack(self) -> list[str]:
        """Steps, states, code."""
        width = self.inputs // self.beat.length * self.beat.patch
        return [f"{self.beat.steps} steps of {width}, from both ends", *self.head.stack()]


class Teller(Network):
    """From a code to a series: the code begins the state and is heard at every step, states become cells."""

    even = True

    def __init__(self, beat: Beat, ends: Ends, units: int) -> None:
        super().__init__()
        self.beat, self.inputs, self.outputs, self.channels = beat, ends.code, ends.outputs, ends.shape[0]
        self.head, self.voice = MLP((ends.code, units), last="tanh"), MLP((ends.code, 3 * units))
        self.gates = Gates(units)
        self.out = MLP((units, ends.outputs // beat.length * beat.patch))

    def start(self, rng: torch.Generator, zero_last: bool) -> Self:
        """Draw the weights; with `zero_last` the series starts at zero."""
        self.head.start(rng)
        self.voice.start(rng)
        self.gates.start(rng)
        self.out.start(rng, zero_last)
        return self

    def plain(self, x: Tensor) -> Tensor:
        """The map in ordinary torch."""
        heard = [self.voice.plain(x)] * self.beat.steps
        states = torch.stack(self.gates.states(heard, self.head.plain(x)), 1)
        cells = self.out.plain(states.flatten(0, 1)).view(len(x), self.beat.steps, -1)
        return self.beat.unfold(cells, self.channels)

    def heads(self) -> list[Network]:
        """The layers that hear the code."""
        return [self.head, self.voice]

    def stack(self) -> list[str]:
        """Code, states, steps."""
        return [*self.head.stack(), f"{self.gates.units} -> {self.beat.steps} steps of {self.out.widths[-1]}"]


@dataclass
class Recurrent(Design):
    """Gated recurrent units (Cho 2014): the encoder reads a series from both ends, the decoder unrolls the code.

    `units`: numbers of a state; 64 hold what a window of 128 steps needs. `patch`: steps of the series that one step of
    the recurrence takes; "auto" makes 64 steps at most, for each costs as much as the one before. `code_activation` and
    `line` as in `Dense`: a linear path beside it, so that training starts at PCA.
    """

    units: int = 64
    patch: int | Literal["auto"] = "auto"
    code_activation: str | None = None
    line: bool | Literal["auto"] = "auto"

    def check(self) -> None:
        """Raise `BadParameter` on what cannot be."""
        for name, value in (("units", self.units), ("patch", 1 if self.patch == "auto" else self.patch)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise BadParameter(f"{name}={value!r}: expected a whole number, from 1.")
        if (self.code_activation or "linear") not in ACTIVATIONS:
            raise BadParameter(f"unknown activation {self.code_activation!r}; known: {', '.join(sorted(ACTIVATIONS))}.")

    def _beat(self, ends: Ends) -> Beat:
        self.check()
        if len(ends.shape) != 2 or ends.inputs % ends.shape[1] or ends.outputs % (ends.shape[0] * ends.shape[1]):
            raise BadParameter(
                f"network=Recurrent(...) needs series (channels, length); these rows have shape {ends.shape}, "
                f"{ends.inputs} features and {ends.outputs} outputs. Use Dense(...) for columns, Conv(...) for images."
            )
        if ends.last and self.code_activation not in (None, ends.last):
            raise BadParameter(
                f"code_activation={self.code_activation!r}: this kind's code is {ends.last}; leave None."
            )
        length = ends.shape[1]
        return Beat(length, -(-length // STEPS) if self.patch == "auto" else min(self.patch, length))

    def _has_line(self, ends: Ends) -> bool:
        linear = (ends.last or self.code_activation or "linear") == "linear"
        return ends.code < ends.inputs and linear if self.line == "auto" else bool(self.line)

    def _pair(self, ends: Ends) -> tuple[Listener, Teller]:
        beat, last = self._beat(ends), ends.last or self.code_activation or "linear"
        return Listener(beat, ends, self.units, last), Teller(beat, ends, self.units)

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        with torch.device("meta"):
            own = sum(p.numel() for n in self._pair(ends) for p in n.parameters())
        straight = (ends.inputs + 1) * ends.delivered + (ends.code + 1) * ends.outputs
        return own + (straight if self._has_line(ends) else 0)

    def work(self, ends: Ends) -> int:
        """Multiplications a row."""
        return self._beat(ends).steps * self.count(ends)

    def plan(self, ends: Ends) -> dict[str, Any]:
        """A tenth of the rows judges, where there are fifty: four fits, as cross-validation has, take too long."""
        return {"learning_rate": 3e-3, "steps": 1500} | ({"validation": 0.1} if ends.rows >= 50 else {})

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder with fresh weights; `BadParameter` on options that cannot join these ends."""
        reader, writer = self._pair(ends)
        line = self._has_line(ends)
        reader.start(rng, zero_last=line)
        writer.start(rng, zero_last=line)
        return beside_lines(reader, writer, ends, rng) if line else (reader, writer)
