"""A new folder of results that are sounds, each beside the name of its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from latently.faces.results import Results

__all__ = ["Recordings"]


@dataclass(frozen=True)
class Clip:
    """Samples at a rate."""

    samples: Any
    rate: int

    @property
    def size(self) -> int:
        """How many numbers."""
        return int(self.samples.size)


class Recordings(Results):
    """Sounds written under the names of their sources, in formats that keep every sample; pictures go beside them."""

    noun = "clip"

    def put_clip(self, name: str, samples: Any, rate: int, mark: str = "") -> None:
        """Write a clip while the next one is computed."""
        self.put(name, Clip(samples, rate), mark)

    def stream(self, name: str, blocks: Iterator[Any], rate: int, channels: int, dtype: Any) -> None:
        """Write a clip as its `blocks`, `(samples, channels)`, come: however long it is, memory stays as it was."""
        from latently.modalities.soundfiles import suffix_for, writing

        source = PurePosixPath(name)
        place = self.folder / self._free(name, source, "", str(suffix_for(source.suffix, dtype)))
        place.parent.mkdir(parents=True, exist_ok=True)
        with writing(place, rate, channels, dtype) as put:
            for block in blocks:
                put(block)
        self.images += 1

    def _suffix(self, own: str, item: Any) -> str:
        from latently.modalities.soundfiles import suffix_for

        return str(suffix_for(own, item.samples.dtype)) if isinstance(item, Clip) else super()._suffix(own, item)

    def _write(self, place: Path, item: Any) -> None:
        if not isinstance(item, Clip):
            super()._write(place, item)
            return
        from latently.modalities.soundfiles import write

        place.parent.mkdir(parents=True, exist_ok=True)
        write(place, item.samples, item.rate)
        self.images += 1
