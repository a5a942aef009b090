"""What verbs do with images: results as folders of images, with a sheet to look at and a table of the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from latently.errors import BadParameter
from latently.faces import screen, tables
from latently.faces.given import Given
from latently.faces.places import check_place
from latently.faces.results import Results, blocks, new_folder
from latently.faces.verbs.alerts import detecting

__all__ = ["cleaned", "detect", "draw", "folder_of", "impute", "judged", "reconstruct", "tell", "unless_timed"]

SHOWN = 24  # images on a sheet


def folder_of(given: Given) -> Path:
    """The new folder to write into; it is made when the work is done."""
    assert given.output is not None
    return new_folder(given.output, given.data)


def cleaned(given: Given, done: str, function: Any, count: Any = None) -> None:
    """`function` of every image into a folder, the first of them on a sheet beside what they were.

    `count` of an image is added up and told beside `done`.
    """
    from latently.faces.sheets import small, visible

    folder, source = folder_of(given), given.rows
    _ = given.estimator
    results, rows, total = Results(folder, source.names, own=("sheet.png",)), [], 0
    with results.filling(len(source)):
        for block in blocks(source):
            before = source.take(block)
            for i, seen, made in zip(block, before, function(before), strict=True):
                results.put(source.names[i], made)
                total += count(seen) if count else 0
                if i < SHOWN:
                    rows.append([small(visible(seen)), small(visible(made))])
        results.sheet(rows, [[name, ""] for name in source.names[:SHOWN]], ["before", "after"])
    if given.common["as_json"]:
        screen.emit({"folder": str(folder), "images": len(source)} | ({"pixels": total} if count else {}))
    else:
        more = f" ({screen.counted(total, 'pixel')})" if count else ""
        typer.echo(f"{folder}: {screen.counted(len(source), 'image')} {done}{more}, and sheet.png to look at them")


def reconstruct(given: Given) -> None:
    """Every image as its code tells it."""
    cleaned(given, "reconstructed", lambda images: given.estimator.reconstruct(images))


def impute(given: Given) -> None:
    """Every image with its holes filled."""
    folder_of(given)
    hole = given.estimator.data_.missing
    if hole is None:
        raise BadParameter(
            f"{given.model} was fitted without --missing, so that it knows no holes. Try: latently fit {given.data} "
            "--task impute --missing 0 -o filler.safetensors, with the pixel value that means a hole."
        )

    def holes(image: Any) -> int:
        return int((image == hole).sum() if image.ndim == 2 else (image == hole).all(2).sum())

    cleaned(given, "filled", lambda images: given.estimator.transform(images), holes)


def detect(
    given: Given,
    setting: str | None = None,
    alerts_per_day: float | None = None,
    explain: int = 3,
    sort: bool = False,
) -> None:
    """Scores in a table, a map of heat and a mask beside each name, the strangest on a sheet."""
    unless_timed(given, alerts_per_day)
    folder, columns, order, seen = judged(given, setting, explain, sort)
    source = given.rows
    results = Results(folder, source.names, own=("sheet.png", "scores.csv"))
    with results.filling(2 * len(source)):
        shown = _heated(given, results, order[:SHOWN], columns, seen)
        results.sheet(*shown, ["image", "heat", "beyond the line"])
    tell(given, folder, columns, order, "heat and mask of each")


def tell(given: Given, folder: Path, columns: dict[str, Any], order: Any, more: str) -> None:
    """Say how many files are flagged, and which are the strangest; `more` lies in the folder besides."""
    flagged, score = int(columns["anomaly"].sum()), columns["score"]
    if given.common["as_json"]:
        screen.emit({"folder": str(folder), given.items: len(score), "flagged": flagged,
                     "threshold": float(given.estimator.threshold_)})  # fmt: skip
        return
    rows = [(given.rows.names[i], f"{score[i]:.4g}", f"{columns['p_value'][i]:.4f}") for i in order[:5]]
    screen.columns(f"the strangest {given.items}", ("file", "score", "p_value"), rows)
    told = f"{screen.counted(len(score), given.items[:-1])}, {flagged:,} flagged"
    typer.echo(f"{folder}: {told}; scores.csv, sheet.png, {more}")


def unless_timed(given: Given, alerts_per_day: float | None) -> None:
    """Raise `BadParameter` on alerts a day of what has no times."""
    if alerts_per_day is not None:
        raise BadParameter(f"--alerts-per-day needs the times of rows; {given.items} have none. Leave it out.")


def judged(given: Given, setting: str | None, explain: int, sort: bool) -> tuple[Path, dict[str, Any], Any, Any]:
    """Write scores.csv into the new folder; the folder, its columns, the order of strangeness, what was seen."""
    import numpy as np
    import pyarrow as pa

    from latently.tasks.region import look

    folder = folder_of(given)
    detecting(given, setting)
    seen = look(given.estimator, given.rows, explain)
    columns: dict[str, Any] = {**given.keys(), "score": -seen.scores}
    columns["p_value"] = given.estimator.p_values_of(seen.scores)
    columns["anomaly"] = -seen.scores > given.estimator.threshold_
    reasons = [[r.text() for r in found] for found in seen.reasons]
    for k in range(explain):
        columns[f"reason{k + 1}"] = pa.array([r[k] if k < len(r) else None for r in reasons], pa.string())
    order = np.argsort(seen.scores, kind="stable")
    found = pa.table(columns)
    folder.mkdir(exist_ok=True)
    tables.write(found.take(order) if sort else found, folder / "scores.csv")
    return folder, columns, order, seen


def _heated(
    given: Given, results: Results, strangest: Any, columns: dict[str, Any], seen: Any
) -> tuple[list[Any], list[list[str]]]:
    """Write heat and mask of every image; the strangest come back for the sheet."""
    import numpy as np

    from latently.faces.sheets import heated, shrunk, small, visible

    source = given.rows
    kept: dict[int, list[Any]] = {}
    low, high = given.estimator.heat_range_
    for i, image in enumerate(source):
        heat = seen.heat(i)
        over = heated(shrunk(image), shrunk(heat), low, high)
        black = np.asarray(heat > high / 2, np.uint8) * 255  # the line of `mask`
        results.put(source.names[i], over, "-heat", ".png")
        results.put(source.names[i], black, "-mask", ".png")
        if i in strangest:
            kept[i] = [small(visible(image)), small(over), small(visible(black))]
    captions = [[source.names[i], f"{columns['score'][i]:.3g}, p {columns['p_value'][i]:.3g}", ""] for i in strangest]
    return [kept[int(i)] for i in strangest], captions


def draw(given: Given, output: Path) -> None:
    """A map with the images themselves as its points."""
    import matplotlib as mpl

    mpl.use("Agg")
    check_place(output, given.data)
    labels = given.column("label")
    ax = given.estimator.plot(given.rows, None if labels is None else labels.to_pylist(), images=True)
    with tables.replacing(output) as part:
        ax.figure.savefig(part, format=output.suffix[1:].lower(), dpi=150, bbox_inches="tight")
    if given.common["as_json"]:
        screen.emit({"file": str(output), "images": given.count})
    else:
        typer.echo(f"{output}: a map of {screen.counted(given.count, 'image')}")
