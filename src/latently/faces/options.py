"""The options of the command line: their names, their help, and how their text is read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, BadParameter, Option

__all__ = ["Data", "Drop", "Json", "Model", "Settings", "spoken", "value"]


def _auto(sort: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return text if text == "auto" else sort(text)
        except ValueError:
            raise BadParameter(f"{text!r}; expected {what}, or auto.") from None

    return read


def _widths(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(int(width) for width in text.split(","))


_count, _rate = _auto(int, "a whole number"), _auto(float, "a number")
_layers = _auto(_widths, "widths such as 64,32, or none for a single layer")

# What a verb reads and writes.
Data = Annotated[
    Path,
    Argument(metavar="DATA", help="A table (.csv, .tsv, .parquet, .arrow), or text, images, sounds: a file, a folder."),
]
MaybeModel = Annotated[list[Path] | None, Argument(metavar="MODEL", help="A file that `latently fit` wrote.")]
Model = Annotated[Path, Argument(metavar="MODEL", help="A file that `latently fit` wrote.")]
ToModel = Annotated[Path, Option("-o", "--output", metavar="MODEL", help="Write here, *.safetensors.")]
ToTable = Annotated[Path, Option("-o", "--output", metavar="OUT", help="Write here: .csv, .tsv, .parquet, .arrow.")]
ToMap = Annotated[Path, Option("-o", "--output", metavar="OUT", help="A table, or a picture: .png, .svg, .pdf.")]
ToAgain = Annotated[
    Path, Option("-o", "--output", metavar="OUT", help="A new folder, for images; a table: .csv, .parquet, ...")
]
ToFolder = Annotated[Path, Option("-o", "--output", metavar="OUT", help="A new folder.")]
ToEither = Annotated[
    Path,
    Option("-o", "--output", metavar="OUT", help="A table: .csv, .parquet, ...; of images and sounds, a new folder."),
]
ToFile = Annotated[Path, Option("-o", "--output", metavar="OUT", help="Write here, such as small.ltn.")]
File = Annotated[Path, Argument(metavar="FILE", help="A file that `latently compress` wrote.")]
ToPage = Annotated[Path, Option("-o", "--output", metavar="OUT", help="Write here, *.html.")]
Page = Annotated[Path | None, Option("--report", metavar="OUT", help="Keep the report, *.html.")]
Keep = Annotated[Path | None, Option("--keep", metavar="MODEL", help="Keep the model that was fitted, *.safetensors.")]
Json = Annotated[bool, Option("--json", help="Print one JSON object, for programs.")]

# What its columns are.
Label = Annotated[list[str], Option(metavar="COLUMN", help="Passed through, never learned; may be repeated.")]
Id = Annotated[
    list[str], Option(metavar="COLUMN", help="Tells rows (of series: one series from another) apart; never learned.")
]
Time = Annotated[list[str], Option(metavar="COLUMN", help="When a row happened; passed through, never learned.")]
Drop = Annotated[list[str], Option(metavar="COLUMN", help="Leave this column out; may be repeated.")]
Types = Annotated[
    list[str],
    Option("--type", metavar="NAME=SORT", help="number, integer, boolean, category, ordered, time or duration."),
]
Missing = Annotated[
    list[str], Option(metavar="VALUE", help="A value that means missing, such as -999; in images, that of a hole.")
]
Size = Annotated[int | None, Option(metavar="PIXELS", min=1, help="Images: the longer side that the model sees.")]
As = Annotated[
    str | None,
    Option(
        "--as", metavar="SORT", help="What DATA is, where its name does not say: table, series, text, images or audio."
    ),
]
Text = Annotated[str | None, Option(metavar="COLUMN", help="The column of texts of a table; it alone is learned.")]
Skip = Annotated[bool, Option("--skip", help="Images, sounds: leave out files that cannot be read.")]

# What is learned.
Task = Annotated[
    str,
    Option(
        metavar="TASK",
        help="encode, detect, impute, map, denoise, sample, search, compress, classify or regress: what it is for.",
    ),
]
Components = Annotated[Any, Option("-n", "--components", metavar="N", parser=_count, help="Numbers in a code.")]
KindOrNone = Annotated[
    str | None,
    Option(
        "--kind",
        metavar="KIND",
        help="undercomplete, sparse, topk, denoising, remasking, contractive, features, neighbours, hashing, "
        "variational, vector_quantised, fsq, compressive, clustering, dictionary, or parts: masking:.3+topk:8.",
    ),
]
Widths = Annotated[Any, Option(metavar="WIDTHS", parser=_layers, help="Hidden layers, as 64,32; or none.")]
Loss = Annotated[str, Option(metavar="LOSS", help="squared_error, mean_squared_error, l1, huber or likelihood.")]
Settings = Annotated[
    list[str],
    Option(
        "--set",
        metavar="KEY=VALUE",
        help="More: kind__level=.2, network__activation=tanh, or an option of the task, quality=80.",
    ),
]
Setting = Annotated[str | None, Option(metavar="WORD", help="clean: every row is normal. Else contaminated.")]

Noise = Annotated[
    str | None, Option(metavar="NOISE", help="gaussian:25, uniform:20, salt_and_pepper:.1, ...; else it is measured.")
]
Clean = Annotated[
    bool | None, Option("--clean/--noisy", help="Whether the data of the fit is clean; else it is measured.")
]
Quality = Annotated[str | None, Option(metavar="N", help="1 to 100, as JPEG's; or lossless.")]
MaxError = Annotated[
    list[str],
    Option(metavar="VALUE", help="No pixel or number comes back farther off than this; COLUMN=VALUE for one column."),
]
Bits = Annotated[int | None, Option(metavar="N", min=1, help="Keep so many bits of a code instead of its numbers.")]

# How.
Epochs = Annotated[Any, Option(metavar="N", parser=_count, help="Passes over the data.")]
Batch = Annotated[Any, Option(metavar="N", parser=_count, help="Rows, images, windows, texts or clips in a step.")]
Rate = Annotated[Any, Option(metavar="RATE", parser=_rate, help="Size of a step.")]
Seconds = Annotated[float | None, Option(metavar="SECONDS", help="End the fit after this time.")]
Seed = Annotated[int, Option(metavar="N", min=0, help="Seed of chance: same seed, same model.")]
Device = Annotated[str, Option(metavar="DEVICE", help="cpu, cuda or mps.")]
Precision = Annotated[str, Option(metavar="TYPE", help="Of training: float32 or bfloat16.")]
Checkpoint = Annotated[
    Path | None, Option(metavar="FILE", help="Keep the state here; the same command again goes on from it.")
]

# What is asked for.
Count = Annotated[int, Option("--count", "-c", metavar="N", min=1, help="How many.")]
Given = Annotated[
    list[str], Option(metavar="WHAT", help="Only of this label; of a table COLUMN=VALUE, once for each column.")
]
Nearest = Annotated[int, Option("-k", "--nearest", metavar="N", min=1, help="How many of the most alike.")]
Meta = Annotated[
    list[str],
    Option(metavar="COLUMN[,COLUMN]", help="Kept of each row for --where, never learned; may be repeated."),
]
Where = Annotated[
    list[str],
    Option(metavar="CONDITION", help="What a column of --meta must say: topic=sports, 'year>=2003'; may be repeated."),
]
Among = Annotated[Path | None, Option(metavar="DATA", help="What the index was built of, to show what was found.")]

# What is told.
Alerts = Annotated[
    float | None, Option(metavar="N", help="Flag about so many rows (of series, steps) a day, by the --time column.")
]
Explain = Annotated[int, Option(metavar="N", min=0, help="How many reasons for each row; of series, intervals.")]
Sort = Annotated[bool, Option("--sort", help="The strangest first; else the order of the data.")]


def value(text: str) -> Any:
    """What stands after KEY= in `--set`: a number, JSON, widths such as 64,32, or text."""
    for read in (int, float, json.loads, _widths):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def spoken(complaint: str) -> str:
    """A library's complaint about a parameter, `n_components=0: ...`, in the words of the command line."""
    complaint = complaint.replace("with skip=True", "with --skip")
    found = re.match(r"(\w+)=", complaint)
    flags = {"n_components": "components", "random_state": "seed", "hidden": "network"}
    flags |= {n: n.replace("_", "-") for n in ("kind", "network", "loss", "epochs", "batch_size", "device")}
    flags |= {
        n: n.replace("_", "-")
        for n in ("learning_rate", "max_time", "precision", "setting", "noise", "quality", "max_error")
    }
    flags |= {n: n for n in ("bits", "size", "missing", "given")}
    if not found or found.group(1) not in flags:
        return complaint
    return f"--{flags[found.group(1)]} {complaint[found.end() :]}"
