"""`||J||_F^2` and its gradient by hand, J the Jacobian of a fully connected stack, from what its own pass has left.

With `x_l = g(a_l)`, `a_l = W_l x_(l-1) + b_l` and slopes `s_l = g'(a_l)`, a price p on the slopes pulls on a_l with
`dp/ds g''(a)`. Where `g'' = g' r(x)` (a rectifier, a line: r = 0; sigmoid: 1 - 2 x; tanh: -2 x) that is what a gradient
`dp/ds r` at x_l does, and so it goes back with the gradient that is there anyway, or as one like it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional

from latently import native
from latently.parts.networks.base import Network
from latently.parts.networks.gemm import Gemm
from latently.parts.networks.mlp import MLP, Layer, Skip, Walked

__all__ = ["Path", "closed", "gram", "paths", "probed"]

BENT: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda y: torch.rsub(y, 1.0, alpha=2), "tanh": lambda y: -2 * y
}  # fmt: skip

Factor = Tensor | float  #: of a price in the loss, one for all rows or one each
Price = tuple[Tensor, Tensor | None]  #: of every row; and the gradient at the output by which the rest is done


class Passed(NamedTuple):
    """A layer as a pass has left it: what came in, the weights as they were used, what its activation keeps."""

    x: Tensor
    w: Tensor
    y: Tensor
    layer: Layer
    bare: native.Stack | None = None  #: its product and no more in our own kernels, where those passed it
    low: bool = False  #: whether they did so in bfloat16


def closed(network: Network, x: Tensor) -> Tensor | None:
    """The price alone, differentiable, by the closed forms of `Path.closed`; None where there is none."""
    if not isinstance(network, MLP) or len(network.activations) > 2:
        return None
    ws, act = network.matrices(), network.activations
    s = act[0].slope(functional.linear(x, ws[0], network.biases[0]))
    if len(ws) == 1:
        return s.square() @ ws[0].square().sum(1)
    return ((s @ ((ws[0] @ ws[0].t()) * (ws[1].t() @ ws[1]))) * s).sum(1) if act[1].name == "linear" else None


def gram(network: MLP, x: Tensor) -> Tensor:
    """The same of every stack, as a trace: `P <- (s s') * (W P W')`, `P = W1 W1'` at first, no wider than layers."""
    p: Tensor | None = None
    for w, b, act in zip(network.matrices(), network.biases, network.activations, strict=True):
        a = functional.linear(x, w, b)
        s = act.slope(a)
        p = (w @ w.t() if p is None else w @ p @ w.t()) * s.unsqueeze(-1) * s.unsqueeze(-2)
        x = act(a)
    assert p is not None
    return p.diagonal(dim1=-2, dim2=-1).sum(-1)


def paths(network: Network, tape: Any) -> list[Path]:
    """The stacks whose sum a network is, as their passes have left them; none where there are layers of other sorts."""
    if isinstance(network, MLP) and all(act.name in ("linear", "relu", *BENT) for act in network.activations):
        return [Path(network.gemm, _passed(network, tape))]
    if isinstance(network, Skip):
        both = [paths(part, own) for part, own in zip((network.line, network.deep), tape, strict=False)]
        return [way for ways in both for way in ways] if all(both) else []
    return []


def _passed(network: MLP, tape: Any) -> list[Passed]:
    held = network.here()
    layers, bare = held.layers, held.bare
    if not isinstance(tape, Walked):
        return [Passed(x, w, y, layer) for (x, w, y), layer in zip(tape, layers, strict=True)]
    if not bare:
        alone = [native.Weights(x.w, torch.zeros_like(x.b), x.w_grad, torch.empty_like(x.b), False) for x in layers]
        bare += [native.Stack([weights]) for weights in alone]
    rows = [tape.x, *native.between(tape.kept, len(tape.x), network.widths[1:-1]), tape.y]
    ends = zip(rows, rows[1:], layers, bare, strict=False)
    return [Passed(x, layer.w, y, layer, product, tape.low) for x, y, layer, product in ends]


def probed(ways: Sequence[Path], v: Tensor, code: int, factor: Factor) -> Price:
    """`||J v||^2` of the first `code` outputs; adds what `factor` of it is to the gradients of the parameters."""
    found = [way.ahead(v) for way in ways]
    ends = [t for t, _ in found]
    t = (ends[0] if len(ends) == 1 else ends[0] + ends[1]).to(ways[0].kind)
    if code < t.shape[1]:
        t = t.index_fill(1, torch.arange(code, t.shape[1], device=t.device), 0.0)
    g, alone = t * _column(2 * factor), len(ways) == 1
    rest = [way.behind(steps, g, alone) for way, (_, steps) in zip(ways, found, strict=True)]
    return t.square().sum(1), rest[0]


@dataclass(frozen=True)
class Path:
    """A stack, as a pass has left it."""

    gemm: Gemm
    layers: list[Passed]

    @property
    def kind(self) -> torch.dtype:
        """What parameters are, whatever products are computed in."""
        return self.layers[0].layer.b.dtype

    def ahead(self, t: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """`J t`; and of every layer the t that comes in, and `W t`."""
        t, steps = t.to(self.layers[0].x.dtype), []
        for p in self.layers:
            u = self._ahead(p, t)
            steps.append((t, u))
            t = p.layer.act.back(u, p.y)
        return t, steps

    def behind(self, steps: list[tuple[Tensor, Tensor]], g: Tensor, alone: bool) -> Tensor | None:
        """Adds what `g` at `J t` makes of the parameters. `alone`: but for what is returned, to do at the output."""
        g, pulls = g.to(self.layers[0].x.dtype), cast(list[Tensor | None], [None] * len(steps))
        for i in range(len(steps) - 1, -1, -1):
            p, (t, u) = self.layers[i], steps[i]
            pulls[i] = _pull(p, g * u) if p.layer.act.name in BENT else None
            g = self._back(p, p.layer.act.back(g, p.y), t, asked=i > 0)
        rest = pulls.pop() if alone else None
        self._down(pulls)
        return None if rest is None else rest.to(self.kind)

    def closed(self, factor: Factor) -> Price | None:
        """What `probed` does, of the whole Jacobian; None where there is no closed form."""
        if len(self.layers) == 1:
            return self._one(factor)
        return self._two(factor) if len(self.layers) == 2 and self.layers[1].layer.act.name == "linear" else None

    def _one(self, factor: Factor) -> Price:
        """`sum_j s_j^2 ||W_j||^2`."""
        p = self.layers[0]
        s, w, size = self._slope(p), p.layer.w, torch.linalg.vector_norm(p.layer.w, dim=1).square_()
        square = s.square()
        total = factor @ square if isinstance(factor, Tensor) else square.sum(0) * factor
        p.layer.w_grad.addcmul_(w, total.unsqueeze(1), value=2)
        rest = _pull(p, s.mul_(size).mul_(_column(2 * factor))) if p.layer.act.name in BENT else None
        return square @ size, rest

    def _two(self, factor: Factor) -> Price:
        """`s' (W1 W1' * W2' W2) s`."""
        (p, q), product = self.layers, self.gemm.input_grad
        s, c = self._slope(p), _column(2 * factor)
        left, right = self._ahead(p, p.w).to(self.kind), product(q.w.t(), q.w).to(self.kind)
        both = left * right
        ahead = product(s, both, self.gemm.direct(both))
        pull = product((s * c).t(), s, self.gemm.direct(s))
        self._back(p, right.mul_(pull), p.w, asked=False)
        self._back(q, q.w.t(), left.mul_(pull), asked=False)
        self._down([_pull(p, ahead * c) if p.layer.act.name in BENT else None])
        return (ahead * s).sum(1), None

    def _slope(self, p: Passed) -> Tensor:
        y = p.y.to(self.kind)
        return p.layer.act.back(torch.ones_like(y), y)

    def _ahead(self, p: Passed, t: Tensor) -> Tensor:
        """`W t`."""
        return p.bare.run(t, low=p.low)[0] if p.bare else self.gemm.input_grad(t, p.w.t(), p.layer.direct)

    def _back(self, p: Passed, g: Tensor, t: Tensor, asked: bool) -> Tensor:
        """From `g` at `W t`: adds to the gradient of W; the gradient at t if `asked`."""
        if p.bare:
            down = p.bare.back((t, g, g, p.low), g, asked)
            return g if down is None else down
        kind = self.layers[0].x.dtype
        g = g.to(kind)
        self.gemm.add_grads(g, t.to(kind), p.layer.w_grad, torch.empty_like(p.layer.b_grad))
        return self.gemm.input_grad(g, p.w, p.layer.direct) if asked else g

    def _down(self, pulls: list[Tensor | None]) -> None:
        """Back from pulls at the outputs of the first layers."""
        g: Tensor | None = None
        for i in range(len(pulls) - 1, -1, -1):
            p, pull = self.layers[i], pulls[i]
            g = pull if g is None else g if pull is None else g + pull
            if g is not None:
                g = p.layer.act.back(g.to(p.x.dtype), p.y)
                self.gemm.add_grads(g, p.x, p.layer.w_grad, p.layer.b_grad)
                g = self.gemm.input_grad(g, p.w, p.layer.direct) if i else None


def _pull(p: Passed, at_slope: Tensor) -> Tensor:
    """What a gradient at the slopes is at the output."""
    return at_slope.mul_(BENT[p.layer.act.name](p.y))


def _column(factor: Factor) -> Factor:
    return factor.unsqueeze(-1) if isinstance(factor, Tensor) else factor
