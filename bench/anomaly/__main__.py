"""Rows unlike the others, beside other methods and published figures.

    python bench/anomaly [PART ...] [--compat] [--seeds 0,1] [--sets glass,letter] [--setting clean]
                         [--published FILE] [--envs DIR | --pyod PYTHON]

- clean: twelve sets of ADBench, learned from normal rows; ours, its views alone, rivals, seconds of fits
- contaminated: the same sets, learned from rows with their anomalies and judged on the same
- fraud: simulated card payments, thirty days without labels to learn from, the next thirty judged
- mixed: census rows of numbers and categories with gaps, and anomalies put into them
- ablation: what each part of the score adds, and other options, on the twelve sets

All of them when none is named. `--compat` has clean and contaminated follow the published protocol (Livernoche et al.
2023, arXiv 2305.18593), with the means of the methods in `--published FILE`, a CSV with a line for each set, setting
and metric. PyOD lives in an environment of its own, made under DIR at the first run, or in that of PYTHON; where there
is none, its column says that it is missing. Means over the seeds; AUROC and AUPR (average precision) in per cent.
Sets, seeds and progress go to the error stream, tables to the output.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import ablation
import fraud
import grid
import mixed
from layout import head
from places import default_folder

PARTS = {
    "clean": grid.clean, "contaminated": grid.contaminated, "fraud": fraud.run, "mixed": mixed.run,
    "ablation": ablation.run,
}  # fmt: skip


def main() -> None:
    """One part after the other."""
    parser = argparse.ArgumentParser(
        prog="python bench/anomaly", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--compat", action="store_true", help="the published protocol")
    parser.add_argument("--published", type=Path, metavar="FILE", help="published figures of the same sets, CSV")
    parser.add_argument("--seeds", type=lambda text: [int(word) for word in text.split(",")], default=[])
    parser.add_argument("--sets", type=lambda text: text.split(","), default=[], help="some of the twelve")
    parser.add_argument("--setting", default="", choices=("clean", "contaminated"), help="the only one of the ablation")
    parser.add_argument("--envs", type=Path, default=default_folder(), help="where peers' environments are made")
    parser.add_argument("--pyod", type=Path, metavar="PYTHON", help="an interpreter that has PyOD, instead")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    warnings.simplefilter("ignore")
    for part in options.parts or PARTS:
        print(head(options, part), flush=True)
        PARTS[part](options)


if __name__ == "__main__":
    main()
