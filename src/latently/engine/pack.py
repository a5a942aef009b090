"""A model's parameters as one flat vector, its gradients as another, and the optimiser that steps them at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latently import native
from latently.engine.plan import Plan
from latently.parts.networks import Network

__all__ = ["COPIES", "Packed"]

COPIES = 12  # of the parameters that a fit holds: weights, gradients, moments, averages, the best, the last good
ALIGN = 16  # floats: each parameter starts on a cache line
BETAS = (0.9, 0.99)
EPS = 1e-12  # gradients are per cell, hence small


class Packed:
    """Matrices first (decayed), then the rest. While packed, parameters and their gradients are views."""

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        self.model = model
        params = [p for p in model.parameters() if p.requires_grad]
        self.params = sorted(params, key=lambda p: p.ndim < 2)
        places, end, self.decayed = [], 0, 0
        for p in self.params:
            places.append(end)
            end += -(-p.numel() // ALIGN) * ALIGN
            self.decayed = end if p.ndim >= 2 else self.decayed
        like = self.params[0]
        self.flat, self.grad, self.first, self.second = (like.new_zeros(end) for _ in range(4))
        for p, place in zip(self.params, places, strict=True):
            window = slice(place, place + p.numel())
            self.flat[window] = p.detach().flatten()
            p.data = self.flat[window].view_as(p)
            p.grad = self.grad[window].view_as(p)
        self.steps = like.new_zeros(())  # what AdamW counts: steps taken
        self.sound = like.new_ones(())  # whether the latest gradient was finite
        self.matrices = self.flat[: self.decayed]
        self.tried = 0  # steps tried; those not taken had a gradient that was not finite
        self.mean = self.flat.clone()  # running average of the weights
        self.averaged = 0
        self.plan = plan
        vectors, plain = (self.flat, self.grad, self.first, self.second, self.steps), like.device.type == "cpu"
        constants = {
            "decay": plan.weight_decay, "clip": plan.clip, "beta1": BETAS[0], "beta2": BETAS[1], "eps": EPS
        }  # fmt: skip
        own = plain and like.dtype == torch.float32 and native.there()
        self.adam = native.Adam(vectors, self.decayed, **constants) if own else None

    def step(self, rate: float) -> None:
        """Clip, step and clear. A gradient that is not finite is counted and left out; no other device is read."""
        self.tried += 1
        if self.adam is not None:
            self.adam.step(rate)
            return
        norm = torch.linalg.vector_norm(self.grad)
        if self.flat.device.type == "cpu":  # where a number costs less to read than a tensor to work on
            self._step_here(float(norm), rate)
        else:
            self._step_there(norm, rate)
        self.grad.zero_()

    def _step_here(self, norm: float, rate: float) -> None:
        if not math.isfinite(norm):
            return
        self.steps += 1
        if norm > self.plan.clip:
            self.grad.mul_(self.plan.clip / norm)
        if self.plan.weight_decay:
            self.matrices.mul_(1 - rate * self.plan.weight_decay)
        self._adam(rate)

    def _step_there(self, norm: Tensor, rate: float) -> None:
        torch.lt(norm, math.inf, out=self.sound)  # 1 when finite, 0 when not, no synchronisation
        self.steps.add_(self.sound)
        if self.plan.weight_decay:
            self.matrices.mul_(1 - self.sound * (rate * self.plan.weight_decay))
        self._adam(rate, grad_scale=norm.div_(self.plan.clip).clamp_(min=1.0), found_inf=1 - self.sound)

    def _adam(self, rate: float, **checks: Tensor) -> None:
        torch._fused_adamw_(
            [self.flat], [self.grad], [self.first], [self.second], [], [self.steps],
            lr=rate, beta1=BETAS[0], beta2=BETAS[1], weight_decay=0.0, eps=EPS, amsgrad=False, maximize=False, **checks,
        )  # fmt: skip

    def average(self, share: float) -> None:
        """Move the running average of the weights a `share` of the way to the weights."""
        self.averaged += 1
        self.mean.lerp_(self.flat, max(share, 1 / (self.averaged + 1)))

    def state(self) -> dict[str, Tensor]:
        """Every tensor that a resumed run needs, by name (not copies)."""
        return {
            "flat": self.flat, "first": self.first, "second": self.second, "steps": self.steps, "mean": self.mean,
        }  # fmt: skip

    def release(self) -> None:
        """Parameters own their memory again and have no gradients, and nobody remembers where they lay."""
        for p in self.params:
            p.data = p.data.clone()
            p.grad = None
        for module in self.model.modules():
            if isinstance(module, Network):
                module.forget()
