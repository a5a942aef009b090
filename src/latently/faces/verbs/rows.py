"""Verbs that write rows: encode, reconstruct, impute, map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from latently.errors import FileProblem
from latently.faces import options, screen, tables
from latently.faces.album import Album
from latently.faces.given import Given
from latently.faces.rows import Rows
from latently.faces.verb import verb
from latently.faces.verbs import albums, clips

__all__ = ["encode", "impute", "map_", "reconstruct", "written_rows"]

PICTURES = (".png", ".svg", ".pdf")


@verb("Autoencoder", options.ToTable, images=True, audio=True)
def encode(given: Given) -> None:
    """Write the code of every row, image, text or clip, or of every window of series.

    A line each: code0, code1, ... behind identifiers, labels and times as they stand; of images and sounds behind
    `file`, and `label`, the folder that it lies in; of a window behind its `first` and `last` step. Without
    MODEL one is fitted first, as by `latently fit`.

    Example: latently encode model.safetensors table.csv -o codes.csv
    """
    output = _table(given)
    codes = given.estimator.transform(given.rows)
    import pyarrow as pa

    keys = given.coded_keys()
    found = {f"code{j}": codes[:, j] for j in range(codes.shape[1])}
    written = pa.table(keys | found)
    tables.write(written, output)
    what = screen.counted(len(codes), (given.coded or given.items)[:-1])
    _report(given, written, f"{what} -> {screen.counted(codes.shape[1], 'number')} each")


@verb("Autoencoder", options.ToEither, images=albums.reconstruct, audio=clips.reconstruct)
def reconstruct(given: Rows) -> None:
    """Write data again as its codes tell it.

    Of a table or series, columns keep their names and types; those that the model does not know are copied. Beside a
    text stand the words that its code calls for. Images and sounds go into a new folder in the form that they had, with
    sheet.png to look at before and after. Without MODEL one is fitted first, as by `latently fit`.

    Example: latently reconstruct model.safetensors table.csv -o again.csv
    """
    _table(given)
    written_rows(given, given.estimator.reconstruct(given.rows), "reconstructed")


def written_rows(given: Rows, made: Any, what: str, **more: Any) -> None:
    """Write what became of the table, and say of how many columns."""
    table = given.written(made)
    tables.write(table, _table(given))
    learned = given.learned_columns
    copied = table.num_columns - learned
    rest = f", {copied} copied" if copied else ""
    items = screen.counted(table.num_rows, given.items[:-1])
    _report(given, table, f"{items}, {screen.counted(learned, 'column')} {what}{rest}", **more)


@verb("Imputer", options.ToEither, images=albums.impute, text=False)
def impute(given: Rows) -> None:
    """Fill missing cells of a table, gaps of series, or holes in images.

    What is known stays as it is, to the bit. Images go into a new folder; --missing VALUE says which value of a pixel
    means a hole. Without MODEL one is fitted first, as by `latently fit --task impute`.

    Example: latently impute table.csv -o whole.csv
    """
    output = _table(given)
    table = given.written(given.estimator.transform(given.rows))
    tables.write(table, output)
    before = {n: given.reading.table.column(n).null_count for n in table.column_names}
    filled = {n: count - table.column(n).null_count for n, count in before.items() if count}
    left = sum(table.column(n).null_count for n in table.column_names)
    if not given.common["as_json"]:
        screen.columns("cells filled", ("column", "filled", "of rows"), [
            (n, f"{count:,}", f"{100 * count / table.num_rows:.1f} %") for n, count in filled.items() if count
        ] or [("none was missing", "0", "")])  # fmt: skip
    more = f", {left:,} left missing" if left else ""
    items = screen.counted(table.num_rows, given.items[:-1])
    _report(given, table, f"{items}, {sum(filled.values()):,} cells filled{more}", filled=filled)


@verb("Map", options.ToMap, images=True, audio=True)
def map_(given: Given) -> None:
    """Lay rows, images, texts, clips or windows of series out on a plane, like near like.

    OUT is a table, x and y beside identifiers and labels, or a picture: .png, .svg, .pdf. Each is a point, coloured by
    --label or its folder; images are drawn themselves. Without MODEL one is fitted first, as by
    `latently fit --task map`.

    Example: latently map table.csv -o map.png --label class
    """
    output = given.output
    assert output is not None
    if output.suffix.lower() in PICTURES:
        tables.check_place(output, given.data)
        _draw(given, output)
        return
    _table(given)
    points = given.estimator.transform(given.rows)
    import pyarrow as pa

    axes = ("x", "y", "z") if points.shape[1] <= 3 else tuple(f"x{j}" for j in range(points.shape[1]))
    places = {a: points[:, j] for j, a in zip(range(points.shape[1]), axes, strict=False)}
    written = pa.table((given.coded_keys() or given.keys()) | places)
    tables.write(written, output)
    _report(given, written, f"{screen.counted(len(points), 'point')}")


def _draw(given: Given, output: Path) -> None:
    if isinstance(given, Album):
        albums.draw(given, output)
        return
    import matplotlib as mpl

    mpl.use("Agg")
    label = given.column("label")
    import numpy as np

    labels = None if label is None else np.array(["(missing)" if v is None else v for v in label.to_pylist()])
    ax = given.estimator.plot(given.rows, labels)
    with tables.replacing(output) as part:
        ax.figure.savefig(part, format=output.suffix[1:].lower(), dpi=150, bbox_inches="tight")
    if given.common["as_json"]:
        screen.emit({"file": str(output), "rows": given.coded_count})
    else:
        typer.echo(f"{output}: a map of {screen.counted(given.coded_count, (given.coded or given.items)[:-1])}")


def _table(given: Given) -> Path:
    if given.output is None:
        raise FileProblem("-o OUT is missing: where to write.")
    tables.check_output(given.output, *(p for p in (given.model, given.data) if p is not None))
    return given.output


def _report(given: Given, table: Any, done: str, **more: Any) -> None:
    if given.common["as_json"]:
        screen.emit({"file": str(given.output), "rows": table.num_rows, "columns": table.column_names, **more})
    else:
        typer.echo(f"{given.output}: {done}")
