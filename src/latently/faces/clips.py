"""Sounds given to a verb: a folder, a file, a pattern, a zip."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from latently.faces import screen
from latently.faces.files import Files

__all__ = ["Clips"]


@dataclass
class Clips(Files):
    """Sounds."""

    noun = "folder of sounds"
    items = "clips"
    foreign = ("label", "id", "time", "drop", "types", "text", "size", "missing")
    sort = "audio"

    @functools.cached_property
    def reading(self) -> Any:
        """The clips, those that cannot be read left out where that was asked for."""
        from latently.modalities.sounds import sounds

        with screen.notes():
            found = sounds(self.data, skip=bool(self.common.get("skip")))
        return self.found(found, f", {float(found.headers().seconds.sum()):,.1f} s in all")

    def modality(self) -> Any:
        """How sounds are read."""
        from latently.modalities.audio import Audio

        return Audio()

    def picture(self, i: int) -> Any:
        """A clip's spectrogram."""
        from latently.faces.spectrogram import spectrogram

        return spectrogram(self.rows[i], int(self.rows.rates[i]))
