"""Images given to a verb: a folder, a file, a pattern, a zip."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from latently.errors import BadParameter
from latently.faces import screen
from latently.faces.files import Files

__all__ = ["Album"]


@dataclass
class Album(Files):
    """Images."""

    noun = "folder of images"
    items = "images"
    foreign = ("label", "id", "time", "drop", "types", "text")
    sort = "images"

    def check(self) -> None:
        """Raise on paths and options that cannot work together; filling needs to know what a hole is."""
        super().check()
        if self.task == "Imputer" and self.model is None and not self.common.get("missing"):
            raise BadParameter("--missing VALUE is missing: which pixel value means a hole in these images, 0 perhaps?")

    @functools.cached_property
    def reading(self) -> Any:
        """The images, those that cannot be read left out where that was asked for."""
        from latently.modalities.pictures import pictures

        with screen.notes():
            found = pictures(self.data, skip=bool(self.common.get("skip")))
        return self.found(found, f", {screen.counted(found.ignored, 'other file')} ignored" if found.ignored else "")

    def modality(self) -> Any:
        """How images are read."""
        from latently.modalities import Image

        marks = self.common.get("missing") or []
        if len(marks) > 1:
            raise BadParameter("--missing: of images one value may mean a hole; give it once.")
        try:
            missing = float(marks[0]) if marks else None
        except ValueError:
            raise BadParameter(f"--missing {marks[0]}: expected the pixel value that means a hole, a number.") from None
        return Image(size=self.common.get("size") or "auto", missing=missing)

    def picture(self, i: int) -> Any:
        """The image itself."""
        from latently.faces.sheets import visible

        return visible(self.rows[i])
