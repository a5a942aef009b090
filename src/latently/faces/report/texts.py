"""What a report shows of a model of texts: topics, the strangest texts, new ones, what became of some."""

from __future__ import annotations

from typing import Any

import numpy as np

from latently.faces.report.units import told as units
from latently.faces.texts import Texts

__all__ = ["told"]

TOPICS = 32
WORDS = 10
STRANGE = 20
NEW = 12
BESIDE = 12
EXCERPT = 160  # characters


def told(given: Texts) -> dict[str, Any]:
    """Listings, and the strangest texts."""
    made = [_topics(given), *units(given, lambda i: _keys(given, i)["text"]), _beside(given), _new(given)]
    titles = {"listings": "Texts", "strange": "Strangest texts"}
    return {"listings": [m for m in made if m is not None], "titles": titles, "strange": _strange(given)}


def _counted(given: Texts) -> bool:
    return "words" in given.estimator.data_.schema()[0]


def _topics(given: Texts) -> dict[str, Any] | None:
    if not _counted(given) or hasattr(given.estimator, "p_values"):  # a wide code has no topics
        return None
    from latently.tasks.topics import topics

    spread = given.estimator.codes_.std(0)
    found = topics(given.estimator, WORDS)
    order = np.argsort(-spread, kind="stable")[:TOPICS]
    rows = [[str(u), ", ".join(found[u])] for u in order]
    note = "The words that a unit brings forward most when it alone is moved. The unit that varies most comes first."
    return {"title": "Topics", "heads": ["unit", "words"], "rows": rows, "note": note}


def _beside(given: Texts) -> dict[str, Any] | None:
    """Texts before and after, those that a denoiser changed, or some as their codes tell them."""
    if _counted(given) or hasattr(given.estimator, "p_values"):
        return None
    cleaned = type(given.estimator).__name__ == "Denoiser"
    if not cleaned and not hasattr(given.estimator, "reconstruct"):
        return None
    some = [given.rows[i] for i in np.linspace(0, given.count - 1, min(200, given.count)).astype(int)]
    made = given.estimator.transform(some) if cleaned else given.estimator.reconstruct(some)
    pairs = [[a, b] for a, b in zip(some, made, strict=True) if a != b or not cleaned][:BESIDE]
    heads = ["text", "cleaned" if cleaned else "as its code tells it"]
    return {"title": "Before and after", "heads": heads, "rows": pairs}


def _new(given: Texts) -> dict[str, Any] | None:
    if not hasattr(given.estimator, "sample") or _counted(given):
        return None
    made = given.estimator.sample(NEW, random_state=0)
    return {"title": "New texts", "heads": ["drawn from the model"], "rows": [[text] for text in made]}


def _strange(given: Texts) -> dict[str, Any]:
    if hasattr(given.estimator, "p_values"):
        return _judged(given)
    from latently.tasks.portrait import strangest

    rows = strangest(given.estimator, given.rows, STRANGE)
    for row in rows:
        row["keys"] = _keys(given, row["row"])
        row["reasons"] = row["reasons"] if _counted(given) else []
    note = "Texts that the model reconstructs worst. `latently detect` also gives p-values and a threshold."
    return {"rows": rows, "score_name": "surprise", "total": given.count, "item": "text", "note": note}


def _judged(given: Texts) -> dict[str, Any]:
    detector = given.estimator
    score = -detector.score_samples(given.rows)
    worst = np.argsort(-score, kind="stable")[:STRANGE]
    few = [given.rows[i] for i in worst]
    p, reasons = detector.p_values_of(-score[worst]), detector.explain(few, top=4)
    rows = [
        {"row": int(i), "keys": _keys(given, int(i)), "score": float(score[i]), "p": float(p[k]),
         "flag": bool(score[i] > detector.threshold_), "reasons": [r.told() for r in reasons[k]]}
        for k, i in enumerate(worst)
    ]  # fmt: skip
    counts, edges = np.histogram(score, 40)
    return {
        "rows": rows, "score_name": "strangeness (nats)", "threshold": float(detector.threshold_), "item": "text",
        "scores": {"counts": counts.tolist(), "edges": edges.tolist()},
        "flagged": int((score > detector.threshold_).sum()), "total": len(score),
    }  # fmt: skip


def _keys(given: Texts, row: int) -> dict[str, Any]:
    named = {n: c[row] for n, c in given.keys().items() if n not in ("row", "line")}
    found = {n: v.as_py() if hasattr(v, "as_py") else v for n, v in named.items()}
    text = " ".join(given.rows[row].split())
    return found | {"text": text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"}
