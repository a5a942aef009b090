"""What was drawn from a model, written down: rows, steps, lines of text, images, sounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from latently.errors import FileProblem
from latently.faces import screen, tables
from latently.faces.results import Results, new_folder
from latently.faces.sorts import family

__all__ = ["check_drawn", "write_drawn"]

ACROSS = 8  # images in a line of the sheet
LINES = ".txt"


def check_drawn(sort: str, output: Path, *inputs: Path) -> None:
    """Raise `FileProblem` unless what is drawn of this sort can be written there."""
    if sort in ("images", "audio"):
        new_folder(output, *inputs)
    elif sort == "text" and output.name.lower().endswith(LINES):
        tables.check_place(output, *inputs)
    else:
        tables.check_output(output, *inputs)


def write_drawn(generator: Any, made: Any, output: Path) -> str:
    """Write it; what was written comes back in words."""
    sort = family(type(generator.data_).key)
    writers: dict[str, Callable[[Any, Any, Path], str]] = {
        "images": _images, "audio": _sounds, "series": _series, "text": _texts
    }  # fmt: skip
    return writers.get(sort or "table", _rows)(generator, made, output)


def _rows(generator: Any, made: Any, output: Path) -> str:
    import pyarrow as pa

    from latently.modalities.frames import frame_of

    frame, names = frame_of(made), generator.data_.names
    found = {n: pa.array(list(made[:, j])) for j, n in enumerate(names)} if frame is None else None
    tables.write(pa.table(found) if frame is None else frame.to_arrow(), output)
    return screen.counted(len(made), "new row")


def _series(generator: Any, made: Any, output: Path) -> str:
    """A line a step, behind the number of its series."""
    import numpy as np
    import pyarrow as pa

    count, length = made.shape[:2]
    flat = made.reshape(count * length, -1)
    where = {"series": np.repeat(np.arange(count), length), "step": np.tile(np.arange(length), count)}
    tables.write(pa.table(where | {n: flat[:, j] for j, n in enumerate(generator.data_.channels)}), output)
    return f"{count:,} new series of {screen.counted(length, 'step')}"


def _texts(_: Any, made: Any, output: Path) -> str:
    import pyarrow as pa

    if not output.name.lower().endswith(LINES):
        tables.write(pa.table({"text": pa.array(list(made), pa.string())}), output)
    else:
        from latently.disk import replace

        try:
            replace(output, "".join(f"{' '.join(text.splitlines())}\n" for text in made).encode())
        except OSError as problem:
            raise FileProblem(f"cannot write {output}: {problem.strerror or problem}.") from None
    return screen.counted(len(made), "new text")


def _numbered(count: int, suffix: str) -> list[str]:
    digits = len(str(count - 1))
    return [f"{i:0{digits}d}{suffix}" for i in range(count)]


def _images(generator: Any, made: Any, output: Path) -> str:
    from latently.faces.sheets import visible

    names = _numbered(len(made), ".png")
    results = Results(output, names)
    with results.filling(len(made)):
        for name, image in zip(names, made, strict=True):
            results.put(name, image)
    low, high = (float(e[0]) for e in generator.data_.bounds())
    shown = [visible(image, low, high) for image in made[: ACROSS * ACROSS]]
    lines = [shown[i : i + ACROSS] for i in range(0, len(shown), ACROSS)]
    results.sheet(lines, [[""] * len(line) for line in lines], [])
    return f"{screen.counted(len(made), 'new image')}, and sheet.png to look at them"


def _sounds(generator: Any, made: Any, output: Path) -> str:
    from latently.faces.recordings import Recordings
    from latently.faces.spectrogram import spectrogram

    rate, names = int(generator.data_.rate_), _numbered(len(made), ".wav")
    results = Recordings(output, names)
    with results.filling(len(made)):
        for name, clip in zip(names, made, strict=True):
            results.put_clip(name, clip, rate)
    shown = [spectrogram(clip, rate) for clip in made[: ACROSS * ACROSS]]
    lines = [shown[i : i + ACROSS] for i in range(0, len(shown), ACROSS)]
    results.sheet(lines, [[""] * len(line) for line in lines], [])
    return f"{screen.counted(len(made), 'new clip')}, and sheet.png to look at them"
