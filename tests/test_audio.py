"""Audio: every job on clips of sound, which come back with the rate, length, channels and dtype they came with."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from latently import AnomalyDetector, Autoencoder, Generator, Map, SearchIndex, load, recipes, save
from latently.errors import BadData, BadParameter, FitAlarm
from latently.modalities import Audio, Image, Modality, Series, Spectra, Table
from latently.modalities.soundfiles import write
from latently.modalities.sounds import sounds
from latently.modalities.waves import as_samples
from latently.tasks.base import modality_of

RATE = 4000
QUICK = {"epochs": 2, "random_state": 0, "n_components": 3}


def chirps(n=24, seconds=(0.2, 0.4), dtype="int16", seed=0):
    """Short tones that rise or fall, with a little noise."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        t = np.arange(int(rng.uniform(*seconds) * RATE)) / RATE
        turn = 2 * np.pi * (400 + 300 * (i % 2) + 500 * (1 if i % 2 else -1) * t) * t
        x = 0.4 * np.sin(turn) * np.hanning(len(t)) + 0.002 * rng.normal(size=len(t))
        made.append(as_samples(x, dtype))
    return made


def fitted(task=Autoencoder, data=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)
        return task(**{"data": Audio(rate=RATE), **QUICK, **options}).fit(chirps() if data is None else data)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture
def folder(tmp_path):
    for i, clip in enumerate(chirps()):
        path = tmp_path / ("up" if i % 2 else "down") / f"{i}.{('wav', 'flac')[i % 3 == 0]}"
        path.parent.mkdir(exist_ok=True)
        write(path, clip, RATE)
    return tmp_path


# ---------------------------------------------------------------------- form


def own_spectrogram(audio, clips):
    """What the model would have to say to change nothing."""
    return audio.values(audio.take(None, clips).x)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_saying_the_same_changes_no_sample(dtype):
    clips = [*chirps(4, dtype=dtype), chirps(1, (1.5, 1.6), dtype)[0][:, None].repeat(2, 1)]
    audio = Audio(rate=RATE, seconds=0.3)
    audio.learn(audio, clips, None, False)
    for old, new in zip(clips, audio.rebuilt(own_spectrogram(audio, clips), clips), strict=True):
        assert new.dtype == old.dtype
        assert_allclose(new, old, rtol=0, atol=4e4 if dtype == "int32" else 1e-5 if dtype.startswith("f") else 0)


def test_six_decibels_more_is_twice_as_loud():
    clips = chirps(3, dtype="float32")
    audio = Audio(rate=RATE)
    audio.learn(audio, clips, None, False)
    louder = audio.rebuilt(own_spectrogram(audio, clips) + 20 * np.log10(2), clips)
    for old, new in zip(clips, louder, strict=True):
        assert_allclose(new, 2 * old, atol=1e-4)


@pytest.mark.parametrize("rate", [RATE, 11_025, 16_000])
def test_clips_of_other_rates_come_back_at_theirs(tmp_path, model, rate):
    t = np.arange(int(0.3 * rate)) / rate
    clip = as_samples(0.4 * np.sin(2 * np.pi * 500 * t)[:, None].repeat(2, 1), "int16")
    write(tmp_path / "a.wav", clip, rate)
    made = model.reconstruct(tmp_path / "a.wav")[0]
    assert made.shape == clip.shape
    assert made.dtype == np.int16
    assert np.isfinite(model.transform(tmp_path / "a.wav")).all()


