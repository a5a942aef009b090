"""Tables of measurements: tumours that are unlike the others, wines with missing cells, and a report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from latently.faces import screen

__all__ = ["anomalies", "gaps", "report"]

HIDDEN = 0.3  # share of the wines' cells

Rows = NDArray[np.float64]


# ---------------------------------------------------------------------- anomalies


def anomalies() -> tuple[Any, Any]:
    """A detector that learned from benign tumours alone, beside what is simpler; with the table that it judged."""
    from sklearn.datasets import load_breast_cancer

    from latently import AnomalyDetector
    from latently.modalities import Table

    data = load_breast_cancer()
    benign = np.random.default_rng(0).permutation(np.flatnonzero(data.target == 1))
    known, rest = benign[: len(benign) * 6 // 10], benign[len(benign) * 6 // 10 :]
    judged = np.concatenate([rest, np.flatnonzero(data.target == 0)])
    bad = data.target[judged] == 0
    typer.echo(f"\nDETECT: {len(known)} benign tumours, 30 measurements each; what is unlike them?")
    start = time.monotonic()
    detector = AnomalyDetector(setting="clean", random_state=0, data=Table(label=["diagnosis"]))
    detector.fit(_tumours(data, known))
    seconds = time.monotonic() - start
    typer.echo(f"fitted in {seconds:.1f} s; judged: {len(rest)} other benign tumours, {bad.sum()} malignant ones\n")
    table = _tumours(data, judged)
    strange = -detector.score_samples(table)
    _rank(strange, bad, data.data[known], data.data[judged])
    flagged = strange > detector.threshold_
    typer.echo(
        f"flagged: {(flagged & bad).sum()} of {bad.sum()} malignant, {(flagged & ~bad).sum()} of {len(rest)} benign"
    )
    worst = int(np.argmax(strange))
    reasons = detector.explain(table.slice(worst, 1), top=3)[0]
    typer.echo("the strangest, and why: " + "\n                        ".join(r.text() for r in reasons))
    return detector, table


def _tumours(data: Any, rows: Any) -> Any:
    import pyarrow as pa

    columns = {str(n): data.data[rows, j] for j, n in enumerate(data.feature_names)}
    return pa.table(columns | {"diagnosis": [str(data.target_names[t]) for t in data.target[rows]]})


def _rank(strange: Rows, bad: Any, known: Rows, judged: Rows) -> None:
    """How well each score puts the malignant before the benign."""
    from sklearn.decomposition import PCA
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(known)
    x, new = scaler.transform(known), scaler.transform(judged)
    near = NearestNeighbors(n_neighbors=5).fit(x).kneighbors(new)[0][:, -1]
    pca = PCA(0.9, random_state=0).fit(x)
    left = ((new - pca.inverse_transform(pca.transform(new))) ** 2).sum(1)
    scores = [("anomaly detector", strange), ("distance to the fifth neighbour", near),
              ("error of PCA that keeps 90 %", left)]  # fmt: skip
    screen.columns(
        "malignant before benign", ("", "AUROC"), [(n, f"{roc_auc_score(bad, score):.3f}") for n, score in scores]
    )
    typer.echo("AUROC: how often, of a pair, the malignant one is the stranger; 0.5 is chance")


# ---------------------------------------------------------------------- missing cells


def gaps() -> None:
    """Cells that were hidden on purpose are guessed from the others."""
    from sklearn.datasets import load_wine

    from latently import Imputer

    whole = load_wine().data
    hidden = np.random.default_rng(0).random(whole.shape) < HIDDEN
    holed = np.where(hidden, np.nan, whole)
    typer.echo(
        f"\nIMPUTE: {len(whole)} wines, {whole.shape[1]} measurements each, {hidden.sum()} of their cells hidden"
    )
    start = time.monotonic()
    filled = Imputer(random_state=0).fit_transform(holed)
    typer.echo(f"filled in {time.monotonic() - start:.1f} s\n")
    rows = [("imputer", filled), *_simpler(holed)]
    spread = whole.std(0)

    def error(cells: Any) -> str:
        return f"{np.sqrt((((np.asarray(cells) - whole) / spread)[hidden] ** 2).mean()):.3f}"

    screen.columns("hidden cells", ("", "error"), [(name, error(cells)) for name, cells in rows])
    typer.echo("error: root of the mean square, in deviations of each column")
    kept = np.array_equal(np.asarray(filled)[~hidden], whole[~hidden])
    typer.echo(f"known cells: {'as they were' if kept else 'CHANGED'}")


def _simpler(holed: Rows) -> list[tuple[str, Any]]:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaled = make_pipeline(StandardScaler(), KNNImputer())
    near = scaled[0].inverse_transform(scaled.fit_transform(holed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        turns = IterativeImputer(random_state=0).fit_transform(holed)
    return [("five nearest wines", near), ("scikit-learn's IterativeImputer", turns),
            ("each column's mean", SimpleImputer().fit_transform(holed))]  # fmt: skip


# ---------------------------------------------------------------------- the report


def report(judged: tuple[Any, Any], page: Path | None) -> None:
    """The page about the detector; written when a place is given."""
    from latently.faces import tables
    from latently.faces.report import render
    from latently.faces.report.gather import facts_of
    from latently.faces.rows import Rows as Given

    detector, table = judged
    given = Given("AnomalyDetector", Path("breast_cancer.csv"), output=page)
    given.__dict__ |= {"estimator": detector, "reading": tables.Reading(table, None, ())}
    facts = facts_of(given)
    facts["made"]["command"] = f"latently demo --report {page or 'demo.html'}"
    text = render(facts)
    typer.echo("\nREPORT: columns, training, alarms, map and strangest rows on one page")
    if page is None:
        typer.echo(f"made ({len(text) / 1000:,.0f} kB) and let go; to keep it: latently demo --report demo.html")
        return
    with tables.replacing(page) as part:
        part.write_text(text, encoding="utf-8")
    typer.echo(f"{page} ({len(text) / 1000:,.0f} kB): open it in a browser")
