"""Sounds: whatever holds clips reads as arrays of the dtype that is stored, and is written as it was."""

import sys
import wave
import zipfile
from collections import deque

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from latently.errors import BadData, BadParameter, FileProblem, FitAlarm, MissingExtra, UnsupportedInput
from latently.modalities.soundfiles import suffix_for, write, writing
from latently.modalities.sounds import accepts, sounds
from latently.modalities.waves import as_float, as_samples, channeled, resampled

RATE = 8000


def tone(seconds=0.25, pitch=440.0, dtype="int16", channels=1):
    t = np.arange(int(seconds * RATE)) / RATE
    wave = 0.5 * np.sin(2 * np.pi * pitch * t)[:, None] * np.linspace(1, 0.5, channels)
    return as_samples(wave, dtype)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "a.wav"
    write(path, tone(), RATE)
    return path


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".w64", ".rf64"])
def test_what_is_written_is_read_bit_for_bit(tmp_path, suffix, dtype, channels):
    sound = tone(dtype=dtype, channels=channels)
    path = tmp_path / f"a{suffix}"
    if suffix == ".flac" and dtype == "int32":
        sound = sound >> 8 << 8
    if suffix == ".flac" and dtype.startswith("float"):
        with pytest.raises(BadData, match="FLAC holds integers"):
            write(path, sound, RATE)
        return
    write(path, sound, 11_025)
    found = sounds(path)
    assert (found.rates[0], found.channels[0], found.lengths[0], found.dtypes[0]) == (11_025, *sound.T.shape, dtype)
    assert found[0].dtype == sound.dtype
    assert_array_equal(found[0], sound)


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_codecs_that_lose_something_are_close(tmp_path, suffix):
    write(tmp_path / f"a{suffix}", tone(1.0), RATE)
    found = sounds(tmp_path / f"a{suffix}")[0]
    assert found.shape == (RATE, 1)
    assert found.dtype == np.float32
    assert np.abs(found[500:-500] - as_float(tone(1.0))[500:-500]).mean() < 0.05


def test_a_clip_is_read_in_blocks(clip):
    found = sounds(clip)
    pieces = list(found.blocks(0, 300))
    assert [len(p) for p in pieces] == [300] * 6 + [200]
    assert_array_equal(np.concatenate(pieces), found[0])
    assert_array_equal(np.concatenate(list(found.blocks(0, 7, 100, 130))), found[0][100:130])


def test_a_long_file_is_written_in_blocks(tmp_path):
    with writing(tmp_path / "long.wav", RATE, 2, "int16") as put:
        for _ in range(5):
            put(tone(channels=2))
    assert_array_equal(sounds(tmp_path / "long.wav")[0], np.tile(tone(channels=2), (5, 1)))


def test_what_fails_leaves_the_old_file(clip):
    before = clip.read_bytes()
    blocks = [tone(), tone(dtype="float32")]
    with pytest.raises(BadData, match="expected int16"), writing(clip, RATE, 1, "int16") as put:
        deque(map(put, blocks))
    with pytest.raises(FileProblem, match="unchanged"):
        write(clip.with_suffix(".mp3"), tone(), 7)  # a rate that MP3 does not have
    assert clip.read_bytes() == before
    assert [p.name for p in clip.parent.iterdir()] == ["a.wav"]


def test_24_bits_go_into_flac_and_32_do_not(tmp_path):
    write(tmp_path / "a.flac", tone(dtype="int32") >> 8 << 8, RATE)
    with pytest.raises(BadData, match="24 bits"):
        write(tmp_path / "b.flac", tone(dtype="int32") | 1, RATE)


@pytest.mark.parametrize(
    ("suffix", "dtype", "found"),
    [(".flac", "int16", ".flac"), (".FLAC", "float32", ".wav"), (".mp3", "float32", ".wav"), (".wav", "uint8", ".wav")],
)
def test_results_keep_their_format_where_it_can_hold_them(suffix, dtype, found):
    assert suffix_for(suffix, dtype) == found


def test_folders_name_their_clips(tmp_path):
    for name in ("dog/10.wav", "dog/9.flac", "cat/1.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, tone(), RATE)
    (tmp_path / "dog" / "notes.txt").write_text("no sound")
    found = sounds(tmp_path)
    assert found.names == ["cat/1.mp3", "dog/9.flac", "dog/10.wav"]
    assert found.labels == ["cat", "dog", "dog"]
    assert found.ignored == 1
    assert sounds(str(tmp_path / "*" / "*.wav")).names == ["10.wav"]
    assert len(found[1:]) == 2
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "dog" / "9.flac", "dog/9.flac")
    assert_array_equal(sounds(tmp_path / "all.zip")[0], tone())


# ---------------------------------------------------------------------- bad files