def test_the_rate_of_a_file_says_nothing_about_its_code(tmp_path):
    clips = chirps(8)
    found = fitted(data=clips)
    finer = [np.interp(np.arange(0, len(c), 0.5), np.arange(len(c)), c).astype(np.int16) for c in clips]
    for i, clip in enumerate(finer):
        write(tmp_path / f"{i}.wav", clip, 2 * RATE)
    a, b = found.data_.take(found, clips), found.data_.take(found, tmp_path)
    loud = a.x > 0.5
    assert float((a.x - b.x)[loud].abs().mean()) < 0.1


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_results_have_the_form_of_their_clip(model, channels):
    clip = chirps(1)[0]
    made = model.reconstruct([np.stack([clip] * channels, 1), clip])
    assert [m.shape for m in made] == [(len(clip), channels), (len(clip),)]
    assert_allclose(made[0][:, -1], made[1], atol=1, rtol=0)  # another row of a piece: the last bit may fall otherwise
    assert model.reconstruct(clip).shape == clip.shape


def test_channels_are_heard_together(model):
    clip = chirps(1)[0]
    both = np.stack([clip, -clip], 1)  # whose mean is silence
    assert_allclose(model.transform([both]), model.transform([clip]), atol=1e-4)


def test_long_clips_take_several_rows(model):
    long = np.concatenate(chirps(12))
    assert len(model.data_.take(model, [long])) > 3
    assert model.transform([long]).shape == (1, 3)
    assert len(model.reconstruct([long])[0]) == len(long)
    assert len(model.score_samples([long, *chirps(2)])) == 3


def test_a_window_of_a_file_is_what_the_whole_says(tmp_path):
    long = np.concatenate(chirps(12))
    write(tmp_path / "a.wav", long, 3 * RATE)
    audio = Audio(rate=RATE, seconds=0.3)
    audio.learn(audio, tmp_path, None, False)
    rows = audio.take(None, tmp_path).x.view(-1, audio.height_, audio.width_)
    whole = Audio(rate=RATE, seconds=len(long) / RATE / 3 + 0.01)
    whole.most = 10_000
    whole.learn(whole, tmp_path, None, False)
    line = own_spectrogram(whole, tmp_path).reshape(whole.height_, -1)
    starts = audio._starts(audio._frames(len(long), 3 * RATE))
    for row, first in zip(rows[1:-1], starts[1:-1], strict=True):
        part = line[:, first : first + audio.width_]
        assert_allclose(audio.values(row.reshape(1, -1)).reshape(part.shape), part, atol=0.5)


# ---------------------------------------------------------------------- bad and odd input


def test_silence_has_a_code_and_stays_silent(model):
    silence = np.zeros(1000, np.int16)
    assert np.isfinite(model.transform([silence])).all()
    assert not model.reconstruct([silence])[0].any()
    quiet = fitted(data=[np.zeros(n) for n in (300, 500, 800)], n_components=1)
    assert np.isfinite(quiet.transform([np.zeros(400)])).all()
    assert np.isfinite(quiet.transform(chirps(2, dtype="float64"))).all()


def test_one_sample_is_a_clip(model):
    assert np.isfinite(model.transform([np.array([9], np.int16)])).all()
    assert model.reconstruct([np.array([9], np.int16)])[0].shape == (1,)
    assert np.isfinite(fitted(data=[np.array([0.1 * k]) for k in range(9)], n_components=1).codes_).all()


def test_clipped_sound_stays_within_its_dtype(model):
    square = (np.sign(np.sin(np.arange(1500) / 3)) * 32767).astype(np.int16)
    made = model.reconstruct([square])[0]
    assert made.dtype == np.int16
    loud = np.sin(np.arange(1500) / 3) * 50  # floats far beyond full scale
    assert np.isfinite(model.reconstruct([loud])[0]).all()


@pytest.mark.parametrize(
    ("clips", "match"),
    [
        ([np.zeros(0)], "no samples"),
        ([np.array([0.0, np.nan])], "holds nan at sample 1"),
        ([], "empty list"),
    ],
)
def test_bad_clips_are_refused_at_fit_and_after(model, clips, match):
    with pytest.raises(BadData, match=match):
        fitted(data=clips)
    with pytest.raises(BadData, match=match):
        model.transform(clips)


