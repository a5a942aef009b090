"""What sort of data a verb was given: by what its user says, by the model that reads it, by the names of files."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator
from pathlib import Path

from latently.errors import BadParameter, FileProblem
from latently.faces.places import AUDIO, IMAGES, SUFFIXES

__all__ = ["FAMILIES", "SPOKEN", "family", "family_of", "sort_of"]

# Which readings, by their keys in a model's file, are of one sort.
FAMILIES: dict[str, tuple[str, ...]] = {
    "table": ("table", "binned", "directed"),
    "series": ("series", "spells"),
    "text": ("text", "pieces", "embedded"),
    "images": ("image", "crops", "blocks", "textures"),
    "audio": ("audio", "snippets", "spectra"),
}
SPOKEN = {"table": "a table", "series": "series", "text": "text", "images": "images", "audio": "sounds"}
IN_TABLES = ("table", "series", "text")  # what may stand in a file of a table
FILED = ("images", "audio")  # what lies in files of its own
FOLDERS = (*FILED, "text")  # what a folder may hold
MOST_LOOKED_AT = 10_000  # files of a folder


def sort_of(data: Path, said: str | None, model: Path | None) -> str:
    """One of `FAMILIES`."""
    if said is not None and said not in FAMILIES:
        raise BadParameter(f"--as {said}: expected one of {', '.join(FAMILIES)}.")
    there = _sorts(data)
    known = None if model is None else family_of(model)
    if said is not None and known is not None and said != known:
        raise BadParameter(f"--as {said}: {model} was fitted on {known}. Leave --as out.")
    found = said or known
    if not there and found is None:
        raise FileProblem(
            f"{data} leads to nothing that is read: no images ({IMAGES[0]}, {IMAGES[1]} ...), sounds ({AUDIO[0]}, "
            f"{AUDIO[1]} ...) or texts (.txt). Tables are given one by one, by the name of the file."
        )
    if not there or found in there or (data.is_dir() and found in FOLDERS):
        return found or there[0]
    named = there[0]
    return found if found in IN_TABLES and named in IN_TABLES and not data.is_dir() else named


def family_of(model: Path) -> str | None:
    """The sort of data that a model file was fitted on, from its head; None where that cannot be told."""
    try:
        with model.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            body = json.loads(json.loads(file.read(min(length, 2**28)))["__metadata__"]["latently"])
        key = body["facts"].get("modality", "table")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return family(key)


def family(key: str) -> str | None:
    """The sort of data that a reading is of, by its key."""
    return next((name for name, keys in FAMILIES.items() if key in keys), None)


def _sorts(path: Path) -> list[str]:
    """By names alone, the likeliest first; of a folder or pattern images or sounds come before texts beside them."""
    if path.is_dir() or (not path.exists() and glob.has_magic(str(path))):
        found = dict.fromkeys(filter(None, map(_by_ending, _within(path))))
        filed = [sort for sort in found if sort in FILED]
        return [*filed, *(["text"] if "text" in found else [])]
    return [_by_ending(path.name) or "table"]


def _by_ending(name: str) -> str | None:
    name = name.lower()
    if name.endswith((".txt", ".txt.gz")):
        return "text"
    found = {IMAGES: "images", AUDIO: "audio", SUFFIXES: "table"}
    return next((sort for endings, sort in found.items() if name.endswith(endings)), None)


def _within(path: Path) -> Iterator[str]:
    """Names of files, no more than are worth a look."""
    names = (n for _, _, files in os.walk(path) for n in sorted(files)) if path.is_dir() else _matched(path)
    for _, name in zip(range(MOST_LOOKED_AT), names, strict=False):
        yield name


def _matched(path: Path) -> Iterator[str]:
    yield path.name  # the pattern itself says it, *.png, or what it finds does
    yield from glob.iglob(str(path), recursive=True)  # noqa: PTH207 - a pattern may be absolute
