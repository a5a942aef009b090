"""Images given to a verb: a folder, a file, a pattern, a zip."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from latently.errors import BadParameter
from latently.faces import screen
from latently.faces.given import Given
from latently.faces.places import check_files

__all__ = ["Album"]


@dataclass
class Album(Given):
    """Images. They are read when they are needed, a few at a time."""

    noun = "folder of images"
    items = "images"
    foreign = ("label", "id", "time", "drop", "types", "text")
    sort = "images"
    foldered = True

    def check(self) -> None:
        """Raise on paths and options that cannot work together; filling needs to know what a hole is."""
        super().check()
        check_files(self.data)
        if self.task == "Imputer" and self.model is None and not self.common.get("missing"):
            raise BadParameter("--missing VALUE is missing: which pixel value means a hole in these images, 0 perhaps?")

    @functools.cached_property
    def reading(self) -> Any:
        """The images, those that cannot be read left out where that was asked for."""
        from latently.modalities.pictures import pictures

        with screen.notes():
            found = pictures(self.data, skip=bool(self.common.get("skip")))
        if not self.common.get("as_json"):
            more = f", {screen.counted(found.ignored, 'other file')} ignored" if found.ignored else ""
            classes = f", {screen.counted(len(set(found.labels)), 'folder')} as labels" if found.labels else ""
            screen.note(f"{self.data}: {screen.counted(len(found), 'image')}{classes}{more}")
        return found

    @property
    def rows(self) -> Any:
        """The images themselves."""
        return self.reading

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.reading)

    def learned(self) -> Any:
        """The images themselves."""
        return self.reading

    def labels(self) -> Any:
        """The folder of each image."""
        return self.reading.labels

    def names(self) -> list[Any]:
        """The path of each image, as it can be opened again; of an archive the name in it."""
        names, paths = self.reading.names, self.reading.paths
        if paths is None or self.data.name.lower().endswith(".zip"):
            return list(names)
        pages = [
            n[n.rindex("[") :] if n.endswith("]") and n != p.name else "" for n, p in zip(names, paths, strict=True)
        ]
        return [f"{path}{page}" for path, page in zip(paths, pages, strict=True)]

    def keys(self) -> dict[str, Any]:
        """The name of each file, and the folder that it lies in."""
        found = {"file": list(self.reading.names)}
        return found if self.reading.labels is None else found | {"label": list(self.reading.labels)}

    def column(self, role: str) -> Any:
        """Labels: the folder of each image."""
        import pyarrow as pa

        return pa.chunked_array([self.reading.labels]) if role == "label" and self.reading.labels else None

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

    def hold_out(self, share: float) -> None:
        """Fit on a part of the images; `rows` are then the others."""
        import numpy as np

        whole = self.reading
        order = np.random.default_rng(self.common.get("seed", 0)).permutation(len(whole))
        count = max(1, round(share * len(order)))
        self.__dict__["reading"] = whole.take(np.sort(order[count:]))
        _ = self.estimator
        self.__dict__["reading"] = whole.take(np.sort(order[:count]))
        screen.note(f"fitted on {len(order) - count:,} images, judged on the other {count:,}")
