"""Files given to a verb, one item each: images, sounds. They are read when they are needed, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from latently.faces import screen
from latently.faces.given import Given
from latently.faces.places import check_files

__all__ = ["Files"]


@dataclass
class Files(Given):
    """A folder, a file, a pattern or a zip. `reading` is the collection that was found there."""

    foldered = True

    def check(self) -> None:
        """Raise on paths and options that cannot work together."""
        super().check()
        check_files(self.data)

    @property
    def reading(self) -> Any:
        """The items, those that cannot be read left out where that was asked for."""
        raise NotImplementedError

    def found(self, collection: Any, more: str = "") -> Any:
        """The collection again, once it was said how many items it has."""
        if not self.common.get("as_json"):
            labels = collection.labels
            classes = f", {screen.counted(len(set(labels)), 'folder')} as labels" if labels else ""
            screen.note(f"{self.data}: {screen.counted(len(collection), self.items[:-1])}{classes}{more}")
        return collection

    @property
    def rows(self) -> Any:
        """The items themselves."""
        return self.reading

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.reading)

    def learned(self) -> Any:
        """The items themselves."""
        return self.reading

    def labels(self) -> Any:
        """The folder of each item."""
        return self.reading.labels

    def answers(self) -> list[Any]:
        """The folder of each item; None of those that lie in none."""
        folders = [PurePosixPath(name).parent.name or None for name in self.reading.names]
        return folders if any(folders) else super().answers()

    def keys(self) -> dict[str, Any]:
        """The name of each file, and the folder that it lies in."""
        found = {"file": list(self.reading.names)}
        return found if self.reading.labels is None else found | {"label": list(self.reading.labels)}

    def names(self) -> list[Any]:
        """The path of each item, as it can be opened again; of an archive the name in it."""
        names, paths = self.reading.names, self.reading.paths
        if paths is None or self.data.name.lower().endswith(".zip"):
            return list(names)
        pages = [
            n[n.rindex("[") :] if n.endswith("]") and n != p.name else "" for n, p in zip(names, paths, strict=True)
        ]
        return [f"{path}{page}" for path, page in zip(paths, pages, strict=True)]

    def column(self, role: str) -> Any:
        """Labels: the folder of each item."""
        import pyarrow as pa

        return pa.chunked_array([self.reading.labels]) if role == "label" and self.reading.labels else None

    def hold_out(self, share: float) -> None:
        """Fit on a part of the items; `rows` are then the others."""
        import numpy as np

        whole = self.reading
        order = np.random.default_rng(self.common.get("seed", 0)).permutation(len(whole))
        count = max(1, round(share * len(order)))
        self.__dict__["reading"] = whole.take(np.sort(order[count:]))
        _ = self.estimator
        self.__dict__["reading"] = whole.take(np.sort(order[:count]))
        screen.note(f"fitted on {len(order) - count:,} {self.items}, judged on the other {count:,}")
