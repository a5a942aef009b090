"""Verbs of compressed files: compress, decompress, verify."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from latently.errors import BadParameter, FileProblem
from latently.faces import options, screen, spelling
from latently.faces.album import Album
from latently.faces.given import MODEL, Given, loaded
from latently.faces.places import check_output, check_place
from latently.faces.results import Results, new_folder
from latently.faces.sorts import SPOKEN
from latently.faces.verb import verb

__all__ = ["compress", "decompress", "verify"]

TABLE = b"\xf1LTT"  # how the file of a table begins


def _packed(given: Album, quality: str | None = None, max_error: list[str] | None = None) -> None:
    from latently.disk import replace

    assert given.output is not None
    check_place(given.output, *(p for p in (given.model, given.data) if p is not None))
    chosen: dict[str, Any] = {"quality": _quality(quality), "max_error": _error(max_error or [])}
    exact = chosen["quality"] == "lossless" or chosen["max_error"] is not None
    if given.model is None and not exact and given.common["keep"] is None:
        raise BadParameter(
            "a learned file cannot be read without its model: --keep model.safetensors writes that too. "
            "Or choose --quality lossless, which needs none."
        )
    coder = _coder(given, chosen, exact)
    data = coder.compress(given.rows, names=list(given.rows.names))
    replace(given.output, data)
    before = sum(p.stat().st_size for p in set(given.rows.paths or []))
    _tell(given, "image", given.count, len(data), before)


def _tell(given: Given, noun: str, count: int, size: int, before: int) -> None:
    if given.common["as_json"]:
        screen.emit({"file": str(given.output), f"{noun}s": count, "bytes": size, "bytes_before": before})
    else:
        share = f", {100 * size / before:.1f} % of {screen.size(before)}" if before else ""
        typer.echo(f"{given.output}: {screen.counted(count, noun)} in {screen.size(size)}{share}")


def _coder(given: Given, chosen: dict[str, Any], exact: bool) -> Any:
    import latently

    named = {n: v for n, v in chosen.items() if v is not None}
    if exact and given.model is None:
        return latently.Compressor(**named)
    if given.model is None:
        return given.fitted(n_components=given.common["components"], **named)
    coder, quality = given.estimator, chosen["quality"]
    if not exact and quality not in (None, coder.quality):
        raise BadParameter(
            f"--quality {quality}: {given.model} was fitted for quality {coder.quality}, and another needs a fit of "
            f"its own: latently compress {given.data} --quality {quality} --keep other{MODEL} -o {given.output}. "
            "Afterwards only lossless and --max-error can be chosen."
        )
    return coder.set_params(**named) if named else coder


def _quality(text: str | None) -> int | str | None:
    if text is None or text == "lossless":
        return text
    try:
        return int(text)
    except ValueError:
        raise BadParameter(f"--quality {text}: expected 1 to 100, or lossless.") from None


def _error(given: list[str]) -> Any:
    """A number, a mapping from columns to numbers, or None."""
    found = {}
    for one in given:
        name, _, text = one.rpartition("=")
        try:
            found[name] = float(text)
        except ValueError:
            raise BadParameter(f"--max-error {one}: expected a number, or COLUMN=NUMBER.") from None
    if "" in found and len(given) > 1:
        raise BadParameter("--max-error is one number for all columns, or COLUMN=NUMBER for each of some.")
    return found.get("", found) if found else None


@verb("Compressor", options.ToFile, images=_packed, audio=True)
def compress(given: Given, quality: options.Quality = None, max_error: options.MaxError = []) -> None:  # noqa: B006
    """Write a table or images as one small, checked file.

    A table needs no model and comes back as it is: cell by cell from .csv, as the same table from .parquet and .arrow;
    numbers no farther off than --max-error.

    Blocks of an image become rounded codes of an autoencoder. The file can be read with its model alone: give MODEL,
    or --keep the one that is fitted on these images. --quality lossless and --max-error need none. How it is fitted:
    latently fit photographs --task compress --set quality=50 -o model.safetensors.

    Example: latently compress model.safetensors photographs -o small.ltn
    """
    if given.sort != "table":
        raise BadParameter(f"{given.data} holds {SPOKEN[given.sort]}; compress takes images and tables.")
    asked = [*given.flags(), *(["--quality"] if quality not in (None, "lossless") else [])]
    if given.model is not None or asked:
        raise BadParameter(
            f"{given.data} is a table: it is kept whole, needs no model{' and no ' * bool(asked)}{''.join(asked[:1])}."
            f" Try: latently compress {given.data} -o {given.output}, and --max-error where numbers may be off."
        )
    import latently
    from latently.disk import replace

    assert given.output is not None
    check_place(given.output, given.data)
    error = _error(max_error)
    table = spelling.read(given.data, error is None)
    data = latently.Compressor(max_error=error).compress(table)
    replace(given.output, data)
    _tell(given, "row", table.num_rows, len(data), given.data.stat().st_size)


def decompress(
    *,
    model: options.MaybeModel = None,
    file: options.File,
    output: options.ToAgain,
    as_json: options.Json = False,
) -> None:
    """Write the table or the images of a compressed file again.

    Images go into a new folder, under their names; a table into a file whose name says what it is.

    MODEL is the one that it was written with; lossless and bounded files need none. A damaged file, and one of another
    model, is refused as a whole.

    Example: latently decompress model.safetensors photographs.ltn -o photographs
    """
    coder, data = _opened(model, file)
    if data[:4] == TABLE:
        _table(coder, data, file, output, as_json)
        return
    new_folder(output)
    with _about(file):
        told = coder.verify(data) if model else _without_model(coder, data, file, output)
    count = told["images"]
    digits = len(str(max(count - 1, 0)))
    names = told["names"] or [f"{i:0{digits}d}.png" for i in range(count)]
    results = Results(output, names)
    with _about(file), results.filling(count):
        for name, image in zip(names, coder.images(data), strict=True):
            results.put(name, image)
    if as_json:
        screen.emit({"folder": str(output), "images": count})
    else:
        typer.echo(f"{output}: {screen.counted(count, 'image')}")


def _table(coder: Any, data: bytes, file: Path, output: Path, as_json: bool) -> None:
    from latently.modalities.containers import arrow_of

    check_output(output, file)
    with _about(file):
        table = arrow_of(coder.decompress(data))[0]
    spelling.write(table, output)
    if as_json:
        screen.emit({"table": str(output), "rows": table.num_rows})
    else:
        typer.echo(f"{output}: {screen.counted(table.num_rows, 'row')}")


def _without_model(coder: Any, data: bytes, file: Path, output: Path) -> dict[str, Any]:
    """What the file holds, if it can be read without a model."""
    told: dict[str, Any] = coder.verify(data)
    if told["model"] is not None:
        raise FileProblem(
            f"it cannot be read without the model that it was written with, {told['model']}. "
            f"Try: latently decompress MODEL {file} -o {output}"
        )
    return told


def verify(*, model: options.MaybeModel = None, file: options.File, as_json: options.Json = False) -> None:
    """Check every bit of a compressed file.

    Says what it holds; with MODEL also whether it is the model that the file needs.

    Example: latently verify photographs.ltn
    """
    coder, data = _opened(model, file)
    with _about(file):
        told = coder.verify(data)
    if as_json:
        screen.emit({"file": str(file), **told})
        return
    parts = told.get("columns") or told["blocks"]
    codecs = ", ".join(sorted({b["codec"] for b in parts}))
    noun, group = ("rows", "column") if "columns" in told else ("images", "block")
    screen.pairs(str(file), [
        (noun, f"{told[noun]:,} in {screen.counted(len(parts), group)}"),
        ("size", screen.size(told["bytes"])),
        ("written", codecs), ("model", told["model"] or "none needed"),
    ])  # fmt: skip
    typer.echo("every bit is as it was written")


@contextmanager
def _about(file: Path) -> Iterator[None]:
    """Within it, a problem names the file."""
    try:
        yield
    except FileProblem as problem:
        raise FileProblem(f"{file}: {problem}") from None


def _opened(model: list[Path] | None, file: Path) -> tuple[Any, bytes]:
    """A coder, and the bytes of the file."""
    if model and len(model) > 1:
        raise FileProblem(f"got {' '.join(map(str, [*model, file]))}; expected a model, if any, and one file.")
    if not file.is_file():
        raise FileProblem(f"{file} {'is a folder' if file.is_dir() else 'does not exist'}; expected a compressed file.")
    import latently

    coder = loaded(model[0]) if model else latently.Compressor()
    if not isinstance(coder, latently.Compressor):
        assert model
        raise BadParameter(
            f"{model[0]} holds a model of the task {type(coder).__name__}; expected the one that {file} was written "
            "with, of the task Compressor."
        )
    return coder, file.read_bytes()
