"""Parts of a composition, one idea a class: pure torch, no device, chance only from the generator they are given."""

from latently.parts.bottlenecks import Bottleneck, Identity, Normal
from latently.parts.bounds import Bound, ImportanceWeighted, Single
from latently.parts.clustered import Clustered
from latently.parts.corruptions import (
    Chain,
    Corruption,
    Gaussian,
    GaussianRange,
    Masking,
    Remasking,
    SaltAndPepper,
    Swap,
    Uniform,
)
from latently.parts.hiss import Mixed, Remixed
from latently.parts.kept import BatchTopK, TopK
from latently.parts.neighbours import Contrast, Neighbours
from latently.parts.networks import Conv, Dense, Dictionary, Network, Pyramid, Spectral
from latently.parts.part import Part
from latently.parts.penalties import Contraction, Penalty
from latently.parts.quantised import FSQ, Quantised, VectorQuantised
from latently.parts.rounded import Rounded
from latently.parts.sparse import L1, KLSparse
from latently.parts.spatial import BlindSpot, Block, Shift
from latently.parts.typos import Typos

__all__ = [
    "FSQ",
    "L1",
    "BatchTopK",
    "BlindSpot",
    "Block",
    "Bottleneck",
    "Bound",
    "Chain",
    "Clustered",
    "Contraction",
    "Contrast",
    "Conv",
    "Corruption",
    "Dense",
    "Dictionary",
    "Gaussian",
    "GaussianRange",
    "Identity",
    "ImportanceWeighted",
    "KLSparse",
    "Masking",
    "Mixed",
    "Neighbours",
    "Network",
    "Normal",
    "Part",
    "Penalty",
    "Pyramid",
    "Quantised",
    "Remasking",
    "Remixed",
    "Rounded",
    "SaltAndPepper",
    "Shift",
    "Single",
    "Spectral",
    "Swap",
    "TopK",
    "Typos",
    "Uniform",
    "VectorQuantised",
]
