"""Noise taken out: learned from clean images, from pairs, or from the noisy images alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from latently import device as machine
from latently.engine.schedule import Outcome
from latently.errors import BadData, BadParameter
from latently.modalities import Modality
from latently.modalities.crops import Pair
from latently.modalities.waves import as_float
from latently.parts.networks import Residual
from latently.tasks import noisy_tables, typed  # noqa: F401 - tables and texts are among what it cleans
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.noise import swapped
from latently.tasks.noisy_images import Images
from latently.tasks.noisy_sounds import Clips
from latently.tasks.ways import Way, unasked
from latently.tasks.wrong_cells import ColumnCleaned
from latently.values import Batch

__all__ = ["Denoiser"]

BLOCK = 2**16  # samples

_Sort = TypeVar("_Sort", bound=Way)


@dataclass(kw_only=True, eq=False, repr=False)
class Denoiser(OneToOneFeatureMixin, TransformerMixin, Task):
    """Takes noise out of images of any size, of sounds of any length, and of rows of tables and series.

    `fit(clean)` learns to undo noise that is added on purpose; `fit(noisy, clean)` learns from pairs; `fit(noisy)`
    needs nothing clean at all (Noisier2Noise, Moran 2020): noise is added to what is noisy, and from what it takes to
    undo half of the noise follows what it takes to undo all.

    Parameters
    ----------
    noise : "auto", float, str, array or path
        Of images: a standard deviation in the unit of the pixels, "gaussian:25"; a span of them, "gaussian:5-50";
        "uniform:20" (half the width), "salt_and_pepper:.1", "masking:.3" (shares of the pixels). "auto": white noise,
        its strength told from noisy images, and every strength up to a fifth of the range when the images are clean.
        "unknown", for noisy images alone: no more than that the noise of a pixel tells nothing of its neighbours'
        (Noise2Void, Krull 2019); worse than "gaussian" where that is true.
        Of sounds: white noise at a ratio of sound to noise in dB, "white:5"; at every ratio of a span, "white:-5-20",
        which is what "auto" means with clean clips; or a recording of the noise, the path of a file or an array at the
        rate of the clips, of which pieces are mixed in at -5 to 20 dB. Of noisy clips alone the strength is always told
        from the clips.
        Of tables "auto" is "swap": cells that contradict the rest of their row are replaced, and all others come back
        to the bit; how many are wrong, at most 5 %, is measured, or said: "swap:.02". A number, or "gaussian:.3", is
        white noise in all numbers, in standard deviations of their columns ("gaussian": at most .3, less where
        measured so), and {"weight": 0.5} that of some columns, in their units.
        In series the unit is a channel's standard deviation, and "auto" is 0.3. In texts it is "typos:.1",
        the share of letters or pieces that is swapped, left out, doubled or replaced.
    clean : bool or "auto"
        Whether what is fitted is clean. "auto" measures: white noise of less than 2 % of the range of the pixels, or
        more than 20 dB softer than the sound, counts as clean; so do clips that come with a recording of noise. Say
        `clean=False` when the noise is weaker than that, and `clean=True` when clean images are grainy, or clean clips
        hiss. Tables are noisy unless it is True.
    passes : int or "auto"
        How many predictions are averaged: of images, turned and mirrored if crops were; and each with noise of its own
        where the fit had noisy data alone. "auto": 4 of images, 1 of sounds, with noisy data alone 8. Images of over
        four megapixels are seen once, as they are (.1 dB less; a pass of twelve takes five seconds).

    Attributes
    ----------
    noise_ : dict
        What was taken for the noise: "sort", "low" and "high" (strengths, None where unknown), "clean", and
        "measured", the standard deviation that was told from the images, or the ratio of sound to noise in dB (None for
        tables and pairs).
    report_ : list of ColumnCleaned
        Of tables, what cleaning does to each column, told from held-out rows that were as noisy as the others: the
        error left of white noise; of wrong cells the shares that are found, mended and broken.
    history_, held_out_, alarms_, model_ : fitted state, as `Autoencoder`'s

    Notes
    -----
    Images are learned from as crops of up to 64 x 64 pixels at their own resolution, and cleaned in tiles that overlap.
    Sounds are learned from as pieces of up to a second, each channel by itself and at a loudness of one, so that soft
    and loud are alike; they are cleaned in stretches of some four seconds that pass into each other. Silence stays
    silent. Of a clip of a higher rate than that of the fit, what lies above the model's hearing stays as it is.
    With noisy clips alone no more is taken out than answers as noise does (Stein's lemma), so that clips with less
    noise than those of the fit do not suffer.
    Results have the dtype, range and size, the rate and channels, of what came in. Missing
    cells stay missing; a table is seen through a narrow code only if n_components, kind or network ask for one.
    Of texts only words that the fit did not have are changed.

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
    judged = "images or sounds without noise: psnr(noisy, clean), si_sdr(noisy, clean)"
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
        """Learn from images or sounds `X`, noisy or clean, or from noisy ones and the same clean, `y`.

        For tables and series `y` is ignored.
        """
        if self.clean not in (True, False, "auto"):
            raise BadParameter(f"clean={self.clean!r}: expected True, False or 'auto'.")
        self._passes()
        way = Way.of(self, self._modality(X))
        way.check()
        self._fit(X if y is None else way.paired(X, y), None)
        return self

    def _modality(self, data: Any) -> Modality:
        found = super()._modality(data.seen if isinstance(data, Pair) else data)
        return found.suited("walk") if swapped(self.noise) and unasked(self) else found

    @property
    def report_(self) -> list[ColumnCleaned]:
        """Of each column that is cleaned, what that does to it."""
        return [ColumnCleaned(**r) for r in self._facts.get("report", [])]

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        """The kind that undoes this noise, and the pace that suits it."""
        plan, given, self._noise = Way.of(self, plan.data).suited(plan, given, rows)
        return plan, given

    def _keep(self, plan: Blueprint, outcome: Outcome, rows: Batch, curve: Any) -> None:
        super()._keep(plan, outcome, rows, curve)
        self.noise_, self._facts = self._noise, Way.of(self, self.data_).kept(rows)

    def _quiet(self, plan: Blueprint) -> tuple[str, ...]:
        """Of corrections also the mean's: other columns than those with noise are not asked what they say."""
        return (*self.quiet, "no better than the mean") if isinstance(plan.network, Residual) else self.quiet

    def _learn(self, outcome: Outcome, rows: Batch) -> None:
        self._facts |= Way.of(self, self.data_).judged(outcome)

    def _extra(self) -> dict[str, Any]:
        return {"noise": self.noise_} | self._facts

    def _adopt(self, extra: dict[str, Any]) -> None:
        self.noise_, self._facts = extra["noise"], {n: v for n, v in extra.items() if n != "noise"}

    def _passes(self) -> int | None:
        if self.passes == "auto":
            return None
        if not isinstance(self.passes, (int, np.integer)) or isinstance(self.passes, bool) or self.passes < 1:
            raise BadParameter(f"passes={self.passes!r}: expected a whole number, at least 1, or 'auto'.")
        return int(self.passes)

    # ------------------------------------------------------------------ clean

    def transform(self, X: Any) -> Any:
        """The images or sounds of `X` without noise, each in its own dtype and size: an array for an array, or a list.

        Rows of a table come back in the container they came in.
        """
        check_is_fitted(self, "model_")
        machine.fork_safe()
        return Way.of(self, self.data_).cleaned(X, self._passes())

    def psnr(self, X: Any, y: Any) -> float:
        """Peak signal-to-noise ratio of the cleaned images of `X` against the clean ones `y`, dB, mean of the images.

        The peak is the white of integers, and of floats the range of `y`.
        """
        way = self._way(Images, "psnr is for images.")
        made, wanted = way.data.whole(self.transform(X)), way.data.whole(y)
        spread = float(max(image.max() for image in wanted)) - float(min(image.min() for image in wanted))
        ratios = []
        for a, b in zip(made, wanted, strict=True):
            peak = float(np.iinfo(b.dtype).max) if b.dtype.kind in "iu" else spread
            error = float(np.square(a.astype(np.float64) - b).mean())
            ratios.append(10 * np.log10(peak**2 / max(error, 1e-12 * peak**2)))
        return float(np.mean(ratios))

    def si_sdr(self, X: Any, y: Any) -> float:
        """Scale-invariant ratio of sound to distortion of the cleaned clips of `X` against the clean ones `y`, in dB.

        The mean of the clips (Le Roux 2019); clips of silence are left out.
        """
        clips = self._way(Clips, "si_sdr is for sounds.").data
        ratios = []
        for made, wanted in zip(clips.sounds(self.transform(X)), clips.sounds(y), strict=True):
            a, b = (as_float(x).astype(np.float64).ravel() for x in (made, wanted))
            if len(a) != len(b):
                raise BadData(f"a clip of {len(a)} samples and a clean one of {len(b)} are no pair.")
            if b.any():
                shared = a @ b / (b @ b) * b
                tiny = 1e-12 * (a @ a) + 1e-300
                ratios.append(10 * np.log10(max(shared @ shared, tiny) / max(np.square(a - shared).sum(), tiny)))
        return float(np.mean(ratios)) if ratios else float("nan")

    def stream(self, X: Any, *, block: int = BLOCK) -> Iterator[NDArray[Any]]:
        """One clip as it is cleaned: arrays `(block, channels)` after each other, the last one shorter.

        Together they are what `transform` gives. A file is read as it goes, so that memory does not grow with it.
        """
        if not isinstance(block, (int, np.integer)) or isinstance(block, bool) or block < 1:
            raise BadParameter(f"block={block!r}: expected samples of a block, a whole number, at least 1.")
        way = self._way(Clips, "stream is for sounds.")
        found = way.data.sounds(X)
        if len(found) != 1:
            raise BadData(f"got {len(found)} clips; expected one. Stream them one by one.")
        return _in_blocks(way.blocks(found, 0, self._passes()), int(block))

    def _way(self, wanted: type[_Sort], refusal: str) -> _Sort:
        check_is_fitted(self, "model_")
        way = Way.of(self, self.data_)
        if not isinstance(way, wanted):
            raise BadData(f"this model was fitted on {way.what}; {refusal}")
        return way


def _in_blocks(pieces: Iterator[NDArray[Any]], size: int) -> Iterator[NDArray[Any]]:
    """The same samples in arrays of one length."""
    kept: list[NDArray[Any]] = []
    for piece in pieces:
        kept.append(piece)
        whole = sum(map(len, kept))
        if whole >= size:
            joined = np.concatenate(kept)
            yield from (joined[k : k + size] for k in range(0, whole - size + 1, size))
            kept = [joined[whole - whole % size :]]
    rest = np.concatenate(kept)
    if len(rest):
        yield rest
