"""Search: build an index of rows or images, and ask it which are the most alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from latently.errors import BadParameter, LatentlyError
from latently.faces import options, screen, tables
from latently.faces.album import Album
from latently.faces.given import Given, check_model_name
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
    size: options.Size = None,
    skip: options.Skip = False,
    read_as: options.As = None,
    text: options.Text = None,
    as_json: options.Json = False,
) -> None:
    """Learn what is alike in rows, images, texts or clips, or windows of series, and index them.

    Rows are named by the first --id column, or by their number; files by their paths, windows by their first step.
    --bits 64 keeps 8 bytes of each.

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
    index = given.fitted(n_components=components, kind=kind, epochs=epochs, bits=bits)
    from latently import save

    save(index, output)
    size_of_file = output.stat().st_size
    if as_json:
        screen.emit({"file": str(output), "items": len(index.names_), "bytes": size_of_file})
    else:
        held = screen.counted(len(index.names_), (given.coded or given.items)[:-1])
        typer.echo(f"{output}: an index of {held}, {screen.size(size_of_file)}")
        typer.echo(f"\nNext: latently search query {output} {data} -o found{'' if given.sort == 'images' else '.csv'}")


def _images(given: Album, nearest: int = 10) -> None:
    from latently.faces.places import WRITTEN

    assert given.output is not None
    if given.output.name.lower().endswith(WRITTEN):
        _rows(given, nearest)
        return
    new_folder(given.output, given.data)
    found = _found(given, nearest)
    lines, captions = _shown(given, *found)
    heads = ["asked for", *(str(j + 1) for j in range(min(found[1].shape[1], ACROSS)))]
    Results(given.output, []).sheet(lines, captions, heads)
    tables.write(_table(given, *found), given.output / "found.csv")
    _tell(given, found[1], f"{given.output}: found.csv, and sheet.png to look at")


def _rows(given: Given, nearest: int = 10) -> None:
    assert given.output is not None
    tables.check_output(given.output, given.data)
    found = _found(given, nearest)
    tables.write(_table(given, *found), given.output)
    each = f"the {found[1].shape[1]} most alike" if found[1].shape[1] > 1 else "the most alike"
    queries = screen.counted(len(found[1]), (given.coded or given.items)[:-1])
    _tell(given, found[1], f"{given.output}: {each} to each of {queries}")


@verb("SearchIndex", options.ToEither, images=_images, audio=_rows)
def query(given: Rows, nearest: options.Nearest = 10) -> None:
    """Find what is most alike in an index.

    Writes a line for each of the nearest: what was asked for, rank, name, distance. Of images, OUT may be a new folder:
    it then gets a sheet of them too.

    Example: latently search query index.safetensors new.png -o found
    """
    _rows(given, nearest)


def _found(given: Given, nearest: int) -> tuple[Any, Any]:
    if given.model is None:
        raise BadParameter(
            f"query asks an index. Try: latently search build {given.data} -o index.safetensors, "
            f"then latently search query index.safetensors {given.data} -o {given.output}."
        )
    distances, names = given.estimator.query(given.rows, k=min(nearest, len(given.estimator.names_)))
    return distances, names


def _table(given: Given, distances: Any, names: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    k = names.shape[1]
    asked = [v for v in given.asked() for _ in range(k)]
    ranks = np.tile(np.arange(1, k + 1), len(names))
    return pa.table({"query": asked, "rank": ranks, "name": list(names.ravel()), "distance": distances.ravel()})


def _shown(given: Album, distances: Any, names: Any) -> tuple[list[list[Any]], list[list[str]]]:
    """Queries and their matches, as far as the files of these are still where they were."""
    import numpy as np

    from latently.faces.sheets import visible

    lines, captions, seen = [], [], 0
    for i in range(min(SHOWN, given.count)):
        line, words = [visible(given.rows[i])], [given.rows.names[i]]
        for name, distance in zip(names[i, :ACROSS], distances[i], strict=False):
            picture = _picture(str(name))
            seen += picture is not None
            line.append(np.full((8, 8, 3), 200, np.uint8) if picture is None else picture)
            words.append(f"{distance:.3g} {Path(str(name)).name}")
        lines.append(line)
        captions.append(words)
    if not seen:
        screen.note(
            f"{names[0, 0]} and the other matches cannot be read from here, and are grey on the sheet. Their names "
            "hold from the folder in which the index was built."
        )
    return lines, captions


def _picture(name: str) -> Any:
    """The image of a name in the index; None where its file is not there, or no image any more."""
    from latently.faces.sheets import visible
    from latently.modalities.pictures import pictures

    try:
        return visible(pictures(name)[0]) if Path(name).is_file() else None
    except LatentlyError:
        return None


def _tell(given: Given, names: Any, text: str) -> None:
    if given.common["as_json"]:
        screen.emit({"output": str(given.output), "queries": len(names), "nearest": names.shape[1]})
    else:
        typer.echo(text)
