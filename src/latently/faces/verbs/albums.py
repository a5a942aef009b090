"""What verbs do with images: results as folders of images, with a sheet to look at and a table of the figures."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import typer

from latently.errors import BadParameter
from latently.faces import screen, tables
from latently.faces.given import Given
from latently.faces.places import check_folder, check_place

__all__ = ["cleaned", "detect", "draw", "folder_of", "impute", "put", "reconstruct", "write_sheet"]

SHOWN = 24  # images on a sheet


def folder_of(given: Given) -> Path:
    """The new folder to write into; it is made when the work is done."""
    assert given.output is not None
    check_folder(given.output)
    return given.output


def put(folder: Path, name: str, image: Any, mark: str = "", suffix: str | None = None) -> Path:
    """Write an image beside the name of its source, in a format that keeps every pixel."""
    from latently.faces.sheets import named
    from latently.modalities.encode import suffix_for, write

    if suffix is None:
        lossless = ".png" if Path(name).suffix.lower() in (".jpg", ".jpeg", ".webp", ".avif") else Path(name).suffix
        suffix = suffix_for(lossless, 1 if image.ndim == 2 else image.shape[2], image.dtype)
    place = named(folder, name, mark, suffix)
    place.parent.mkdir(parents=True, exist_ok=True)
    write(place, image)
    return place


def write_sheet(folder: Path, rows: list[list[Any]], captions: list[list[str]], heads: list[str]) -> None:
    """`sheet.png` in the folder."""
    from latently.faces.sheets import sheet
    from latently.modalities.encode import write

    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "sheet.png", sheet(rows, captions, heads))


def cleaned(given: Given, verb: str, function: Any) -> None:
    """`function` of every image, one by one: into a folder, the first of them on a sheet beside what they were."""
    from latently.faces.sheets import small, visible

    folder, source = folder_of(given), given.rows
    _ = given.estimator
    rows, captions = [], []
    waiting: Future[Path] | None = None
    with ThreadPoolExecutor(1) as writer:  # packing a large image takes as long as computing it
        for i, name in enumerate(source.names):
            made = function(source.take([i]))[0]
            if waiting is not None:
                waiting.result()
            waiting = writer.submit(put, folder, name, made)
            if i < SHOWN:
                rows.append([small(visible(source[i])), small(visible(made))])
                captions.append([name, ""])
        if waiting is not None:
            waiting.result()
    write_sheet(folder, rows, captions, ["before", "after"])
    if given.common["as_json"]:
        screen.emit({"folder": str(folder), "images": len(source)})
    else:
        typer.echo(f"{folder}: {len(source):,} images {verb}, and sheet.png to look at them")


def reconstruct(given: Given) -> None:
    """Every image as its code tells it."""
    cleaned(given, "reconstructed", lambda images: given.estimator.reconstruct(images))


def impute(given: Given) -> None:
    """Every image with its holes filled."""
    if given.model is None and not given.common.get("missing"):
        raise BadParameter("--missing VALUE is missing: which pixel value means a hole in these images, 0 perhaps?")
    cleaned(given, "filled", lambda images: given.estimator.transform(images))


def detect(
    given: Given,
    setting: str | None = None,
    alerts_per_day: float | None = None,
    explain: int = 3,
    sort: bool = False,
) -> None:
    """Scores in a table, a map of heat and a mask beside each name, the strangest on a sheet."""
    import numpy as np
    import pyarrow as pa

    if alerts_per_day is not None:
        raise BadParameter("--alerts-per-day needs the times of rows; images have none. Leave it out.")
    folder, source = folder_of(given), given.rows
    if given.model is None:
        common = given.common
        fresh = given.fitted(n_components=common["components"], kind=common["kind"], setting=setting)
        given.__dict__["estimator"] = fresh
    detector = given.estimator
    score = -detector.score_samples(source)
    columns: dict[str, Any] = {**given.keys(), "score": score, "p_value": detector.p_values(source)}
    columns["anomaly"] = score > detector.threshold_
    if explain:
        told = [[r.text() for r in found] for found in detector.explain(source, top=explain)]
        for k in range(explain):
            texts = [t[k] if k < len(t) else None for t in told]
            columns[f"reason{k + 1}"] = pa.array(texts, pa.string())
    order = np.argsort(-score, kind="stable")
    shown = _heated(given, folder, order[:SHOWN], columns)
    found = pa.table(columns)
    found = found.take(order) if sort else found
    tables.write(found, folder / "scores.csv")
    write_sheet(folder, *shown, ["image", "heat", "beyond the line"])
    flagged = int(columns["anomaly"].sum())
    if given.common["as_json"]:
        screen.emit({"folder": str(folder), "images": len(score), "flagged": flagged,
                     "threshold": float(detector.threshold_)})  # fmt: skip
        return
    rows = [(source.names[i], f"{score[i]:.4g}", f"{columns['p_value'][i]:.4f}") for i in order[:5]]
    screen.columns("the strangest images", ("file", "score", "p_value"), rows)
    typer.echo(f"{folder}: {len(score):,} images, {flagged:,} flagged; scores.csv, sheet.png, heat and mask of each")


def _heated(given: Given, folder: Path, strangest: Any, columns: dict[str, Any]) -> tuple[list[Any], list[list[str]]]:
    """Write heat and mask of every image; the strangest come back for the sheet."""
    import numpy as np

    from latently.faces.sheets import heated, small, visible

    detector, source = given.estimator, given.rows
    kept: dict[int, list[Any]] = {}
    low, high = detector.heat_range_
    for i, name in enumerate(source.names):
        one = source.take([i])
        image, heat, mask = source[i], detector.heat_map(one)[0], detector.mask(one)[0]
        over = heated(image, heat, low, high)
        put(folder, name, over, "-heat", ".png")
        put(folder, name, mask.astype(np.uint8) * 255, "-mask", ".png")
        if i in strangest:
            kept[i] = [small(visible(image)), small(over), small(visible(mask.astype(np.uint8) * 255))]
    captions = [[source.names[i], f"{columns['score'][i]:.3g}, p {columns['p_value'][i]:.3g}", ""] for i in strangest]
    return [kept[int(i)] for i in strangest], captions


def draw(given: Given, output: Path) -> None:
    """A map with the images themselves as its points."""
    import matplotlib as mpl

    mpl.use("Agg")
    check_place(output)
    labels = given.column("label")
    ax = given.estimator.plot(given.rows, None if labels is None else labels.to_pylist(), images=True)
    with tables.replacing(output) as part:
        ax.figure.savefig(part, format=output.suffix[1:].lower(), dpi=150, bbox_inches="tight")
    if given.common["as_json"]:
        screen.emit({"file": str(output), "images": given.count})
    else:
        typer.echo(f"{output}: a map of {given.count:,} images")
