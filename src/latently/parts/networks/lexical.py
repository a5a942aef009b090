"""Networks for counts of thousands of words, described as data."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from latently.parts.networks.base import Design, Ends, Network
from latently.parts.networks.dense import Dense

__all__ = ["Lexical"]


@dataclass
class Lexical(Design):
    """One linear layer each way; beside it, where the code is a distribution, a hidden layer of `hidden` units.

    A code that others read is best a sum over the words of a document: few documents teach no more (news, 32 units:
    probe .83, with a hidden layer .82). The spread of a code is no such sum, and there a hidden layer takes perplexity
    from 1117 to 954 (20 Newsgroups, 50 units, 500 steps; validation parts).
    """

    hidden: int = 256

    def _dense(self, ends: Ends) -> Dense:
        return Dense(hidden=(self.hidden,) if ends.delivered > ends.code else ())

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        return self._dense(ends).count(ends)

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder with fresh weights."""
        return self._dense(ends).build(ends, rng)