def test_bad_files_are_refused_or_left_out(folder):
    (folder / "up" / "bad.wav").write_bytes(b"")
    with pytest.raises(OSError, match=r"up/bad\.wav cannot be read as a sound: it is empty"):
        fitted(data=folder)
    with pytest.warns(FitAlarm, match="1 of 25 clips"):
        found = Autoencoder(data=Audio(skip=True), **QUICK).fit(folder)
    (folder / "up" / "bad.wav").unlink()
    assert found.transform(folder).shape == (24, 3)


def test_arrays_need_a_rate_and_files_do_not(folder):
    with pytest.raises(BadParameter, match=r"Audio\(rate=8000\)"):
        Autoencoder(data=Audio(), **QUICK).fit(chirps())
    found = fitted(Autoencoder, folder)
    assert found.data_.rate_ == RATE
    assert_allclose(found.transform(folder / "up" / "1.wav"), found.transform([chirps()[1]]), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rate": 0}, "rate=0"), ({"rate": 8000.5}, "rate="), ({"seconds": -1}, "seconds=-1"),
        ({"seconds": "long"}, "seconds='long'"), ({"bands": 0}, "bands=0"), ({"bands": 900}, "frequencies"),
        ({"front": "wavelet"}, "front='wavelet'"),
    ],
)  # fmt: skip
def test_options_are_checked(options, match):
    with pytest.raises(BadParameter, match=match):
        Autoencoder(data=Audio(**{"rate": RATE, **options}), **QUICK).fit(chirps())


def test_auto_means_audio_for_files_of_sound(folder):
    assert type(modality_of("auto", folder)) is Audio
    assert type(modality_of("auto", str(folder / "*" / "*.wav"))) is Audio
    assert type(modality_of("auto", [folder / "up" / "1.wav"])) is Audio
    assert type(modality_of("auto", np.zeros((5, 3)))) is Table
    assert type(modality_of("auto", np.zeros((5, 8, 8)))) is Image
    assert type(modality_of("auto", chirps())) is Series


# ---------------------------------------------------------------------- jobs


@pytest.mark.parametrize("kind", recipes.names())
def test_every_kind_learns_from_clips(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)
        found = Autoencoder(4, kind=kind, epochs=1, random_state=0, data=Audio(rate=RATE, bands=12)).fit(chirps(16))
    assert np.isfinite(found.transform(chirps(3))).all()
    assert [len(x) for x in found.reconstruct(chirps(3))] == [len(x) for x in chirps(3)]


def test_same_seed_same_bytes_and_a_file_keeps_all(tmp_path, model):
    save(model, tmp_path / "a")
    save(fitted(), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again = load(tmp_path / "a")
    assert_array_equal(again.transform(chirps(5)), model.transform(chirps(5)))
    assert_array_equal(again.reconstruct(chirps(1))[0], model.reconstruct(chirps(1))[0])
    assert again.data_.schema() == model.data_.schema()


def test_a_code_does_not_depend_on_its_batch(model):
    assert_allclose(model.transform(chirps())[5:6], model.transform(chirps()[5:6]), atol=1e-6)


def test_copies_count_like_weights():
    clips = chirps(8)
    a = Autoencoder(data=Audio(rate=RATE), **QUICK)
    b = Autoencoder(data=Audio(rate=RATE), **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)
        a.fit([*clips, clips[0]])
        b.fit(clips, sample_weight=[2, *[1] * 7])
    assert_array_equal(a.transform(clips), b.transform(clips))


def test_codes_become_sound(model):
    made = model.inverse_transform(model.transform(chirps(2)))
    assert made.dtype == np.int16
    assert made.ndim == 2
    assert_array_equal(made, model.inverse_transform(model.transform(chirps(2))))


def test_a_spectrogram_becomes_sound_of_that_spectrogram():
    clips = chirps(4, (0.4, 0.4001))
    audio = Audio(rate=RATE)
    audio.learn(audio, clips, None, False)
    wanted = own_spectrogram(audio, clips)
    found = own_spectrogram(audio, list(audio.shown(wanted)))[:, : wanted.shape[1]]
    loud = wanted > wanted.max() - 20
    assert np.abs(found - wanted)[loud].mean() < 3  # dB


def test_search_finds_the_clip_itself(folder):
    index = fitted(SearchIndex, folder, epochs=3)
    distances, names = index.query(folder / "up" / "1.wav", 3)
    assert sounds(folder).names[names[0][0]] == "up/1.wav"
    assert distances[0][0] == pytest.approx(0, abs=1e-5)


def test_map_and_generator_take_clips():
    assert fitted(Map, n_components=2).transform(chirps(3)).shape == (3, 2)
    made = fitted(Generator).sample(2)
    assert len(made) == 2
    assert made[0].dtype == np.int16


# ---------------------------------------------------------------------- detection


@pytest.fixture(scope="module")
def detector():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)
        return AnomalyDetector(4, setting="clean", epochs=10, data=Audio(rate=RATE), random_state=0).fit(chirps(60))


