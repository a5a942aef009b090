"""Sound files: read in blocks in the dtype that they store, written in one stroke (by `soundfile`; WAV without it)."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from latently.disk import replacing
from latently.errors import BadData, BadParameter, FileProblem, LatentlyError, MissingExtra
from latently.modalities.folders import File, Sort
from latently.modalities.opening import named
from latently.modalities.waves import Head, check, check_finite, upright

__all__ = ["SOUNDS", "blocks", "header", "suffix_for", "write", "writing"]

Samples = NDArray[Any]
SOUNDS = Sort("a sound", frozenset({
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64",
    ".rf64",
}))  # fmt: skip
READ = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF")  # all have a magic number
STORED = {  # libsndfile's name of what is stored: our dtype, and the one that it is read in
    "PCM_U8": ("uint8", "int16"), "PCM_S8": ("uint8", "int16"), "PCM_16": ("int16", "int16"),
    "PCM_24": ("int32", "int32"), "PCM_32": ("int32", "int32"), "FLOAT": ("float32", "float32"),
    "DOUBLE": ("float64", "float64"), "ULAW": ("int16", "int16"), "ALAW": ("int16", "int16"),
}  # fmt: skip
DECODED = ("float32", "float32")  # of codecs that lose something
FORMATS = {
    ".wav": "WAV", ".wave": "WAV", ".flac": "FLAC", ".aif": "AIFF", ".aiff": "AIFF", ".w64": "W64", ".rf64": "RF64",
    ".ogg": "OGG", ".mp3": "MP3",
}  # fmt: skip
WRITTEN = {"int16": "PCM_16", "int32": "PCM_32", "float32": "FLOAT", "float64": "DOUBLE"}
UNKNOWN = 2**31 - 1  # bytes of a WAV: streams that know no length write this or more


class _Reader:
    """An open sound, decoded by soundfile."""

    def __init__(self, source: Any) -> None:
        import soundfile

        self.sound = soundfile.SoundFile(source)
        if self.sound.format not in READ:
            raise ValueError(f"its format is {self.sound.format}, none of {', '.join(READ)}")
        _check_whole(self.sound.extra_info)
        dtype, self.decoded = STORED.get(self.sound.subtype, DECODED)
        self.head = Head(self.sound.samplerate, self.sound.channels, self.sound.frames, dtype)

    def seek(self, start: int) -> None:
        self.sound.seek(start)

    def read(self, count: int) -> Samples:
        found = self.sound.read(count, dtype=self.decoded, always_2d=True)
        return ((found >> 8) + 128).astype(np.uint8) if self.head.dtype == "uint8" else np.asarray(found)

    def close(self) -> None:
        self.sound.close()


class _Wave:
    """An open WAV of whole numbers, decoded by the standard library."""

    def __init__(self, source: Any, size: int) -> None:
        try:
            self.sound = wave.open(source if hasattr(source, "read") else str(source), "rb")  # noqa: SIM115 - closed below
        except wave.Error as problem:
            if "RIFF" not in str(problem) and "WAVE" not in str(problem):
                raise _missing("reading it") from None
            raise MissingExtra(
                "it is no WAV; other formats need soundfile. Try: pip install 'latently[audio]'"
            ) from None
        self.width = self.sound.getsampwidth()
        dtype = {1: "uint8", 2: "int16", 3: "int32", 4: "int32"}[self.width]
        channels, length = self.sound.getnchannels(), self.sound.getnframes()
        if length * channels * self.width > size:
            raise ValueError(f"its header promises {length} samples, and its {size} bytes cannot hold them")
        self.head = Head(self.sound.getframerate(), channels, length, dtype)

    def seek(self, start: int) -> None:
        self.sound.setpos(start)

    def read(self, count: int) -> Samples:
        data = self.sound.readframes(count)
        if self.width == 3:
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            found = wide.view("<i4").ravel()
        else:
            found = np.frombuffer(data, {1: "u1", 2: "<i2", 4: "<i4"}[self.width])
        return found.astype(self.head.dtype).reshape(-1, self.head.channels)

    def close(self) -> None:
        self.sound.close()


def _missing(doing: str) -> MissingExtra:
    return MissingExtra(f"{doing} needs soundfile. Try: pip install 'latently[audio]'")


def _has_soundfile() -> bool:
    try:
        import soundfile  # noqa: F401
    except (ImportError, OSError):  # OSError: the package without its library
        return False
    return True


def _check_whole(told: str) -> None:
    """Refuse a file that holds less than its header promises; a stream that never knew its length promises nothing."""
    for promised, held in re.findall(r"^(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", told, re.MULTILINE):
        if int(held) < int(promised) < UNKNOWN:
            raise ValueError(f"its header promises {promised} bytes of sound, and it holds {held}")


@contextlib.contextmanager
def _opened(file: File) -> Iterator[Any]:
    """The file, ready to be read; whatever goes wrong is said with its name."""
    with contextlib.ExitStack() as stack:
        with named(file.name, "a sound"):
            if file.member is None:
                source: Any = file.path
                size = os.stat(file.path).st_size  # noqa: PTH116
            else:
                source, size = stack.enter_context(file.open()), file.member.size
            if not size:
                raise ValueError("it is empty (0 bytes)")
            reader = _Reader(source) if _has_soundfile() else _Wave(source, size)
            stack.callback(reader.close)
            if not reader.head.length:
                raise ValueError("it holds no samples")
        yield reader


def header(file: File) -> Head:
    """Rate, channels, length and dtype, without decoding samples."""
    with _opened(file) as reader:
        head: Head = reader.head
    return head


def blocks(file: File, size: int, start: int = 0, stop: int | None = None) -> Iterator[Samples]:
    """Samples `start` to `stop` as `(samples, channels)`, at most `size` at a time; what is cut short is refused."""
    with _opened(file) as reader:
        place, stop = start, reader.head.length if stop is None else min(stop, reader.head.length)
        with named(file.name, "a sound"):
            if place:
                reader.seek(place)
        while place < stop:
            with named(file.name, "a sound"):
                found = reader.read(min(size, stop - place))
                if len(found) < min(size, stop - place):
                    raise ValueError(f"it ends after {place + len(found)} of {reader.head.length} samples")
            check_finite(found, file.name)
            place += len(found)
            yield found


# ---------------------------------------------------------------------- writing


def suffix_for(suffix: str, dtype: DTypeLike) -> str:
    """The suffix itself where its format keeps such samples as they are, else `.wav`.

    So results go beside their sources: `suffix_for(".flac", "int16")` is `.flac`, and `.wav` for `.mp3`.
    """
    kind = FORMATS.get(suffix.lower())
    return suffix if kind is not None and not _refusal(kind, np.dtype(dtype)) else ".wav"


def write(path: str | os.PathLike[str], array: Samples, rate: int) -> None:
    """Write a clip, `(samples,)` or `(samples, channels)`, in the format of the suffix.

    WAV, AIFF, W64, RF64 keep integers and floats as they are, FLAC integers of 8, 16 and (in int32) 24 bits. OGG and
    MP3 lose something. What a format cannot hold is refused with `BadData`. The file that was there stays whole until
    the new one takes its place; `FileProblem` where that fails.
    """
    array = np.asarray(array)
    check(array, f"the clip for {path}")
    array = upright(array)
    with writing(path, rate, array.shape[1], array.dtype) as put:
        put(array)


@contextlib.contextmanager
def writing(
    path: str | os.PathLike[str], rate: int, channels: int, dtype: DTypeLike
) -> Iterator[Callable[[Samples], None]]:
    """The same block by block: a function that takes `(samples, channels)`. The file is there once all is written."""
    path, wanted = Path(path), np.dtype(dtype)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadParameter(f"{path} has the suffix {path.suffix!r}; expected one of {', '.join(FORMATS)}.")
    if isinstance(rate, bool) or int(rate) != rate or not 1 <= rate < 2**31:
        raise BadParameter(f"rate={rate!r}: expected samples a second, a whole number from 1.")
    if refusal := _refusal(kind, wanted, lossy=True):
        raise BadData(f"cannot write {path}: {refusal}")
    with replacing(path) as file:
        try:
            with contextlib.closing(_Sink(file, kind, int(rate), channels, wanted)) as sink:
                yield sink.put
        except LatentlyError:
            raise
        except (OSError, RuntimeError, ValueError, TypeError, struct.error, wave.Error) as problem:
            raise FileProblem(f"cannot write {path}: {problem}. The file that was there is unchanged.") from None


def _refusal(kind: str, dtype: np.dtype[Any], lossy: bool = False) -> str:
    """Why a format cannot hold such samples, and what to try; empty where it can."""
    if kind in ("OGG", "MP3"):
        return "" if lossy else "it loses something."
    if dtype.name == "float16":
        return "samples of 16-bit floats have no format. Try array.astype('float32')."
    if kind == "FLAC" and dtype.kind == "f":
        return f"FLAC holds integers, this is {dtype}. .wav keeps it, or scale it to int16."
    return ""


class _Sink:
    """An open file to write samples to."""

    def __init__(self, file: BinaryIO, kind: str, rate: int, channels: int, dtype: np.dtype[Any]) -> None:
        self.kind, self.dtype, self.channels = kind, dtype, channels
        self.sound: Any
        self.plain = not _has_soundfile()
        if self.plain:
            if kind != "WAV" or dtype.name not in ("uint8", "int16", "int32"):
                raise _missing(f"writing {kind} of {dtype}")
            self.sound = wave.open(file, "wb")  # noqa: SIM115 - closed by `close`
            self.sound.setparams((channels, dtype.itemsize, rate, 0, "NONE", ""))
            return
        import soundfile

        stored = WRITTEN.get(dtype.name, "FLOAT")
        if dtype.itemsize == 1:
            stored = "PCM_U8" if kind in ("WAV", "W64", "RF64") else "PCM_S8"
        if kind == "FLAC" and dtype.name == "int32":
            stored = "PCM_24"
        subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(kind, stored)
        self.sound = soundfile.SoundFile(file, "w", rate, channels, subtype, format=kind)

    def put(self, array: Samples) -> None:
        if array.ndim != 2 or array.shape[1] != self.channels or array.dtype != self.dtype:
            raise BadData(
                f"got a block of {array.dtype} and shape {array.shape}; expected {self.dtype}, "
                f"(samples, {self.channels})."
            )
        if self.plain:
            self.sound.writeframesraw(np.ascontiguousarray(array, self.dtype.newbyteorder("<")).tobytes())
            return
        if self.dtype.itemsize == 1:
            array = (array.astype(np.int16) - 128) << 8
        if self.kind == "FLAC" and self.dtype.name == "int32" and (array & 255).any():
            raise BadData("FLAC holds integers of 24 bits, this has 32. .wav keeps them, or round: array >> 8 << 8.")
        self.sound.write(np.ascontiguousarray(array))

    def close(self) -> None:
        self.sound.close()
