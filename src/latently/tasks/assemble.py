"""From options and data to an untrained composition; what cannot work is refused here, with the numbers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from torch import nn

from latently import device as machine
from latently import rng as chance
from latently.engine.pack import COPIES
from latently.errors import BadParameter
from latently.modalities import Modality
from latently.model import Composition, Parts
from latently.parts.bottlenecks import Identity
from latently.parts.doors import Door
from latently.parts.likelihoods import AbsoluteError, Huber, Likelihood, SquaredError
from latently.parts.networks import Dense, Design, Ends, Gemm, Network, Wrapped
from latently.recipes import Recipe
from latently.values import Sizes

__all__ = ["Blueprint", "network_of"]

_FIXED: dict[str, Likelihood] = {
    "squared_error": SquaredError(), "mean_squared_error": SquaredError(mean=True), "l1": AbsoluteError(),
    "huber": Huber(),
}  # fmt: skip


def network_of(network: Any, data: Modality | None = None) -> Design | tuple[nn.Module, nn.Module]:
    """What `network=` stands for: "auto" (what `data` calls for), widths, a design, or two torch modules."""
    if isinstance(network, Design):
        return network
    if isinstance(network, str) and network == "auto":
        return Dense() if data is None else data.network()
    if isinstance(network, Integral) and not isinstance(network, bool):
        return Dense(hidden=(int(network),))
    if isinstance(network, Sequence) and not isinstance(network, str):
        if len(network) == 2 and all(isinstance(n, nn.Module) for n in network):
            return network[0], network[1]
        if all(isinstance(w, Integral) and not isinstance(w, bool) for w in network):
            return Dense(hidden=tuple(int(w) for w in network))
    raise BadParameter(
        f"network={network!r}: expected 'auto', hidden widths such as (64, 32), a Dense(...), or (encoder, decoder)."
    )


@dataclass(frozen=True)
class Blueprint:
    """All that fixes a composition but its chance: build it as often as needed."""

    recipe: Recipe
    network: Design | tuple[nn.Module, nn.Module]
    data: Modality
    loss: str
    code: int
    rows: int
    device: torch.device
    precision: str
    masked: bool = False  #: whether the encoder sees a mask though no cell of the fit is missing

    def sizes(self) -> Sizes:
        """What the parts may know."""
        low, high = self.data.limits()
        return Sizes(self.data.cells, self.code, self.rows, low, high, self.data.levels, self.data.shape)

    def parts(self) -> Parts:
        """The recipe's parts, checked and bound."""
        sizes = self.sizes()
        self.recipe.check(sizes)
        return self.data.spoiled(self.recipe.parts(self.code)).bind(sizes)

    def likelihood(self, parts: Parts) -> Likelihood:
        """By `loss`, or by what the kind and the columns call for."""
        loss = parts.loss if self.loss == "auto" else self.loss
        likelihood = self.data.likelihood(None if loss == "likelihood" else _FIXED[loss])
        return likelihood.bind(self.sizes())

    def check(self) -> None:
        """Raise on what cannot work, before anything is trained."""
        self.build(chance.child(0, "check"))

    def build(self, rng: torch.Generator) -> Composition:
        """A fresh composition, its weights drawn from `rng`."""
        parts = self.parts()
        likelihood = self.likelihood(parts)
        door = self.data.door(self.masked)
        encoder, decoder = self._networks(door, parts, likelihood, rng)
        model = Composition(door, encoder, decoder, likelihood, parts, self.code)
        gemm = Gemm(**machine.products(self.device, self.precision))
        for module in model.modules():
            if isinstance(module, Network):
                module.gemm = gemm
        return model.to(self.device)

    def _networks(
        self, door: Door, parts: Parts, likelihood: Likelihood, rng: torch.Generator
    ) -> tuple[Network, Network]:
        ends = self._ends(door.width, parts, likelihood)
        if not isinstance(self.network, Design):
            return self._wrapped(ends)
        self._afford(self.network.count(ends))
        return self.network.build(ends, rng)

    def _ends(self, inputs: int, parts: Parts, likelihood: Likelihood) -> Ends:
        delivered, outputs = parts.bottleneck.inputs(self.code), likelihood.width(self.data.cells)
        last = parts.bottleneck.activation
        free = isinstance(parts.bottleneck, Identity) and not parts.penalties
        return Ends(inputs, delivered, self.code, outputs, self.rows, last, self.data.shape, self.data.levels, free)

    def _wrapped(self, ends: Ends) -> tuple[Network, Network]:
        assert not isinstance(self.network, Design)
        pair = [copy.deepcopy(n) for n in self.network]
        sizes = ((ends.inputs, ends.delivered), (ends.code, ends.outputs))
        for name, module, (a, b) in zip(("encoder", "decoder"), pair, sizes, strict=True):
            with torch.no_grad():
                try:
                    y = module.cpu()(torch.zeros(2, a))
                except (RuntimeError, TypeError, ValueError, IndexError) as problem:
                    raise BadParameter(f"network: the {name} refuses rows of {a} numbers ({problem}).") from None
            got = tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
            if got != (2, b):
                raise BadParameter(f"network: the {name} maps (2, {a}) to {got}; expected (2, {b}).")
        encoder, decoder = (Wrapped(m, a, b) for m, (a, b) in zip(pair, sizes, strict=True))
        return encoder, decoder

    def _afford(self, count: int) -> None:
        need, have = count * 4 * COPIES, machine.memory(self.device)
        if have is not None and need > have:
            raise BadParameter(
                f"this network has {count:,} parameters and needs about {need / 2**30:.1f} GiB to train; "
                f"{self.device} has {have / 2**30:.1f} GiB. Choose narrower layers (network=(256, 64), say), or give "
                f"fewer {self.data.noun}s."
            )

    def work(self) -> int:
        """Multiplications a row in one pass, for choosing threads."""
        return self.network.work(self._alone()) if isinstance(self.network, Design) else 10**6

    def pace(self) -> dict[str, Any]:
        """What "auto" stands for in a plan of training with these networks."""
        return self.network.plan(self._alone()) if isinstance(self.network, Design) else {}

    def _alone(self) -> Ends:
        """The networks' ends before the parts have a say."""
        width = sum(n or 1 for n in self.data.levels)
        return Ends(width, self.code, self.code, width, self.rows, None, self.data.shape, self.data.levels)
