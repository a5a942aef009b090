"""Search: build an index of rows or images, and ask it which are the most alike."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from latently.errors import BadParameter, LatentlyError
from latently.faces import options, screen, tables
from latently.faces.given import ROLES, Given, check_model_name
from latently.faces.results import Results, new_folder
from latently.faces.rows import Rows
from latently.faces.verb import given_of, verb

__all__ = ["build", "query"]

SHOWN = 12  # queries on a sheet
ACROSS = 10  # of their matches


def build(
    data: options.Data,
    output: options.ToModel,
    bits: options.Bits = None,
    components: options.Components = None,
    kind: options.KindOrNone = None,
    epochs: options.Epochs = "auto",
    seed: options.Seed = 0,
    id: options.Id = [],  # noqa: B006 - typer copies it
    label: options.Label = [],  # noqa: B006
    time: options.Time = [],  # noqa: B006
    drop: options.Drop = [],  # noqa: B006
    meta: options.Meta = [],  # noqa: B006
    size: options.Size = None,
    skip: options.Skip = False,
    read_as: options.As = None,
    text: options.Text = None,
    as_json: options.Json = False,
) -> None:
    """Learn what is alike in rows, images, texts or clips, or windows of series, and index them.

    Rows are named by the first --id column, or by their number; files by their paths, windows by their first step.
    --bits 64 keeps 8 bytes of each. Columns of --meta are what `search query --where` picks rows by.

    Example: latently search build photographs -o index.safetensors
    """
    check_model_name(output)
    tables.check_place(output, data)
    common = {
        "seed": seed, "id": id, "label": label, "time": time, "drop": drop, "size": size, "skip": skip,
        "read_as": read_as, "text": text, "as_json": as_json,
    }  # fmt: skip
    given = given_of("SearchIndex", data, None, output, common)
    given.check()
    _known(given, meta)
    index = given.fitted(n_components=components, kind=kind, epochs=epochs, bits=bits)
    from latently import save

    save(index, output)
    size_of_file = output.stat().st_size
    if as_json:
        screen.emit({"file": str(output), "items": len(index.names_), "bytes": size_of_file})
    else:
        held = screen.counted(len(index.names_), (given.coded or given.items)[:-1])
        typer.echo(f"{output}: an index of {held}, {screen.size(size_of_file)}")
        shown = "found.csv" if given.sort in ("table", "text") else "found"
        more = f" --among {data}" if given.sort in ("series", "text") else ""
        more += f" --id {id[0]}" if id and given.sort == "text" else ""
        typer.echo(f"\nNext: latently search query {output} {data} -o {shown}{more}")


def _known(given: Given, words: list[str]) -> None:
    """Take columns for metadata, out of what is learned."""
    if not words:
        return
    if not isinstance(given, Rows) or given.sort not in ("table", "text"):
        raise BadParameter(
            f"--meta {words[0]} names a column of a table, and {given.data} is a {given.noun}. Leave it out."
        )
    table = given.reading.table
    names = [n for w in words for n in ([w] if w in table.column_names else w.split(","))]
    tables.select(given.data, table.column_names, names, "which --meta names")
    columns = {n: table.column(n) for n in names}
    spelled = {n: c.to_pylist() for n, c in columns.items() if hasattr(c.type, "value_type")}  # categories
    given.common["metadata"] = {n: spelled[n] if n in spelled else c.to_numpy() for n, c in columns.items()}
    taken = {n for role in ROLES for n in given.common.get(role, [])}
    if given.sort == "table":
        given.common["drop"] = [*given.common["drop"], *(n for n in dict.fromkeys(names) if n not in taken)]


class _Shelf:
    """What the names of an index stand for: items of the data that it was built of, or files that lie there."""

    def __init__(self, given: Given, among: Path | None) -> None:
        self.given, self.other = given, None if among is None else replace(given, data=among)
        if self.other is not None:
            self.other.check()
            self.other.__dict__["estimator"] = given.estimator
            self.places = {str(name): i for i, name in enumerate(self.other.names())}

    def get(self, name: str) -> tuple[Given, int] | None:
        """Where an item lies and the how manieth it is there; None for one that is not at hand."""
        if self.other is not None:
            return (self.other, self.places[name]) if name in self.places else None
        if not self.given.foldered or not Path(name).is_file():
            return None
        return replace(self.given, data=Path(name), model=None, common={"as_json": True}), 0

    def picture(self, name: str) -> Any:
        """What it looks like; None where it is not there, or cannot be read any more."""
        try:
            found = self.get(name)
            return None if found is None else found[0].picture(found[1])
        except LatentlyError:
            return None

    def file(self, name: str) -> Path | None:
        """The file that it is."""
        found = self.get(name)
        path = None if found is None else Path(str(found[0].names()[found[1]]))
        return path if path is not None and path.is_file() else None


def _pictured(given: Given, nearest: int = 10, among: Path | None = None, where: Sequence[str] = ()) -> None:
    from latently.faces.places import WRITTEN

    assert given.output is not None
    if given.output.name.lower().endswith(WRITTEN):
        _rows(given, nearest, among, where)
        return
    new_folder(given.output, given.data)
    distances, names = _found(given, nearest, where)
    shelf = _Shelf(given, among)
    few = min(SHOWN, len(names))
    asked = range(0, len(names), -(-len(names) // few)) if given.sort == "series" else range(few)
    lines, captions = _shown(given, shelf, asked, distances, names)
    heads = ["asked for", *(str(j + 1) for j in range(min(names.shape[1], ACROSS)))]
    Results(given.output, []).sheet(lines, captions, heads)
    tables.write(_table(given, distances, names), given.output / "found.csv")
    told = f"{given.output}: found.csv, and sheet.png to look at"
    if given.sort == "audio":
        _copied(given, shelf, asked, names)
        told = f"{told}; the clips themselves, the one asked for and those found, lie in folders beside"
    _tell(given, names, told)


def _rows(given: Given, nearest: int = 10, among: Path | None = None, where: Sequence[str] = ()) -> None:
    assert given.output is not None
    tables.check_output(given.output, given.data)
    distances, names = _found(given, nearest, where)
    made = _table(given, distances, names)
    if among is not None and given.sort == "text":
        shelf = _Shelf(given, among)
        there = [shelf.get(str(name)) for name in names.ravel()]
        made = made.append_column("text", [[None if t is None else t[0].rows[t[1]] for t in there]])
    tables.write(made, given.output)
    each = f"the {names.shape[1]} most alike" if names.shape[1] > 1 else "the most alike"
    queries = screen.counted(len(names), (given.coded or given.items)[:-1])
    _tell(given, names, f"{given.output}: {each} to each of {queries}")


@verb("SearchIndex", options.ToEither, images=_pictured, audio=_pictured, series=_pictured)
def query(
    given: Rows,
    nearest: options.Nearest = 10,
    among: options.Among = None,
    where: options.Where = [],  # noqa: B006 - typer copies it
) -> None:
    """Find what is most alike in an index.

    Writes a line for each of the nearest: what was asked for, rank, name, distance, its metadata. Of images, sounds
    and series, OUT may be a new folder: it then gets a sheet too, and of sounds the clips found, in their order.
    An index holds names and codes: series and texts that are found are shown where --among says what it was built of.

    Example: latently search query index.safetensors new.png -o found
    """
    _rows(given, nearest, among, where)


def _found(given: Given, nearest: int, where: Sequence[str]) -> tuple[Any, Any]:
    if given.model is None:
        raise BadParameter(
            f"query asks an index. Try: latently search build {given.data} -o index.safetensors, "
            f"then latently search query index.safetensors {given.data} -o {given.output}."
        )
    index = given.estimator
    if not where:
        return index.query(given.rows, k=min(nearest, len(index.names_)))  # type: ignore[no-any-return]
    from latently.tasks.metadata import Metadata

    metadata = Metadata(index.metadata_)
    picked = metadata.said(where, len(index.names_))
    if not picked.any():
        some = "; ".join(
            f"{n}: {', '.join(map(str, dict.fromkeys(v[:100].tolist())))}"[:80] for n, v in metadata.columns.items()
        )
        raise BadParameter(f"--where {' --where '.join(where)} leaves none of {len(picked):,} rows. They hold {some}.")
    return index.query(given.rows, k=min(nearest, int(picked.sum())), where=picked)  # type: ignore[no-any-return]


def _table(given: Given, distances: Any, names: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    k = names.shape[1]
    asked = [v for v in given.asked() for _ in range(k)]
    ranks = np.tile(np.arange(1, k + 1), len(names))
    made = {"query": asked, "rank": ranks, "name": list(names.ravel()), "distance": distances.ravel()}
    index = given.estimator
    if index.metadata_:
        at = {name: i for i, name in enumerate(index.names_.tolist())}
        places = [at[name] for name in names.ravel().tolist()]
        for name, values in index.metadata_.items():
            free = name if name not in made else f"{name} found"
            made[free] = pa.array(values[places].tolist() if values.dtype.kind == "O" else values[places])
    return pa.table(made)


def _shown(
    given: Given, shelf: _Shelf, asked: range, distances: Any, names: Any
) -> tuple[list[list[Any]], list[list[str]]]:
    """Queries and their matches, as far as these are at hand."""
    import numpy as np

    lines, captions, seen, called = [], [], 0, given.asked()
    for i in asked:
        line, words = [given.picture(i)], [str(called[i])]
        for name, distance in zip(names[i, :ACROSS], distances[i], strict=False):
            picture = shelf.picture(str(name))
            seen += picture is not None
            line.append(np.full((8, 8, 3), 200, np.uint8) if picture is None else picture)
            words.append(f"{distance:.3g} {Path(str(name)).name}" if given.foldered else str(name))
        lines.append(line)
        captions.append(words)
    if not seen:
        where = "Their names hold from the folder in which the index was built." if given.foldered else ""
        screen.note(
            f"{names[0, 0]} and the other matches cannot be read from here, and are grey on the sheet. {where} "
            "Say what the index was built of: --among DATA."
        )
    return lines, captions


def _copied(given: Given, shelf: _Shelf, asked: range, names: Any) -> None:
    """Copies of the clips of a sheet, a folder for each that was asked for, numbered by rank from it as 0."""
    assert given.output is not None
    for i in asked:
        own = str(given.names()[i])
        files = [Path(own), *(shelf.file(str(name)) for name in names[i, :ACROSS])]
        folder = given.output / f"{i + 1:02d}-{Path(own).stem}"
        folder.mkdir()
        for rank, file in enumerate(files):
            if file is not None and file.is_file():
                shutil.copyfile(file, folder / f"{rank:02d}-{file.name}")


def _tell(given: Given, names: Any, text: str) -> None:
    if given.common["as_json"]:
        screen.emit({"output": str(given.output), "queries": len(names), "nearest": names.shape[1]})
    else:
        typer.echo(text)
