"""Verbs of compressed files: compress, decompress, verify."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from latently.errors import BadParameter, FileProblem
from latently.faces import options, screen
from latently.faces.album import Album
from latently.faces.given import MODEL, Given, loaded
from latently.faces.places import check_place
from latently.faces.results import Results, new_folder
from latently.faces.sorts import SPOKEN
from latently.faces.verb import verb

__all__ = ["compress", "decompress", "verify"]


def _packed(given: Album, quality: str | None = None, max_error: float | None = None) -> None:
    from latently.disk import replace

    assert given.output is not None
    check_place(given.output, *(p for p in (given.model, given.data) if p is not None))
    chosen: dict[str, Any] = {"quality": _quality(quality), "max_error": max_error}
    exact = chosen["quality"] == "lossless" or max_error is not None
    if given.model is None and not exact and given.common["keep"] is None:
        raise BadParameter(
            "a learned file cannot be read without its model: --keep model.safetensors writes that too. "
            "Or choose --quality lossless, which needs none."
        )
    coder = _coder(given, chosen, exact)
    data = coder.compress(given.rows, names=list(given.rows.names))
    replace(given.output, data)
    before = sum(p.stat().st_size for p in set(given.rows.paths or []))
    told = {"file": str(given.output), "images": given.count, "bytes": len(data), "bytes_before": before}
    if given.common["as_json"]:
        screen.emit(told)
    else:
        share = f", {100 * len(data) / before:.1f} % of {screen.size(before)}" if before else ""
        typer.echo(f"{given.output}: {screen.counted(given.count, 'image')} in {screen.size(len(data))}{share}")


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


@verb("Compressor", options.ToFile, images=_packed, audio=True)
def compress(given: Given, quality: options.Quality = None, max_error: options.MaxError = None) -> None:
    """Write images as one small, checked file.

    Blocks of an image become rounded codes of an autoencoder. The file can be read with its model alone: give MODEL,
    or --keep the one that is fitted on these images. --quality lossless and --max-error need none. How it is fitted:
    latently fit photographs --task compress --set quality=50 -o model.safetensors.

    Example: latently compress model.safetensors photographs -o small.ltn
    """
    asked = f" at quality {quality or max_error}" if quality or max_error else ""
    hint = " Parquet with zstd keeps tables small." if given.sort == "table" else ""
    held = "is a table" if given.sort == "table" else f"holds {SPOKEN[given.sort]}"
    raise BadParameter(f"{given.data} {held}; compress takes images{asked}.{hint}")


def decompress(
    *,
    model: options.MaybeModel = None,
    file: options.File,
    output: options.ToFolder,
    as_json: options.Json = False,
) -> None:
    """Write the images of a compressed file again.

    They go into a new folder, under their names.

    MODEL is the one that it was written with; lossless and bounded files need none. A damaged file, and one of another
    model, is refused as a whole.

    Example: latently decompress model.safetensors photographs.ltn -o photographs
    """
    new_folder(output)
    coder, data = _opened(model, file)
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
    codecs = ", ".join(sorted({b["codec"] for b in told["blocks"]}))
    screen.pairs(str(file), [
        ("images", f"{told['images']:,} in {screen.counted(len(told['blocks']), 'block')}"),
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
