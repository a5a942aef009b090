"""Noise: how a user names it, how it is told from the images, and the corruption that imitates it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latently.errors import BadParameter
from latently.parts.corruptions import Corruption, Gaussian, GaussianRange, Masking, SaltAndPepper, Swap, Uniform
from latently.parts.typos import Typos

__all__ = ["Noise", "deviation", "noise_named", "swapped"]

SORTS = ("gaussian", "uniform", "masking", "salt_and_pepper", "swap", "typos", "unknown")
SHARES: dict[str, type[Corruption]] = {
    "masking": Masking, "salt_and_pepper": SaltAndPepper, "swap": Swap, "typos": Typos,
}  # fmt: skip
PATCH = 5  # pixels a side; smaller where images are
PLACES = 256  # images, or crops, that are looked at
ALIKE = 1000  # small images: with as many as these, one corner of them all is a place
FLAT = 0.15  # of the places, the least noisy, count: measured 24.6 to 25.1 of 25, 4.9 to 5.5 of 5
BLIND = (0.0, 0.2)  # deviations, as shares of the range, when no strength is named: up to 51 of 255


@dataclass(frozen=True)
class Noise:
    """Additive noise (strengths in user units) or gaps (shares of the pixels); None where the strength is not known."""

    sort: str
    low: float | None = None
    high: float | None = None  #: above `low`: every strength between them

    def corruption(self, unit: float, spread: float) -> Corruption:
        """What makes this noise in model units: `unit` user units are one; `spread` of them is the images' range."""
        shares = SHARES.get(self.sort)
        low, high = self.low, self.high
        if low is None or high is None:
            low, high = (0.3, 0.3) if shares is not None else (BLIND[0] * spread, BLIND[1] * spread)
        if shares is not None:
            return shares(high)
        if self.sort == "unknown":
            raise BadParameter("noise='unknown' cannot be added to clean images; name it, or give noisy ones.")
        if self.sort == "uniform":
            return Uniform(high / unit)
        return Gaussian(high / unit) if low == high else GaussianRange(low / unit, high / unit)


def swapped(noise: Any) -> bool:
    """Whether cells of a table are wrong; "auto" says so of tables."""
    return isinstance(noise, str) and noise.partition(":")[0] in ("auto", "swap")


def noise_named(noise: Any) -> Noise | None:
    """What `noise=` stands for; None for "auto"."""
    refused = BadParameter(
        f"noise={noise!r}: expected 'auto', a standard deviation such as 25, or one of {', '.join(SORTS)}, with a "
        "strength after a colon: 'gaussian:25', 'gaussian:5-50' (every strength between), 'salt_and_pepper:0.1'."
    )
    if isinstance(noise, str) and noise == "auto":
        return None
    text = noise if isinstance(noise, str) else f"gaussian:{noise}"
    sort, _, strength = text.partition(":")
    if sort not in SORTS:
        raise refused
    if not strength:
        return Noise(sort)
    if sort == "unknown":
        raise refused
    try:
        ends = [float(end) for end in strength.split("-", 1 if sort == "gaussian" else 0)]
    except ValueError:
        raise refused from None
    limit = 1.0 if sort in SHARES else float("inf")
    if not 0 <= ends[0] <= ends[-1] < limit or ends[-1] <= 0:
        raise refused
    return Noise(sort, ends[0], ends[-1])


@torch.no_grad()
def deviation(images: Tensor) -> float:
    """The standard deviation of white noise in images `(n, channels, height, width)`, told from themselves (Chen 2015).

    Clean patches lie near a space of few dimensions, so the least principal variances of noisy ones are the noise's
    alone: as many of them as have a mean no greater than their median. Among many places the flat ones tell it best;
    there it is least. A place is one image; of many small images, a patch at one position in all of them.
    """
    n, channels, height, width = images.shape
    side = min(PATCH, height, width)
    planes = images.reshape(n * channels, 1, height, width)
    alike = len(planes) >= ALIKE and (height - side + 1) * (width - side + 1) < ALIKE
    planes = planes[:: max(1, len(planes) // (4 * ALIKE if alike else PLACES))]
    patches = torch.nn.functional.unfold(planes, side)  # (planes, patch, places)
    patches = patches.permute(2, 0, 1) if alike else patches.transpose(1, 2)
    centred = patches - patches.mean(1, keepdim=True)
    covariances = centred.transpose(1, 2) @ centred / centred.shape[1]
    found = [_shared(v) for v in torch.linalg.eigvalsh(covariances.double())]
    return float(torch.tensor(found).quantile(FLAT).clamp(min=0).sqrt())


def _shared(variances: Tensor) -> float:
    """What the least of these have in common, in ascending order."""
    for count in range(len(variances), 1, -1):
        part = variances[:count]
        if float(part.mean()) <= float(part.median()):
            return float(part.mean())
    return float(variances[0])
