"""Every figure that applies to a fitted estimator, beside what is simpler."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from latently import rng as chance
from latently.errors import BadData, UnsupportedInput
from latently.tasks import figures
from latently.tasks.base import Task
from latently.tasks.figures import Subject
from latently.tasks.probes import labels_of, neighbourhood, probes
from latently.values import Batch

__all__ = ["Evaluation", "evaluate"]

MOST = 20_000  # rows looked at
SHOWN = 20  # figures of a section in print: a table may have a thousand columns

Rows = NDArray[Any]


@dataclass(frozen=True)
class Evaluation:
    """Figures of a fitted estimator on rows: `section -> figure -> value`, or one value for each who is compared.

    `print` shows them, a notebook draws a table, `to_dict` gives JSON values.
    """

    task: str
    kind: str
    rows: int  #: rows looked at
    given: int  #: rows given
    components: int
    sections: Mapping[str, Mapping[str, Any]]
    item: str = "row"  #: what a row is called

    def __getitem__(self, section: str) -> Mapping[str, Any]:
        return self.sections[section]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; what is not finite is None."""
        facts = {n: getattr(self, n) for n in ("task", "kind", "rows", "given", "components")}
        return {**facts, **_plain(self.sections)}

    def _title(self) -> str:
        of = "" if self.rows == self.given else f" of {self.given:,}"
        items = self.item + ("" if self.given == 1 or self.item.endswith("s") else "s")
        return f"{self.task}, {self.kind}, code of {self.components}, on {self.rows:,}{of} {items}"

    def _lines(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Section, figure, and the values by whom they are of."""
        for section, found in self.sections.items():
            for i, (name, value) in enumerate(found.items()):
                if i == SHOWN and len(found) > SHOWN + 1:
                    yield section, f"and {len(found) - SHOWN} more", {}
                    break
                yield section, name, dict(value) if isinstance(value, Mapping) else {"": value}

    def __str__(self) -> str:
        lines, last = [self._title()], ""
        for section, name, values in self._lines():
            lines += [section] if section != last else []
            told = "   ".join(f"{who} {_short(v)}".strip() for who, v in values.items())
            lines.append(f"  {name:32s} {told}".rstrip())
            last = section
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows, last = [], ""
        for section, name, values in self._lines():
            told = "</td><td>".join(html.escape(f"{who} {_short(v)}".strip()) for who, v in values.items())
            head = html.escape(section) if section != last else ""
            rows.append(f"<tr><th>{head}</th><td>{html.escape(name)}</td><td>{told}</td></tr>")
            last = section
        return f"<table><caption>{html.escape(self._title())}</caption>{''.join(rows)}</table>"


def evaluate(est: Task, X: Any, y: Any = None, *, random_state: Any = 0) -> Evaluation:
    """Every figure that applies to the fitted estimator `est` on rows `X`; with `y`, what its codes are worth.

    Rows that the fit did not learn from give honest figures; on the training rows ours are the flattering ones. At
    most 20,000 rows, drawn by `random_state`, are looked at.

    Notes
    -----
    - reconstruction: squared error per known cell, in units of each column's variance in the fit, of the model, the
      mean predictor and PCA with as many components (as `k`, of a code of which `k` units are on). An estimator keeps
      no training rows, so mean and PCA learn from `X` itself, by cross-fitting: each fifth of the rows is predicted
      from the other four. Where `X` is smaller than the training set, that is a smaller one for them. A category
      counts as its one-hots, in shares of Gini's impurity; PCA then learns from all of `X`. Nats per cell stand beside;
      of sequences of text they stand alone, and there is no noise below and no Jacobian.
    - columns: the same a column, as root mean squared error in user units; in a mixed table, as shares of variance.
    - code: `l0`, the mean number of units that are on; the share of units that never move; the mean Frobenius norm of
      the Jacobian of the code (256 rows), x in standard deviations of a column.
    - robustness: the error when the encoder sees the rows with Gaussian noise of .1, .3 and .5 standard deviations, or
      with 10, 30 and 50 % of the cells hidden, on all known cells, and as a multiple of the clean one.
    - costs: the mean of every term of the loss before its weight (1,000 rows).
    - kl: of a variational code, nats per unit and the number of units whose posterior mean varies by more than .01.
    - neighbours: trustworthiness of the code, and of PCA's of the same rows (2,000 rows, 5 neighbours).
    - probe: with `y`, five-fold accuracy of a logistic regression, NMI and ARI of k-means clusters for classes, R2 of a
      ridge regression for numbers: on codes, on principal components of the same number, on all columns.

    A task adds figures of its own; some have only those: a `Compressor` bits a pixel, PSNR in dB, bytes; a `Generator`
    of tables how like new rows are.
    """
    if not isinstance(est, Task):
        raise UnsupportedInput(f"evaluate takes a fitted estimator of latently, not {type(est).__name__}.")
    check_is_fitted(est, "model_")
    if est.data_.cropped or est.data_.walked:
        return _of_pieces(est, X, y)
    whole = est._batch(X)
    owners = est.data_.owners(X)
    labels = None if y is None else labels_of(y, len(whole) if owners is None else int(owners.max()) + 1)
    seed = chance.seed_of(random_state) % 2**31
    chosen = _chosen(len(whole), seed)
    subject = Subject(est, _plain_rows(whole).take(chosen), seed)
    features, codes = _features(subject), subject.codes()
    sections = {
        "reconstruction": figures.reconstruction(subject),
        "columns": {} if est.data_.shape else figures.columns(subject),  # no table of thousands of pixels
        "code": figures.code(subject),
        "robustness": figures.robustness(subject),
        "costs": figures.costs(subject),
        "kl": figures.divergence(subject),
        "neighbours": neighbourhood(features, codes, est.model_.bottleneck.kept or codes.shape[1], seed),
        "probe": {} if labels is None else probes(*_labelled(features, codes, labels, chosen.numpy(), owners), seed),
    }
    sections |= est._figures(X, y)
    found = {name: section for name, section in sections.items() if section}
    kind, k = est.recipe_.name, int(est.n_components_)
    return Evaluation(type(est).__name__, kind, len(chosen), len(whole), k, found, est.data_.item)


def _of_pieces(est: Task, X: Any, y: Any) -> Evaluation:
    """The figures of a task that learns from pieces, or cell after cell: their codes say nothing of the whole."""
    found = {n: section for n, section in est._figures(X, y).items() if section}
    if not found:
        raise BadData(f"there is nothing here to judge by: this {type(est).__name__} is judged by {est.judged}.")
    count = len(est._batch(X)) if est.data_.walked else est.data_.count(X)
    item = "step" if est.data_.stepwise(X) else est.data_.item
    return Evaluation(type(est).__name__, est.recipe_.name, count, count, int(est.n_components_), found, item)


def _chosen(rows: int, seed: int) -> torch.Tensor:
    """Which rows to look at, in the order given when there are few."""
    if rows <= MOST:
        return torch.arange(rows)
    return torch.randperm(rows, generator=chance.child(seed, "rows"))[:MOST]


def _labelled(features: Rows, codes: Rows, labels: Rows, chosen: Rows, owners: Rows | None) -> tuple[Rows, Rows, Rows]:
    """What has a label, and the label: the chosen rows, or of items that take several the means of theirs."""
    if owners is None:
        return features, codes, labels[chosen]
    items, of, counts = np.unique(owners[chosen], return_inverse=True, return_counts=True)
    sums = [np.zeros((len(items), rows.shape[1])) for rows in (features, codes)]
    for total, rows in zip(sums, (features, codes), strict=True):
        np.add.at(total, of, rows)
    return sums[0] / counts[:, None], sums[1] / counts[:, None], labels[items]


def _plain_rows(batch: Batch) -> Batch:
    return Batch(batch.x.cpu(), None if batch.known is None else batch.known.cpu())


def _features(subject: Subject) -> Any:
    """What the encoder sees of the rows, but the mask; of a text, how often each piece stands in it."""
    door = subject.task.model_.door
    if not subject.measured:
        pieces = subject.batch.x.long()
        counts = torch.zeros(len(pieces), max(subject.task.data_.levels), dtype=torch.float64)
        return counts.scatter_add_(1, pieces, torch.from_numpy(subject.known).double()).numpy()
    width = door.width - (len(door.levels) if door.masked else 0)
    return subject.task._map(lambda b: door(b)[:, :width], subject.batch).astype(np.float64)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(_short, value[:SHOWN])) + (" ..." if len(value) > SHOWN else "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)