def whistled(clip, at=0.1, pitch=1500):
    x, first, t = clip.astype(np.float64), int(at * RATE), np.arange(int(0.06 * RATE))
    x[first : first + len(t)] += 12_000 * np.sin(2 * np.pi * pitch * t / RATE) * np.hanning(len(t))
    return x.astype(np.int16)


def test_a_whistle_is_found_where_it_is(detector):
    usual, odd = chirps(6, seed=3), [whistled(c) for c in chirps(6, seed=3)]
    assert isinstance(detector.data_, Spectra)
    assert detector.score_samples(odd).max() < detector.score_samples(usual).min()
    for clip, found in zip(odd, detector.explain(odd, top=1), strict=True):
        (start, stop), (low, high) = found[0].seconds, found[0].hertz
        assert start < 0.13 < stop
        assert low < 1500 < high
        assert stop <= len(clip) / RATE + 0.02
        assert " s, " in found[0].text()
        assert "Hz" in found[0].text()


def test_heat_has_the_bands_and_frames_of_each_clip(detector):
    clips = [whistled(c) for c in chirps(3, seed=3)]
    maps = detector.heat_map(clips)
    step = detector.data_.ear.step
    assert [m.shape for m in maps] == [(detector.data_.height_, -(-len(c) // step)) for c in clips]
    hertz = detector.data_.ear.hertz().numpy()
    for heat in maps:
        band, frame = np.unravel_index(heat.argmax(), heat.shape)
        assert abs(hertz[band] - 1500) < 600
        assert abs(frame * step / RATE - 0.13) < 0.06


def test_a_detector_refuses_clips_that_it_cannot_hear_whole(detector):
    long = np.concatenate(chirps(8))
    with pytest.raises(BadData, match=r"\.cut\("):
        detector.score_samples([long])
    pieces = sounds([long], RATE).cut(0.3)
    assert len(detector.score_samples(pieces)) == len(pieces) == -(-len(long) // int(0.3 * RATE))


def test_detectors_travel(tmp_path, detector):
    save(detector, tmp_path / "d")
    again = load(tmp_path / "d")
    assert_array_equal(again.score_samples(chirps(3)), detector.score_samples(chirps(3)))
    assert again.explain([whistled(chirps(1)[0])]) == detector.explain([whistled(chirps(1)[0])])


def test_odd_clips_are_judged(detector):
    odd = [np.zeros(500, np.int16), np.array([5], np.int16), np.full(900, 32767, np.int16)]
    assert np.isfinite(detector.score_samples(odd)).all()


def test_readings_are_registered():
    assert Modality.registry["spectra"] is Spectra
    assert isinstance(Audio(rate=RATE).suited("detect"), Spectra)
    assert Audio(rate=RATE, bands=9).suited("detect").bands == 9
