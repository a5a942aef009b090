"""The denoiser on sound: less noise than it got in every mode, in the form that came in, by stretches nobody hears."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from latently import Audio, Denoiser, Series, load, save
from latently.errors import BadData, BadParameter
from latently.modalities.crops import Pair
from latently.modalities.snippets import Snippets
from latently.modalities.soundfiles import write
from latently.modalities.waves import resampled
from latently.parts.frames import Frames, loudness
from latently.parts.hiss import Mixed, Remixed, floor
from latently.parts.networks import Spectral
from latently.tasks import silence
from latently.tasks.noisy_sounds import Clips, hiss_named

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

RATE = 2000
SMALL = Spectral((8, 16), window=64)
SOUND = Audio(rate=RATE)


def tone(seed: int, length: int) -> np.ndarray:
    """Tones with overtones and pauses, float64, as loud as speech."""
    draw = np.random.default_rng(seed)
    t = np.arange(length) / RATE
    pitch = draw.uniform(60, 200) * (1 + 0.1 * np.sin(2 * np.pi * draw.uniform(1, 3) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voiced = sum(np.sin(k * phase + draw.uniform(0, 6)) / k for k in (1, 2, 3))
    return 0.2 * voiced * np.clip(np.sin(2 * np.pi * draw.uniform(1, 2) * t), 0, None)


def noisy(clean: list[np.ndarray], seed: int, ratio: float = 5.0) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [c + draw.normal(0, np.sqrt(np.mean(c**2)) * 10 ** (-ratio / 20), c.shape) for c in clean]


def ratio(made: list[np.ndarray], clean: list[np.ndarray]) -> float:
    """Mean signal-to-noise ratio, dB."""
    return float(
        np.mean([10 * np.log10(np.sum(c**2) / np.sum((m - c) ** 2)) for m, c in zip(made, clean, strict=True)])
    )


def denoiser(**options) -> Denoiser:
    return Denoiser(**{"data": SOUND, "network": SMALL, "epochs": 3, "random_state": 0} | options)


@pytest.fixture(scope="module")
def clean() -> list[np.ndarray]:
    return [tone(i, 1500 + 20 * i) for i in range(30)]


@pytest.fixture(scope="module")
def test_clips() -> list[np.ndarray]:
    return [tone(100 + i, 1800) for i in range(8)]


@pytest.fixture(scope="module")
def trained(clean) -> Denoiser:
    return denoiser().fit(clean)


@pytest.fixture(scope="module")
def alone(clean) -> Denoiser:
    return denoiser(epochs=4).fit(noisy(clean, 1))


# ---------------------------------------------------------------- less noise


def test_learned_from_clean_clips_it_takes_noise_out_of_others(trained, test_clips):
    assert trained.noise_["clean"] is True
    for level in (0, 10):
        seen = noisy(test_clips, 2, level)
        assert ratio(trained.transform(seen), test_clips) > ratio(seen, test_clips) + 4


def test_learned_from_noisy_clips_alone_it_takes_noise_out(alone, test_clips):
    assert alone.noise_["clean"] is False
    assert alone.noise_["measured"] == pytest.approx(5, abs=1.5)
    seen = noisy(test_clips, 2)
    assert ratio(alone.transform(seen), test_clips) > ratio(seen, test_clips) + 3


def test_pairs_teach_noise_of_any_sort(clean, test_clips):
    def whistled(clips: list[np.ndarray], seed: int) -> list[np.ndarray]:
        pitches = np.random.default_rng(seed).uniform(700, 900, len(clips))
        return [c + 0.1 * np.sin(2 * np.pi * f * np.arange(len(c)) / RATE) for c, f in zip(clips, pitches, strict=True)]

    model = denoiser(epochs=2).fit(whistled(clean, 1), clean)
    seen = whistled(test_clips, 2)
    assert model.noise_["sort"] == "pairs"
    assert ratio(model.transform(seen), test_clips) > ratio(seen, test_clips) + 3


def test_a_recording_of_the_noise_teaches_that_noise(clean, test_clips, tmp_path):
    def hum(length: int, start: int) -> np.ndarray:
        t = (start + np.arange(length)) / RATE
        return sum(np.sin(2 * np.pi * f * t) for f in (310, 455, 620)) * 0.1

    write(tmp_path / "hum.wav", hum(6000, 0).astype(np.float32), RATE)
    seen = [c + hum(len(c), 9000) for c in test_clips]
    model = denoiser(noise=str(tmp_path / "hum.wav"), epochs=2).fit(clean)
    assert model.noise_["sort"] == "recording"
    assert ratio(model.transform(seen), test_clips) > ratio(seen, test_clips) + 5
    same = Clips(model, model.data_).recorded(hum(6000, 0).astype(np.float32))
    assert_array_equal(same, Clips(model, model.data_).recorded(tmp_path / "hum.wav"))


@pytest.mark.parametrize("level", [15, 20, 30])
def test_clips_with_less_noise_than_those_of_the_fit_are_never_worse_for_it(alone, test_clips, level):
    seen = noisy(test_clips, 2, level)
    assert ratio(alone.transform(seen), test_clips) >= ratio(seen, test_clips) - 0.001
    assert ratio(alone.transform(test_clips), test_clips) > 30


def test_a_recording_helps_where_clips_have_its_noise_already(clean, test_clips):
    def coloured(length: int, seed: int) -> np.ndarray:
        return np.convolve(np.random.default_rng(seed).normal(0, 0.05, length + 7), np.ones(8), "valid")

    model = denoiser(noise=coloured(6000, 0).astype(np.float32), clean=False, epochs=4)
    model.fit([c + coloured(len(c), i) for i, c in enumerate(clean, 1)])
    for loud, gain in ((1.0, 2.5), (0.1, 0)):
        seen = [c + loud * coloured(len(c), 50 + i) for i, c in enumerate(test_clips)]
        assert ratio(model.transform(seen), test_clips) >= ratio(seen, test_clips) + gain - 0.001


def test_of_what_was_taken_out_only_noise_stays_out():
    rng = torch.Generator().manual_seed(0)
    noise, sound = torch.randn(1, 16_384, generator=rng), 2 * torch.sin(torch.arange(16_384) * 0.3)[None]
    part = Remixed(0.5, 64)

    def share(x: torch.Tensor, keeps: float) -> float:
        """How much of what a cleaner that lets `keeps` of all sound through took away stays away."""
        seen = torch.stack([part(x, torch.Generator().manual_seed(i)) for i in range(1, 9)])
        left = part.spared(x, seen, keeps * seen)
        return float((x - left).square().sum() / (x - keeps * x).square().sum()) ** 0.5

    assert share(noise, 0.0) == pytest.approx(1, abs=0.05)
    assert share(noise, 0.5) == pytest.approx(1, abs=0.05)  # it removes too little: all of that is noise
    assert share(sound + noise, 0.0) < 0.7  # a tone in one band of eight
    assert share(sound, 0.0) < 0.02


def test_clean_clips_lose_little(trained, test_clips):
    assert ratio(trained.transform(test_clips), test_clips) > 15


def test_loud_and_soft_are_cleaned_alike(trained, test_clips):
    seen = noisy(test_clips, 2)[0]
    assert_allclose(trained.transform([seen * 0.001])[0] * 1000, trained.transform([seen])[0], atol=2e-3)


# ---------------------------------------------------------------- how strong the noise is


@pytest.mark.parametrize("level", [0, 10, 20])
def test_the_noise_in_each_piece_is_told_from_it(level, clean):
    batch, _ = Snippets(rate=RATE).learn(Denoiser(), noisy(clean, 3, level), None, False)
    told = float((floor(batch.x, 64, torch.ones(32)) ** 2).mean())
    assert 10 * np.log10((1 - told) / told) == pytest.approx(level, abs=1.5)


def test_noise_is_mixed_at_the_ratio_that_was_asked_for():
    x = torch.randn(50, 4000, generator=torch.Generator().manual_seed(0)) * 3
    x[:, 3000:] = 0
    for part in (Mixed(5.0, 5.0), Mixed(5.0, 5.0, 100).keep(torch.arange(100.0).sub(49.5))):
        added = part(x, torch.Generator().manual_seed(1)) - x
        assert_allclose(20 * torch.log10(loudness(x) / loudness(added[:, :3000])), 5, atol=0.5)


def test_noise_is_added_again_in_proportion_to_what_is_there():
    noise = torch.randn(20, 4096, generator=torch.Generator().manual_seed(0))
    added = Remixed(0.5, 64)(noise, torch.Generator().manual_seed(1)) - noise
    assert_allclose(loudness(added), 0.5, atol=0.06)


def test_a_spectrum_comes_back_as_the_sound_it_was():
    x = torch.randn(3, 512, generator=torch.Generator().manual_seed(0))
    frames = Frames(512, 64)
    assert tuple(frames.spectrum(x).shape) == (3, frames.bins, frames.count)
    assert_allclose(frames.sound(frames.spectrum(x)), x, atol=1e-5)
    assert float(frames.spectrum(x).abs().square().mean().sqrt()) == pytest.approx(1, abs=0.05)


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", "float32", "float64"])
def test_results_have_the_form_of_what_came_in(trained, dtype):
    full = {"int16": 32767, "int32": 2**31 - 1, "uint8": 127}.get(dtype, 1.0)
    shift = 128 if dtype == "uint8" else 0
    whole = (tone(5, 900) * full + shift).astype(dtype)
    for clip in (whole, whole[:1], np.stack([whole, whole], 1)):
        (made,) = trained.transform([clip])
        assert (made.shape, made.dtype) == (clip.shape, clip.dtype)
    assert trained.transform(whole).shape == whole.shape
    assert trained.transform(np.stack([whole, whole])).shape == (2, 900)


def test_silence_stays_silence_and_clipped_sound_stays_in_range(trained):
    for silent in (np.zeros(700, np.int16), np.full(700, 128, np.uint8), np.zeros((5000, 2), np.float32)):
        assert_array_equal(trained.transform([silent])[0], silent)
    clipped = (np.sign(tone(3, 900)) * 32767).astype(np.int16)
    made = trained.transform(clipped)
    assert made.dtype == np.int16
    assert np.corrcoef(made, clipped)[0, 1] > 0.5


def test_every_channel_is_cleaned_by_itself(trained, test_clips):
    seen = noisy(test_clips, 2)
    both = trained.transform([np.stack(seen[:2], 1)])[0]
    assert_allclose(both.T, trained.transform(seen[:2]), atol=1e-5)


def test_a_file_of_another_rate_keeps_it(trained, tmp_path):
    draw, t = np.random.default_rng(0), np.arange(6000) / 6000
    whole = (np.sin(2 * np.pi * 200 * t) * 0.3).astype(np.float32)
    low = resampled(draw.normal(0, 0.2, 2000).astype(np.float32), RATE, 6000)
    high = np.sin(2 * np.pi * 2500 * t).astype(np.float32) * 0.1  # which a model of 2,000 samples a second cannot hear
    seen = whole + low + high
    write(tmp_path / "fast.wav", seen, 6000)
    (made,) = trained.transform(str(tmp_path / "fast.wav"))
    assert made.shape == (6000, 1)
    assert ratio([made[:, 0]], [whole + high]) > ratio([seen], [whole + high]) + 3


# ---------------------------------------------------------------- long clips


def test_a_stream_is_the_same_whatever_its_blocks(trained, monkeypatch, tmp_path):
    monkeypatch.setattr(silence, "TILE", 96)
    seen = noisy([tone(7, 20_000)], 2)[0].astype(np.float32)
    write(tmp_path / "long.wav", seen, RATE)
    whole = trained.transform(seen)
    for block in (1, 777, 30_000):
        pieces = list(trained.stream(str(tmp_path / "long.wav"), block=block))
        assert {len(p) for p in pieces[:-1]} <= {block}
        assert_array_equal(np.concatenate(pieces)[:, 0], whole)


def test_nobody_hears_the_seams(trained, monkeypatch):
    seen = noisy([tone(7, 20_000)], 2)[0]
    whole = trained.transform(seen)
    monkeypatch.setattr(silence, "TILE", 160)
    cut = trained.transform(seen)
    assert not np.array_equal(whole, cut)  # there were seams
    assert ratio([cut], [whole]) > 12
    assert np.abs(np.diff(cut)).max() < 1.2 * np.abs(np.diff(whole)).max()


def test_a_result_does_not_depend_on_the_clips_beside_it(alone, test_clips):
    seen = noisy(test_clips, 2)
    assert_array_equal(alone.transform(seen)[3], alone.transform(seen[3:4])[0])


# ---------------------------------------------------------------- rows of other kinds


def test_a_series_loses_noise_and_keeps_its_gaps():
    clean = np.sin(np.arange(1500) / 6)[:, None] * [1, 2]
    seen = clean + np.random.default_rng(0).normal(0, 0.3, clean.shape)
    seen[100:105, 1] = np.nan
    made = Denoiser(4, data=Series(), epochs=3, random_state=0).fit(seen).transform(seen)
    assert_array_equal(np.isnan(made), np.isnan(seen))
    assert np.nanmean((made - clean) ** 2) < 0.3 * np.nanmean((seen - clean) ** 2)


# ---------------------------------------------------------------- snippets


def test_pieces_of_a_pair_lie_at_the_same_places_and_ends_are_unknown(clean):
    batch, _ = Snippets(rate=RATE).learn(Denoiser(), Pair([2 * c for c in clean], clean), None, False)
    assert batch.given is not None
    assert_allclose(batch.given, 2 * batch.x, atol=1e-6)
    assert batch.known is not None
    assert not bool(batch.x[~batch.known].any())
    assert_allclose((batch.given.square().sum(1) / batch.known.sum(1)).sqrt(), 1, atol=1e-4)


# ---------------------------------------------------------------- promises of every task


def test_the_same_seed_gives_the_same_bytes_and_leaves_chance_alone(clean, tmp_path):
    before = torch.get_rng_state()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        save(denoiser(random_state=seed, epochs=1, network=Spectral((4,), window=64)).fit(clean[:3]), tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c
    assert torch.equal(torch.get_rng_state(), before)


def test_a_saved_denoiser_cleans_the_same(alone, test_clips, tmp_path):
    seen = noisy(test_clips, 2)
    save(alone, tmp_path / "alone")
    again = load(tmp_path / "alone", device="cpu")
    assert again.noise_ == alone.noise_
    assert_array_equal(again.transform(seen)[1], alone.transform(seen)[1])
    save(again, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "alone").read_bytes()


def test_si_sdr_knows_no_scale(trained, test_clips):
    seen = noisy(test_clips, 2)
    found = trained.si_sdr(seen, test_clips)
    assert found == pytest.approx(trained.si_sdr(seen, [3 * c for c in test_clips]))
    assert found == pytest.approx(ratio(trained.transform(seen), test_clips), abs=1)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("noise", ["pink", "white:", "white:x", "white:9-3", 3, "white:200", None, "gaussian:5"])
def test_noise_that_nobody_knows_is_refused_with_what_is_known(noise, clean):
    with pytest.raises(BadParameter, match="white:5"):
        denoiser(noise=noise).fit(clean)


def test_ratios_are_read_with_their_signs():
    assert [(h.low, h.high) for h in map(hiss_named, ("white:5", "white:-5-20", "white:-9--3.5"))] == [
        (5, 5), (-5, 20), (-9, -3.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options", [{"kind": "topk"}, {"network": (32,)}, {"network": Spectral(window=60)}, {"passes": 0}, {"clean": 3}]
)
def test_options_that_cannot_work_are_refused(options, clean):
    with pytest.raises(BadParameter):
        denoiser(**options).fit(clean)


def test_data_that_cannot_work_is_refused(trained, clean, test_clips):
    with pytest.raises(BadData, match="clip 1"):
        denoiser().fit(clean[:2], [clean[0], clean[0]])
    with pytest.raises(BadData, match="silent"):
        denoiser(noise=np.zeros(500, np.float32)).fit(clean)
    with pytest.raises(BadData, match="nan"):
        trained.transform([np.array([0.0, np.nan])])
    with pytest.raises(BadData, match="is for images"):
        trained.psnr(test_clips, test_clips)
    with pytest.raises(BadData, match="one by one"):
        trained.stream(test_clips)
    with pytest.raises(BadParameter, match="block"):
        trained.stream(test_clips[:1], block=0)
