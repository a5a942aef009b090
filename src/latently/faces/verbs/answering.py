"""The verb that learns answers from the rows that have one: classify."""

from __future__ import annotations

from typing import Any

import typer

from latently.errors import BadData
from latently.faces import options, screen, tables
from latently.faces.given import Given, loaded
from latently.faces.told import answered
from latently.faces.verb import verb

__all__ = ["classify"]

CLASSES = 30  # whole numbers of more different values are amounts
DIGITS = 6  # of a probability, behind the point
TASKS = ("PretrainedClassifier", "PretrainedRegressor")


@verb("PretrainedClassifier", options.ToTable, images=True, audio=True)
def classify(given: Given) -> None:
    """Say the class of every row, image, text or clip, or a number, from the few that have an answer.

    Answers are the column --label of a table, empty where there is none, or the folders of images and sounds, of which
    those in no folder have none; all rows are learned from. OUT has `prediction` and the calibrated probability of
    every class, `p_CLASS`, beside identifiers and other labels. Of labels that are numbers, unless whole and of at most
    30 different values, it has numbers. Without MODEL rows that have an answer are left out; with one, of
    `latently fit --task classify` (or regress), none is.

    Example: latently classify table.csv -o predictions.csv --label class
    """
    assert given.output is not None
    tables.check_output(given.output, *(p for p in (given.model, given.data) if p is not None))
    given.task = task_of(given)
    if given.model is None and not any(_open(answer) for answer in given.answers()):
        raise BadData(
            f"every one of {given.count:,} {given.items} has an answer, so that none is left to predict. To judge a "
            f"model, leave some empty; to predict others: latently fit {given.data} --task classify -o MODEL."
        )
    estimator = given.estimator
    keys = {n: list(c.to_pylist() if hasattr(c, "to_pylist") else c) for n, c in given.keys().items()}
    found = keys | _predicted(estimator, given.rows)
    if given.model is None:
        classes = estimator.classes_.tolist() if hasattr(estimator, "classes_") else None
        some = classes or [-1]  # of amounts -1 is one
        asked = [i for i, a in enumerate(given.answers()) if _open(a) and a not in some]
        found = {name: [column[i] for i in asked] for name, column in found.items()}
        found = {name: column for name, column in found.items() if name not in keys or not all(map(_open, column))}
    import pyarrow as pa

    written = pa.table(found)
    tables.write(written, given.output)
    _tell(given, estimator, written)


def task_of(given: Given) -> str:
    """Classes or numbers, by the model or by the answers given."""
    if given.model is not None:
        held = type(loaded(given.model)).__name__
        return held if held in TASKS else TASKS[0]
    answers = [a for a in given.answers() if not _open(a)]
    numbers = all(isinstance(a, (int, float)) and not isinstance(a, bool) for a in answers)
    whole = numbers and all(a == int(a) for a in answers if a == a and abs(a) != float("inf"))
    return TASKS[numbers and not (whole and len(set(answers)) <= CLASSES)]


def _open(answer: Any) -> bool:
    """Whether there may be none: -1 is none in labels of more than two sorts."""
    return answer is None or answer != answer or answer in ("", -1)


def _predicted(estimator: Any, rows: Any) -> dict[str, Any]:
    if not hasattr(estimator, "classes_"):
        return {"prediction": estimator.predict(rows).tolist()}
    p = estimator.predict_proba(rows)
    classes = [int(c) if isinstance(c, float) and c.is_integer() else c for c in estimator.classes_.tolist()]
    best = [classes[k] for k in p.argmax(1)]
    return {"prediction": best} | {f"p_{name}": p[:, k].round(DIGITS).tolist() for k, name in enumerate(classes)}


def _tell(given: Given, estimator: Any, written: Any) -> None:
    judged, numbers = estimator.judged_, not hasattr(estimator, "classes_")
    if given.common["as_json"]:
        screen.emit({
            "file": str(given.output), "rows": written.num_rows, "columns": written.column_names,
            "predicts": "numbers" if numbers else "classes", "labelled": estimator.labelled_, "held_out": judged,
        })  # fmt: skip
        return
    if judged is not None:
        screen.note(f"on {judged['rows']:,} {given.items} with an answer, held out in turn: {answered(judged)}")
    what = "a number" if numbers else f"one of {len(estimator.classes_)} classes"
    rows = screen.counted(written.num_rows, given.items[:-1])
    typer.echo(f"{given.output}: {rows}, {what} each, from {estimator.labelled_:,} answers")
