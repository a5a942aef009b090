"""Networks: encoders and decoders, each with a forward and a backward pass that the training step walks."""

from latently.parts.networks.activations import ACTIVATIONS
from latently.parts.networks.base import Design, Ends, Network, Wrapped
from latently.parts.networks.conv import Conv
from latently.parts.networks.dense import Dense
from latently.parts.networks.dictionary import Dictionary
from latently.parts.networks.gemm import Gemm
from latently.parts.networks.lexical import Lexical
from latently.parts.networks.mlp import MLP, Skip
from latently.parts.networks.pyramid import Pyramid
from latently.parts.networks.recurrent import Recurrent
from latently.parts.networks.residual import Residual
from latently.parts.networks.shapes import Shaped
from latently.parts.networks.spectral import Spectral
from latently.parts.networks.temporal import Temporal
from latently.parts.networks.tokens import Reader

__all__ = [
    "ACTIVATIONS", "MLP", "Conv", "Dense", "Design", "Dictionary", "Ends", "Gemm", "Lexical", "Network", "Pyramid",
    "Reader", "Recurrent", "Residual", "Shaped", "Skip", "Spectral", "Temporal", "Wrapped",
]  # fmt: skip
