"""Fully connected stacks, their backward pass written by hand, and a linear path beside one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import latently.parts.few as few
import latently.parts.networks.looked as looked
from latently import native
from latently.parts.networks.activations import Activation
from latently.parts.networks.base import Ends, Network, grad
from latently.parts.networks.gemm import Gemm
from latently.parts.networks.tapes import Held, Layer, Looked, Walked

__all__ = ["MLP", "Layer", "Skip", "Walked", "beside_lines"]


class MLP(Network):
    """`y = g_L(W_L ... g_1(W_1 x + b_1) ... + b_L)`.

    `widths` runs from input to output. With `source`, the weights are those of another stack, transposed and in
    reverse order (tied weights, `W* = W'`); only the biases are its own.
    """

    looks_up = True

    def __init__(
        self, widths: Sequence[int], activation: str = "relu", last: str = "linear", source: MLP | None = None
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.inputs, self.outputs = self.widths[0], self.widths[-1]
        pairs = list(zip(self.widths, self.widths[1:], strict=False))
        self.activations = [Activation(activation)] * (len(pairs) - 1) + [Activation(last)]
        own = [] if source else [nn.Parameter(torch.zeros(b, a)) for a, b in pairs]
        self.weights = nn.ParameterList(own)
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(b)) for _, b in pairs])
        self._source = [source] if source else []  # in a list: not a submodule, still copied with its owner
        self._held: Held | None = None
        self._looked: tuple[list[int], native.Stack | None] = ([], None)
        self.chain: tuple[native.Stack, native.Stack, native.Stack] | None = None  #: this, what follows, both
        self.gemm = Gemm()

    def start(self, rng: torch.Generator, zero_last: bool = False) -> MLP:
        """Draw the weights (He 2015 before a rectifier, Glorot 2010 elsewhere); biases start at zero."""
        for w, act in zip(self.weights, self.activations, strict=False):
            if act.name in ("linear", "sigmoid", "tanh", "softsign"):
                nn.init.xavier_uniform_(w, generator=rng)
            else:
                nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=rng)
        if zero_last and len(self.weights):
            nn.init.zeros_(self.weights[-1])
        return self

    def low(self, rows: int) -> bool:
        """Whether `run` computes in bfloat16 on batches of `rows`."""
        return self.gemm.low(
            self.matrices(), rows, self.gemm.own_low_from is not None and self.here().stack is not None
        )

    @property
    def _shift(self) -> list[Tensor]:
        return list(self.biases._parameters.values())  # type: ignore[arg-type]  # iterating a ParameterList is slow

    def matrices(self) -> list[Tensor]:
        """The weights of each layer, `(out, in)`."""
        if self._source:
            return [w.t() for w in reversed(self._source[0].matrices())]
        return list(self.weights._parameters.values())  # type: ignore[arg-type]

    def _weight_grads(self) -> list[Tensor]:
        if self._source:
            return [g.t() for g in reversed(self._source[0]._weight_grads())]
        return [grad(w) for w in self.matrices()]

    def part(self, start: int, stop: int) -> MLP:
        """Some of the layers as a stack, with the same parameters."""
        count, made = len(self.activations), MLP(self.widths[start : stop + 1])
        if self._source:
            made._source, made.weights = [self._source[0].part(count - stop, count - start)], nn.ParameterList()
        else:
            made.weights = nn.ParameterList(self.matrices()[start:stop])
        made.biases = nn.ParameterList(self._shift[start:stop])
        made.activations, made.gemm = self.activations[start:stop], self.gemm
        return made

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_held": None, "_looked": ([], None), "chain": None}  # a copy holds its own

    def forget(self) -> None:
        """The layers' places."""
        self._held = self.chain = None

    def here(self) -> Held:
        """Looked up once for as long as parameters, gradients and the choice of products stay."""
        last: Tensor = next(reversed(self.biases._parameters.values()))  # type: ignore[assignment]
        held = self._held
        if held is None or held.grad is not last.grad or held.place != last.data_ptr() or held.gemm is not self.gemm:
            made = zip(self.matrices(), self._shift, self._weight_grads(), self.activations, strict=True)
            layers = [
                Layer(w.detach(), b.detach(), g, grad(b), act, act.name == "relu", self.gemm.direct(w))
                for w, b, g, act in made
            ]
            own = self._own([native.Weights(x.w, x.b, x.w_grad, x.b_grad, x.relu) for x in layers])
            held = self._held = Held(layers, last.grad, last.data_ptr(), self.gemm, own, [])
        return held

    def _own(self, layers: list[native.Weights]) -> native.Stack | None:
        simple = all(act.name in ("relu", "linear") for act in self.activations)
        return native.Stack(layers) if simple and self.gemm.native and native.Stack.takes(layers) else None

    def paired(self) -> bool:
        """Whether our own kernels take this stack in bfloat16, from float32 rows."""
        return native.low() and self.here().stack is not None

    def plain(self, x: Tensor) -> Tensor:
        """The stack by ordinary torch calls; by our own kernels where nothing is to be differentiated."""
        if self.gemm.native and native.bare(x):
            pairs = list(zip(self.matrices(), self._shift, strict=True))
            places = [t.data_ptr() for pair in pairs for t in pair]
            if self._looked[0] != places:
                relu = [act.name == "relu" for act in self.activations]
                made = [native.Weights(w, b, None, None, r) for (w, b), r in zip(pairs, relu, strict=True)]
                self._looked = places, self._own(made)
            if self._looked[1] is not None:
                return self._looked[1].infer(x)
        for w, b, act in zip(self.matrices(), self._shift, self.activations, strict=True):
            x = act(functional.linear(x, w, b))
        return x

    def run(self, x: Tensor, into: Tensor | None = None, low: bool | None = None) -> tuple[Tensor, Any]:
        """Forward under no_grad; the tape holds each layer's input, weights and what its activation needs.

        What comes out is added to `into` if that is given; `low`: in bfloat16, whatever the size.
        """
        held, gemm = self.here(), self.gemm
        if low is None:
            low = x.dtype == torch.bfloat16 or (gemm.low_from is not None and self.low(x.shape[0]))
        if x.is_sparse:
            return looked.run(self, held.layers[0], x, low)
        if held.stack is not None and x.dtype == torch.float32 and (not low or native.low()):
            x = x if x.stride(1) == 1 else x.contiguous()
            own = into if self.activations[-1].name == "linear" else None  # a sum tells no rectifier what it did
            one = held.layers[0]
            if own is None and len(held.layers) == 1 and gemm.large(one.w):
                kind = torch.bfloat16 if low else x.dtype
                y = gemm.linear(x.to(kind), one.w.to(kind), one.b.to(kind), one.relu, True).to(x.dtype)
                return y if into is None else into.add_(y), Walked(x, y, x.new_empty(0), low)
            y, kept = held.stack.run(x, own, low)
            return (y if own is into else into.add_(y)), Walked(x, y, kept, low)  # type: ignore[union-attr]
        y, tape = (x.bfloat16() if low else x), []
        for w, b, _, _, act, relu, direct in held.layers:
            if low:
                w, b, direct = w.bfloat16(), b.bfloat16(), True
            a = gemm.linear(y, w, b, relu, direct)
            out = a if relu or act.name == "linear" else act(a)
            tape.append((y, w, out if act.from_output else a))
            y = out
        y = y.float() if low else y
        return (y if into is None else into.add_(y)), tape

    def back(self, tape: Any, g: Tensor, to_input: bool = True, into: Tensor | None = None) -> Tensor | None:
        """Backward by hand, from the last layer to the first; the gradient of the input is added to `into` if given."""
        held, gemm = self.here(), self.gemm
        if g.is_sparse and self.activations[-1].name != "linear":
            g = few.dense(g)
        if g.is_sparse or isinstance(tape, Looked):
            return looked.back(self, held.layers, tape, g, to_input)
        if isinstance(tape, Walked):
            assert held.stack is not None
            return held.stack.back(tape, g, to_input, into)
        layers = held.layers
        g = g.to(tape[0][0].dtype)
        for i in range(len(tape) - 1, -1, -1):
            (x, w, kept), layer = tape[i], layers[i]
            if layer.act.name != "linear":
                g = layer.act.back(g, kept)
            gemm.add_grads(g, x, layer.w_grad, layer.b_grad)
            if i or to_input:
                g = gemm.input_grad(g, w, layer.direct)
        g = g.to(layers[0].b.dtype)
        return None if not to_input else g if into is None else into.add_(g)

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """`J(x) v`: the stack's own directional derivative, layer by layer."""
        for w, b, act in zip(self.matrices(), self._shift, self.activations, strict=True):
            a = functional.linear(x, w, b)
            x, v = act(a), functional.linear(v, w) * act.slope(a)
        return v

    def jacobian(self, x: Tensor) -> Tensor:
        """`D_L W_L ... D_1 W_1` of every row, `D` the slopes."""
        j: Tensor | None = None
        for w, b, act in zip(self.matrices(), self._shift, self.activations, strict=True):
            a = functional.linear(x, w, b)
            j = act.slope(a).unsqueeze(-1) * (w.expand(len(x), -1, -1) if j is None else w @ j)
            x = act(a)
        assert j is not None
        return j

    def linear(self) -> Network | None:
        """Itself when it is one linear layer."""
        return self if [act.name for act in self.activations] == ["linear"] else None

    def heads(self) -> list[Network]:
        """Itself."""
        return [self]

    def stack(self) -> list[str]:
        """`30 -> 64 relu` and so on; `'` marks tied weights."""
        mark = "'" if self._source else ""
        pairs = zip(self.widths, self.widths[1:], self.activations, strict=False)
        return [f"{a} -> {b} {act.name}{mark}" for a, b, act in pairs]


