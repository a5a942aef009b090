"""Noise taken out: learned from clean images, from pairs, or from the noisy images alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from latently import device as machine
from latently.engine.schedule import Outcome
from latently.errors import BadData, BadParameter
from latently.modalities import Image, Modality
from latently.modalities.crops import Crops, Pair
from latently.modalities.pictures import accepts
from latently.parts.bottlenecks import Identity
from latently.parts.corruptions import Gaussian
from latently.parts.networks import Pyramid
from latently.parts.networks.pyramid import Descent
from latently.parts.spatial import BlindSpot
from latently.recipes import Compose
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task, modality_of
from latently.tasks.clean import Cleaner
from latently.tasks.noise import Noise, deviation, noise_named
from latently.values import Batch

__all__ = ["Denoiser"]

CLEAN = 0.02  # of the range: noise that is weaker is taken for the grain of clean images (5 of 255)
ALPHA = 0.5  # noise added to noisy images, in units of their own
DRAWS = 8  # of that noise, averaged in prediction
TURNS = 4  # of images, averaged in prediction: on Set12 29.87, 29.95, 29.99 dB with 1, 2, 4 of them
STEPS = 6000
MOST = 400  # epochs
# Noise that stays the same is learned by heart in the end: steps for the root of the number of pixels. Measured on
# photographs: 82k pixels 30.6 dB after 190 steps, 32.5 after 510; 1.8M pixels 28.54 after 2,600, 28.48 after 6,500.
PATIENCE = 2.5
HELD_OUT = 0.1  # of images taken whole: tells when a network learns the noise of its images by heart
RATE = 4e-3
HIDDEN = 0.1  # of the pixels, for a blind spot: .02 and .1 gave 21.7 and 22.0 dB after the same 320 steps
AT_ONCE = 2**16  # pixels a training step


@dataclass(kw_only=True, eq=False, repr=False)
class Denoiser(OneToOneFeatureMixin, TransformerMixin, Task):
    """Takes noise out of images of any size, and of tables.

    `fit(clean)` learns to undo noise that is added on purpose; `fit(noisy, clean)` learns from pairs; `fit(noisy)`
    needs no clean image at all (Noisier2Noise, Moran 2020): noise is added to the noisy images, and from what it takes
    to undo half of the noise follows what it takes to undo all.

    Parameters
    ----------
    noise : "auto", float or str
        A standard deviation in the unit of the pixels, "gaussian:25"; a span of them, "gaussian:5-50"; "uniform:20"
        (half the width), "salt_and_pepper:.1", "masking:.3" (shares of the pixels). "auto": white noise, its strength
        told from noisy images, and every strength up to a fifth of the range when the images are clean. "unknown", for
        noisy images alone: no more than that the noise of a pixel tells nothing of its neighbours' (Noise2Void, Krull
        2019); worse than "gaussian" where that is true. In tables the unit is a column's standard deviation, and
        "auto" is 0.3. In texts it is "typos:.1", the share of letters or pieces that is swapped, left out, doubled or
        replaced.
    clean : bool or "auto"
        Whether the images of the fit are clean. "auto" measures: white noise of less than 2 % of the range of the
        pixels counts as clean, so say `clean=False` when the noise is weaker than that, and `clean=True` when clean
        images are grainy.
    passes : int or "auto"
        How many predictions are averaged: turned and mirrored if crops were, and each with noise of its own where the
        fit had noisy images alone. "auto": 4, with noisy images alone 8. Images of over
        four megapixels are seen once, as they are (.1 dB less; a pass of twelve takes five seconds).

    Attributes
    ----------
    noise_ : dict
        What was taken for the noise: "sort", "low" and "high" (strengths, None where unknown), "clean", and
        "measured", the standard deviation that was told from the images (None for tables and pairs).
    history_, held_out_, alarms_, model_ : fitted state, as `Autoencoder`'s

    Notes
    -----
    Images are learned from as crops of up to 64 x 64 pixels at their own resolution, and cleaned in tiles that overlap.
    Results have the dtype, range and size of what came in. Rows of a table are reconstructed through a narrow code;
    missing cells stay missing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from latently import Denoiser
    >>> clean = load_digits().images
    >>> denoiser = Denoiser(noise=4, clean=True, epochs=1, random_state=0).fit(clean)
    >>> denoiser.transform(clean + np.random.default_rng(0).normal(0, 4, clean.shape)).shape
    (1797, 8, 8)
    """

    job = "denoise"
    judged = "images without noise: psnr(noisy, clean)"
    quiet = ("no better than PCA", "overfit")

    noise: Any = "auto"
    clean: bool | Literal["auto"] = "auto"
    passes: int | Literal["auto"] = "auto"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from images `X`, noisy or clean, or from noisy ones and the same images clean, `y`.

        For tables `y` is ignored.
        """
        noise_named(self.noise)
        self._passes(alone=False)
        if self.clean not in (True, False, "auto"):
            raise BadParameter(f"clean={self.clean!r}: expected True, False or 'auto'.")
        paired = y is not None and isinstance(modality_of(self.data, X), Image)
        if paired and not accepts(y):
            raise BadData("y is no images; expected the images of X without noise, or nothing.")
        self._fit(Pair(X, y) if paired else X, None)
        return self

    def _modality(self, data: Any) -> Modality:
        return super()._modality(data.seen if isinstance(data, Pair) else data)

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        """The kind that undoes this noise, and the pace that suits it."""
        noise, parts = noise_named(self.noise), plan.recipe.parts(1)
        if not isinstance(plan.data, Crops):
            told = noise or noise_named(plan.data.noise) or Noise("gaussian", 0.3, 0.3)
            self._noise = asdict(told) | {"clean": True, "measured": None}
            corruption = parts.corruption or told.corruption(1.0, 1.0)
            kind = Compose(corruption, parts.bottleneck, parts.penalties, parts.bound, parts.emphasis, parts.loss)
            return replace(plan, recipe=kind), given
        if not isinstance(plan.network, Pyramid) or not isinstance(parts.bottleneck, Identity) or parts.penalties:
            raise BadParameter("images are cleaned by convolutions alone: leave kind, and network (or a Pyramid(...)).")
        if rows.given is not None:
            self._noise = {"sort": "pairs", "low": None, "high": None, "clean": False, "measured": None}
            kind, network = Compose(loss="l1"), plan.network
        else:
            kind, network = self._noised(plan.data, plan.network, rows, noise)
        own = {"n_components": network.code(plan.data.shape)} | self._pace(plan.data, rows)
        return replace(plan, recipe=kind, network=network), own | {n: v for n, v in given.items() if v != "auto"}

    def _pace(self, data: Crops, rows: Batch) -> dict[str, Any]:
        """The numbers of the plan that suit images."""
        judged = HELD_OUT if data.whole_ and len(rows) >= 10 / HELD_OUT else None  # crops overlap
        batch = min(len(rows), max(16, min(256, AT_ONCE // rows.cells, len(rows) // 40)))
        patient = self._noise["clean"] or self._noise["sort"] == "unknown"
        steps = STEPS if patient else min(STEPS, PATIENCE * data.pixels_**0.5)
        epochs = min(MOST, max(1, round(steps * batch / len(rows))))
        return {"validation": judged, "learning_rate": RATE, "batch_rows": batch, "epochs": epochs}

    def _noised(self, data: Crops, network: Pyramid, rows: Batch, noise: Noise | None) -> tuple[Compose, Pyramid]:
        """The kind and network for images alone, clean or noisy."""
        unit, spread = float(data.scale_.mean()), float((data.high_ - data.low_).max())
        measured = deviation(rows.x.view(-1, *data.shape)) * unit
        clean = measured < CLEAN * spread if self.clean == "auto" else bool(self.clean)
        told = noise or (Noise("gaussian") if clean else Noise("gaussian", measured, measured))
        self._noise = asdict(told) | {"clean": clean, "measured": measured}
        if clean:
            return Compose(told.corruption(unit, spread), loss="l1"), network
        if told.sort == "unknown":
            return Compose(BlindSpot(HIDDEN), emphasis=1.0), replace(network, residual=False)
        if told.sort != "gaussian":
            raise BadParameter(
                f"noise={self.noise!r}: from noisy images alone only 'gaussian' noise can be learned, or noise of "
                "which no more is known than that pixels do not share it, 'unknown'. Give pairs, fit(noisy, clean), "
                "or say clean=True if these images are clean."
            )
        sigma = measured if told.low is None or told.low != told.high else told.low
        self._noise |= {"low": sigma, "high": sigma}
        gain = ALPHA**2 / (1 + ALPHA**2)
        return Compose(Gaussian(max(ALPHA * sigma / unit, 1e-6))), replace(network, gain=gain)

    def _keep(self, plan: Blueprint, outcome: Outcome, rows: Batch, curve: Any) -> None:
        super()._keep(plan, outcome, rows, curve)
        self.noise_, self._turns = self._noise, isinstance(self.data_, Crops) and not self.data_.whole_
        if isinstance(self.network_, Pyramid):
            self.codes_ = self.codes_[:1]  # a code is as large as many images
            self.network_ = replace(self.network_, gain=1.0)
            assert isinstance(self.model_.decoder, Descent)
            self.model_.decoder.gain = 1.0

    def _extra(self) -> dict[str, Any]:
        return {"noise": self.noise_, "turns": self._turns}

    def _adopt(self, extra: dict[str, Any]) -> None:
        self.noise_, self._turns = extra["noise"], extra["turns"]

    def _passes(self, alone: bool) -> int:
        if self.passes == "auto":
            return DRAWS if alone else TURNS
        if not isinstance(self.passes, (int, np.integer)) or isinstance(self.passes, bool) or self.passes < 1:
            raise BadParameter(f"passes={self.passes!r}: expected a whole number, at least 1, or 'auto'.")
        return int(self.passes)

    # ------------------------------------------------------------------ clean

    def transform(self, X: Any) -> Any:
        """The images of `X` without noise, each in its own dtype and size: a stack for a stack, else a list.

        Rows of a table come back in the container they came in.
        """
        check_is_fitted(self, "model_")
        machine.fork_safe()
        if not isinstance(self.network_, Pyramid):
            batch = self._batch(X)
            cells = self._map(lambda b: self.model_.decode(self.model_.encode(b)), batch)
            known = ~self.data_.gaps(self, X)
            return self.data_.rebuilt(self.data_.values(torch.from_numpy(cells)), X, known)
        done = list(self._cleaner().each(self._crops().whole(X)))
        return np.stack(done).reshape(X.shape) if isinstance(X, np.ndarray) else done

    def psnr(self, X: Any, y: Any) -> float:
        """Peak signal-to-noise ratio of the cleaned images of `X` against the clean ones `y`, dB, mean of the images.

        The peak is the white of integers, and of floats the range of `y`.
        """
        made, wanted = self._crops().whole(self.transform(X)), self._crops().whole(y)
        spread = float(max(image.max() for image in wanted)) - float(min(image.min() for image in wanted))
        ratios = []
        for a, b in zip(made, wanted, strict=True):
            peak = float(np.iinfo(b.dtype).max) if b.dtype.kind in "iu" else spread
            error = float(np.square(a.astype(np.float64) - b).mean())
            ratios.append(10 * np.log10(peak**2 / max(error, 1e-12 * peak**2)))
        return float(np.mean(ratios))

    def _crops(self) -> Crops:
        if not isinstance(self.data_, Crops):
            raise BadData("this model was fitted on a table; psnr is for images.")
        return self.data_

    def _cleaner(self) -> Cleaner:
        data, alone = self._crops(), not self.noise_["clean"] and self.noise_["sort"] == "gaussian"
        sigma = ALPHA * float(self.noise_["high"]) / float(data.scale_.mean()) if alone else 0.0
        return Cleaner(self.model_, data, self._passes(alone), sigma, self._turns, sparing=self.passes == "auto")
