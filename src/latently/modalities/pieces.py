"""Texts as sequences of byte-pair pieces: what generation, typos and interpolation read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from latently.errors import BadParameter
from latently.modalities.base import Remember
from latently.modalities.bytepairs import Vocabulary
from latently.modalities.passages import passages
from latently.modalities.rows import merged
from latently.modalities.text import Text
from latently.parts.doors import Door
from latently.parts.likelihoods import Autoregressive, Likelihood
from latently.parts.likelihoods.autoregressive import END, LETTERS
from latently.parts.networks import Design, Reader
from latently.values import Batch

__all__ = ["Pieces", "Spelling"]

SHORT = 24  # characters: where nearly all texts are shorter, as names are, they are spelled letter by letter
NEARLY = 0.95  # of the texts
FITTING = 0.999  # of the texts fit whole into a row
LONGEST = 64  # pieces of a row
LEAST = 9  # a character that is spelled by halves of its bytes, and the end
A_PIECE = 800  # characters of the fit for each piece of its vocabulary
MOST = 4096  # pieces
CODE = 32  # numbers in a code
STEPS = 3000
SPELLED = (
    3e-3  # rate where letters are spelled: names came to .079 of held-out ones in 6,000 steps, .095 in 3,000 at 2e-3
)


class Spelling(Door):
    """The numbers of the pieces, then which are known: the network embeds them itself."""

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__((0,) * len(levels), masked=True)


@dataclass
class Pieces(Text):
    """Texts as sequences of the pieces of a vocabulary that is learned from them and kept with the model.

    A row is a text: the numbers of its pieces, the end, and unknown cells beyond. A text that does not fit is several
    rows, cut after sentences or between words; its code and score are the means of theirs, and what is given back is
    put together again. Upper and lower case, spaces and marks are all kept, so of the options of `Text` only `column`
    counts.

    Parameters
    ----------
    pieces : int or "auto"
        Size of the vocabulary, at most; never less than the characters of the texts and 18. "auto": the characters
        alone where 95 % of the texts have at most 24, as names have; else a piece for every 800 characters of the
        fit, at most 4,096.
    length : int or "auto"
        Pieces of a row, at least 9, for a character that the fit has not met takes 8. "auto": what all but one in a
        thousand texts and their ends fit into, at most 64.
    decoder : "auto" or Autoregressive
        What spells a text from its code: `Autoregressive(cell="transformer", dropped=0.4)`, say.

    Raises
    ------
    BadParameter
        On options that are no such numbers.
    """

    pieces: Any = "auto"
    length: Any = "auto"
    decoder: Any = "auto"
    counted: ClassVar[bool] = False
    cut_from: ClassVar[str] = "text"
    noise: ClassVar[str] = "typos:0.1"
    noun: ClassVar[str] = "piece"
    loss: ClassVar[str] = "piece by piece"
    judge: ClassVar[str] = "columns"

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """A vocabulary, a length, and the texts spelled."""
        self._check()
        texts = self.documents(data)
        lengths = np.array([len(t) for t in texts])
        self.vocabulary_ = Vocabulary.learn(texts, self._size(lengths))
        sizes = np.array([self._pieces(text) + 1 for text in texts])
        fitting = int(np.quantile(sizes, FITTING, method="higher"))
        self.row_ = max(LEAST, min(LONGEST, fitting)) if self.length == "auto" else int(self.length)
        self.cut_ = float((sizes > self.row_).mean())
        rows, owners = self._rows(texts)
        if weight is not None:
            weight = _check_sample_weight(weight, texts, ensure_non_negative=True)[owners]
        return self._batch(*merged(rows, weight)), lambda: self._sign(owner)

    def _check(self) -> None:
        for name, least in (("pieces", 1), ("length", LEAST)):
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least
            if not whole and not (isinstance(value, str) and value == "auto"):
                raise BadParameter(f"{name}={value!r}: expected a whole number, at least {least}, or 'auto'.")
        if not (isinstance(self.decoder, Autoregressive) or (isinstance(self.decoder, str) and self.decoder == "auto")):
            raise BadParameter(f"decoder={self.decoder!r}: expected 'auto' or Autoregressive(...).")

    def _size(self, lengths: NDArray[np.int64]) -> int:
        if self.pieces != "auto":
            return int(self.pieces)
        if np.quantile(lengths, NEARLY) <= SHORT:
            return 0
        return min(MOST, int(lengths.sum()) // A_PIECE)

    def take(self, owner: Any, data: Any) -> Batch:
        """Texts spelled by the vocabulary of the fit."""
        return self._batch(self._rows(self.documents(data))[0])

    def owners(self, data: Any) -> NDArray[np.int64] | None:
        """The text of each row; None where every text is one."""
        texts = self.documents(data)
        found = np.repeat(np.arange(len(texts)), [len(self._passages(text)) for text in texts])
        return None if len(found) == len(texts) else found

    def _pieces(self, text: str) -> int:
        return len(self.vocabulary_.encode(text))

    def _passages(self, text: str) -> list[tuple[int, int]]:
        return passages(text, self.row_ - 1, self._pieces)

    def _rows(self, texts: list[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Pieces of every passage, and the text that it is of."""
        cut = [(i, text[a:b]) for i, text in enumerate(texts) for a, b in self._passages(text)]
        rows = np.zeros((len(cut), self.row_), np.float32)
        for row, (_, passage) in zip(rows, cut, strict=True):
            numbers = self.vocabulary_.encode(passage)
            row[: len(numbers)] = numbers[: self.row_]
        return rows, np.array([i for i, _ in cut], np.int64)

    def _batch(self, rows: NDArray[np.float32], counts: NDArray[np.float64] | None = None) -> Batch:
        x = torch.from_numpy(rows)
        known = torch.nn.functional.pad(x[:, :-1] != END, (1, 0), value=True)  # up to the end, and it too
        return Batch(x, known, weight=None if counts is None else torch.from_numpy(counts.astype(np.float32)))

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """None: a text is whole."""
        return np.zeros((len(self._rows(self.documents(data))[0]), self.row_), bool)

    # ------------------------------------------------------------------ what it calls for

    @property
    def cells(self) -> int:
        """Pieces of a row."""
        return self.row_

    @property
    def shape(self) -> tuple[int, ...]:
        """`(length,)`."""
        return (self.row_,)

    @property
    def levels(self) -> tuple[int, ...]:
        """Every cell names a piece."""
        return (len(self.vocabulary_),) * self.row_

    def door(self, masked: bool) -> Door:
        """Numbers of pieces, and which are known."""
        return Spelling(self.levels)

    def network(self) -> Design:
        """Cells that read both ways."""
        return Reader()

    def plan(self, rows: int) -> dict[str, Any]:
        """A code of 32 numbers; 3,000 steps of 128 rows at most, letter by letter twice as many."""
        own = {"n_components": CODE, "steps": STEPS, "batch_rows": min(128, max(16, rows // 40))}
        spelled = len(self.vocabulary_) < LETTERS
        return own | {"steps": 2 * STEPS, "learning_rate": SPELLED} if spelled else own

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """Each piece after those before it, whatever the loss: categories count their nats."""
        return self.decoder if isinstance(self.decoder, Autoregressive) else Autoregressive()

    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The first and the last piece."""
        return torch.zeros(self.cells), torch.full((self.cells,), len(self.vocabulary_) - 1.0)

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same."""
        return np.zeros(self.cells), np.full(self.cells, len(self.vocabulary_) - 1.0)

    # ------------------------------------------------------------------ results out

    def values(self, cells: torch.Tensor) -> NDArray[Any]:
        """The numbers of the pieces."""
        return np.asarray(cells.cpu().numpy().reshape(len(cells), -1).round(), np.int64)

    def shown(self, values: NDArray[Any]) -> Any:
        """Texts."""
        return [self.vocabulary_.decode(row) for row in values.tolist()]

    def rebuilt(self, values: NDArray[Any], like: Any, changed: NDArray[Any] | None = None) -> Any:
        """Texts in the container of `like`, passages in their places; with `changed`, only rows that it names.

        Where there is no text, there is none; the white space between passages is that of `like`.
        """
        counts = np.ones(len(values), bool) if changed is None else changed.any(1)
        made = iter(zip(self.shown(values), np.atleast_1d(counts), strict=True))
        return contained([self._joined(text, made) for text in self.documents(like)], like)

    def _joined(self, text: str, made: Iterator[tuple[str, bool]]) -> str:
        """A text with the next of the `made` passages in the place of its own, where they count."""
        parts, last = [], 0
        for start, end in self._passages(text):
            passage, counts = next(made)
            parts += [text[last:start], passage if counts and end > start else text[start:end]]
            last = end
        return "".join([*parts, text[last:]])

    # ------------------------------------------------------------------ what was decided

    @property
    def names(self) -> list[str]:
        """Which piece of the text each cell is."""
        return [f"piece {j}" for j in range(self.cells)]

    def schema(self) -> list[dict[str, Any]]:
        """What the model sees of a text."""
        return [{
            "name": "text", "sort": "text", "role": "learned", "why": "", "levels": 0, "missing": 0.0,
            "pieces": len(self.vocabulary_), "length": self.row_, "cut": self.cut_,
            "letters": len(self.vocabulary_.characters), "scaled": "",
        }]  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Characters, merges, length."""
        merges = np.array(self.vocabulary_.merges, np.int32).reshape(-1, 2)
        characters = [ord(c) for c in self.vocabulary_.characters]
        return {"characters": characters, "merges": merges, "length": self.row_, "cut": self.cut_}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        merges = [(a, b) for a, b in state["merges"].tolist()]
        self.vocabulary_ = Vocabulary("".join(map(chr, state["characters"])), merges)
        self.row_, self.cut_ = int(state["length"]), float(state["cut"])
        return self


def contained(texts: list[str], like: Any) -> Any:
    """Texts in the container of `like`: a column keeps its index and name, an array is one, else a list."""
    if hasattr(like, "index") and hasattr(like, "iloc"):
        return type(like)(texts, index=like.index, name=like.name)
    if isinstance(like, np.ndarray):
        return np.array(texts, dtype=like.dtype if like.dtype == object else None).reshape(like.shape)
    return texts