class Skip(Network):
    """A linear path beside a stack, `y = line(x) + stack(x)`: with a stack that starts at zero, a linear model."""

    def __init__(self, line: MLP, stack: Network) -> None:
        super().__init__()
        self.line, self.deep = line, stack
        self.inputs, self.outputs, self.even = line.inputs, line.outputs, stack.even

    def plain(self, x: Tensor) -> Tensor:
        """The sum of both paths."""
        return self.line.plain(x) + self.deep.plain(x)

    def run(self, x: Tensor) -> tuple[Tensor, Any]:
        """Both paths by hand, at the stack's precision."""
        low = self.deep.low(len(x))
        if low and not (isinstance(self.deep, MLP) and self.line.paired() and self.deep.paired()):
            x = x.bfloat16()  # once for both
        both, straight = self.line.run(x, low=low)
        if isinstance(self.deep, MLP):
            both, high = self.deep.run(x, both, low)
        else:
            deep, high = self.deep.run(x)
            both = both.add_(deep)
        return both, (straight, high, x.dtype)

    def back(self, tape: Any, g: Tensor, to_input: bool = True) -> Tensor | None:
        """Both paths back."""
        low, high, kind = tape
        g = g.to(kind)
        straight = self.line.back(low, g, to_input)
        if isinstance(self.deep, MLP):
            return self.deep.back(high, g, to_input, straight)
        deep = self.deep.back(high, g, to_input)
        return None if straight is None or deep is None else straight + deep

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """The sum of both directional derivatives."""
        return self.line.tangent(x, v) + self.deep.tangent(x, v)

    def jacobian(self, x: Tensor) -> Tensor:
        """The sum of both Jacobians."""
        return self.line.jacobian(x) + self.deep.jacobian(x)

    def linear(self) -> Network | None:
        """The linear path."""
        return self.line

    def heads(self) -> list[Network]:
        """The path, and what the stack begins or ends with."""
        deep = self.deep.heads()
        return [self.line, *deep] if deep else []

    def stack(self) -> list[str]:
        """The stack's layers, then the path beside it."""
        return [*self.deep.stack(), f"beside it: {self.line.stack()[0]}"]


def beside_lines(reader: Network, writer: Network, ends: Ends, rng: torch.Generator) -> tuple[Skip, Skip]:
    """Encoder and decoder, each beside a fresh linear path between its ends."""
    straight = MLP((ends.inputs, ends.delivered)).start(rng)
    return Skip(straight, reader), Skip(MLP((ends.code, ends.outputs)).start(rng), writer)