def broken(path, what):
    data = path.read_bytes()
    path.write_bytes({
        "empty": b"", "text": b"this is no sound\n" * 50, "cut": data[: len(data) // 2], "header": data[:20],
        "silent": data[:40] + bytes(4),
    }[what])  # fmt: skip


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("what", ["empty", "text", "cut", "header"])
def test_bad_files_are_named(tmp_path, suffix, what):
    path = tmp_path / f"bad{suffix}"
    write(path, tone(2.0), RATE)
    broken(path, what)
    with pytest.raises(FileProblem, match=f"bad{suffix} cannot be read as a sound"):
        sounds(path)[0]


def test_a_file_without_samples_is_named(clip):
    broken(clip, "silent")
    with pytest.raises(FileProblem, match=r"a\.wav cannot be read as a sound: it holds no samples"):
        sounds(clip)[0]


def test_bad_files_are_left_out_on_request(tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.wav", tone(), RATE)
    broken(tmp_path / "b.wav", "empty")
    with pytest.raises(FileProblem, match=r"b\.wav.*0 bytes"):
        sounds(tmp_path).headers()
    with pytest.warns(FitAlarm, match="1 of 3 clips cannot be read"):
        found = sounds(tmp_path, skip=True)
    assert found.names == ["a.wav", "c.wav"]
    assert found.skipped[0][0] == "b.wav"


def test_places_without_sounds_are_refused(tmp_path):
    with pytest.raises(FileProblem, match="does not exist"):
        sounds(tmp_path / "nowhere.wav")
    with pytest.raises(BadData, match="no sounds"):
        sounds(tmp_path)
    (tmp_path / "a.txt").write_text("no")
    assert not accepts(tmp_path)
    write(tmp_path / "a.wav", tone(), RATE)
    assert accepts(tmp_path)
    assert accepts([tmp_path / "a.wav"])
    assert not accepts(tone())


def test_nan_in_a_file_is_named(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.array([0, np.nan, 0], np.float32), RATE, "FLOAT")
    with pytest.raises(BadData, match=r"a\.wav holds nan at sample 1"):
        sounds(tmp_path / "a.wav")[0]


# ---------------------------------------------------------------------- without soundfile


def test_plain_wav_needs_no_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for dtype in ("uint8", "int16", "int32"):
        write(tmp_path / "a.wav", tone(dtype=dtype, channels=2), RATE)
        found = sounds(tmp_path / "a.wav")
        assert_array_equal(found[0], tone(dtype=dtype, channels=2))
        assert found.rates[0] == RATE
    with wave.open(str(tmp_path / "b.wav"), "wb") as file:
        file.setparams((1, 3, RATE, 0, "NONE", ""))
        file.writeframes(b"\x00\x00\x40\xff\xff\xff")
    assert_array_equal(sounds(tmp_path / "b.wav")[0].ravel(), [2**30, -256])
    broken(tmp_path / "b.wav", "text")
    with pytest.raises((FileProblem, MissingExtra), match=r"b\.wav"):
        sounds(tmp_path / "b.wav")[0]
    with pytest.raises(MissingExtra, match=r"latently\[audio\]"):
        write(tmp_path / "c.flac", tone(), RATE)
    (tmp_path / "c.flac").write_bytes(b"fLaC" + bytes(100))
    with pytest.raises(MissingExtra, match=r"c\.flac: .*latently\[audio\]"):
        sounds(tmp_path / "c.flac")[0]


# ---------------------------------------------------------------------- arrays


def test_arrays_are_clips():
    assert [len(sounds(x, RATE)) for x in (tone()[:, 0], [tone(), tone()[:9]], np.zeros((3, 50)))] == [1, 2, 3]
    found = sounds([tone()[:, 0], tone(channels=2)], RATE)
    assert [x.shape[1] for x in found] == [1, 2]
    assert [found.flat(i) for i in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        ([], BadData, "empty list"),
        ([np.zeros(0)], BadData, "clip 0 .*no samples"),
        ([np.zeros(3), np.array([0, np.nan])], BadData, "clip 1 holds nan at sample 1"),
        ([np.array([0, np.inf])], BadData, "holds inf"),
        ([np.zeros(3, bool)], UnsupportedInput, "dtype bool"),
        ([np.zeros((2, 2, 2))], UnsupportedInput, "shape"),
        ([np.zeros((2, 900))], BadData, "data.T"),
        (np.zeros((900, 2)), UnsupportedInput, r"\[array\]"),
        ([[0.0, 1.0]], UnsupportedInput, "is a list"),
        ("nowhere.wav", FileProblem, "does not exist"),
        (np.ma.masked_array([0.0, 1.0], [0, 1]), UnsupportedInput, "masked"),
    ],
)
def test_what_is_no_sound_is_refused(data, error, match):
    with pytest.raises(error, match=match):
        sounds(data, RATE)


def test_arrays_need_a_rate():
    with pytest.raises(BadParameter, match=r"Audio\(rate=8000\)"):
        sounds([np.zeros(10)])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_units_go_back_and_forth(dtype):
    ends = [0, 1, 255] if dtype == "uint8" else [-1, 0, 1] if dtype == "float32" else [np.iinfo(dtype).min, 0, 32_512]
    x = np.array(ends, dtype)
    assert np.abs(as_float(x)).max() <= 1
    assert_array_equal(as_samples(as_float(x), dtype), x)
    assert_array_equal(as_samples(np.array([-9.0, 9.0]), dtype), [-9, 9] if dtype == "float32" else
                       [np.iinfo(dtype).min, np.iinfo(dtype).max])  # fmt: skip


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 16_000), (44_100, 8000), (22_050, 8000)])
def test_a_tone_survives_another_rate(rate, wanted):
    x = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)[:, None].astype(np.float32)
    found = resampled(x, rate, wanted)
    assert found.shape == (wanted, 1)
    assert found.dtype == np.float32
    inside = slice(wanted // 10, -wanted // 10)
    assert_allclose(found[inside, 0], np.sin(2 * np.pi * 440 * np.arange(wanted) / wanted)[inside], atol=0.01)


def test_channels_go_where_nothing_is_lost():
    assert_array_equal(channeled(np.array([[1.0], [2.0]]), 2), [[1, 1], [2, 2]])
    assert_array_equal(channeled(np.array([[1.0, 3.0]]), 1), [[2.0]])
    with pytest.raises(BadData, match="3 channels"):
        channeled(np.zeros((4, 3)), 2)
