"""Typos taken out of texts: words that the fit did not have, where one that it had is likelier to have been meant."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.modalities.pieces import Pieces
from latently.parts.likelihoods.autoregressive import LETTERS
from latently.parts.typos import Typos
from latently.tasks.ways import Rows
from latently.values import Batch

__all__ = ["Texts", "Words", "cost"]

BLOCK = 1024  # passages mended together
SLIP = 0.1  # a letter, where the fit had none
# Nats against a word that is new, where texts are spelled by longer pieces, of which any word can be made too easily:
# edits that are left of .0437 a letter, in sentences kept out of a fit, .0256 with 0, .0225 with 2, .0218 with 4, .0222
# with 6, and .0005, .0010, .0021, .0038 of those without typos.
DOUBT = 3.0
WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Words:
    """Words, and those that are one slip of the hand away from another."""

    known: frozenset[str]
    without: dict[str, list[str]]  #: the words that each becomes when it loses no letter or one

    @classmethod
    def of(cls, known: Iterable[str]) -> Words:
        """Found by what is left of them without a letter."""
        without: defaultdict[str, list[str]] = defaultdict(list)
        words = sorted(known)
        for word in words:
            for rest in _without(word):
                without[rest].append(word)
        return cls(frozenset(words), without)

    def near(self, word: str, slip: float, letters: int) -> list[tuple[str, float]]:
        """What may have been meant by a word, and the nats of the slip."""
        found = {other for rest in _without(word) for other in self.without.get(rest, ())}
        costs = ((other, cost(other, word, slip, letters)) for other in sorted(found))
        return [(other, nats) for other, nats in costs if nats is not None]


def _without(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def cost(meant: str, typed: str, slip: float, letters: int) -> float | None:
    """Minus the log-probability of typing one word for another by one slip; None where it takes more.

    Swapped, left out, doubled and replaced are alike often, together `slip` a letter; `letters` may replace one.
    """
    one = log(4 / slip)
    if len(meant) == len(typed):
        wrong = [i for i, (a, b) in enumerate(zip(meant, typed, strict=True)) if a != b]
        if len(wrong) == 1:
            return one + log(letters)
        i, j = wrong[0] if wrong else 0, wrong[-1] + 1 if wrong else 0
        return one if len(wrong) == 2 and meant[i:j] == typed[i:j][::-1] else None
    short, long = sorted((meant, typed), key=len)
    i = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if short[i:] != long[i + 1 :]:
        return None
    doubled = long is typed and i > 0 and long[i] == long[i - 1]
    return one if long is meant or doubled else one + log(letters)


class Texts(Rows):
    """Words that the fit did not have give way to one of its own that is a slip away, if that makes the text likelier.

    What the code tells of a text is not enough to write it anew without changing what is right. So the model judges:
    `-log p(text | code)` nats and those of the slip, against the nats of the text as it is.
    """

    sort = "text"
    what = "texts"
    data: Pieces

    def kept(self, rows: Batch) -> dict[str, Any]:
        """The words of the fit."""
        words = sorted({word for text in self.data.shown(self.data.values(rows.x)) for word in WORD.findall(text)})
        return {"words": np.frombuffer(bytearray("\n".join(words).encode("utf-8", "surrogatepass")), np.uint8)}

    def cleaned(self, data: Any, passes: int | None) -> Any:
        """The texts with other words in the place of some."""
        batch, words = self.task._batch(data), self._words()
        made = [self._mended(batch.take(slice(i, i + BLOCK)), words) for i in range(0, len(batch), BLOCK)]
        rows = np.concatenate(made)
        return self.data.rebuilt(rows.astype(np.int64), data, rows != batch.x.numpy())

    def _words(self) -> Words:
        words = vars(self.task)["_facts"]["words"]
        return Words.of(words.tobytes().decode("utf-8", "surrogatepass").split("\n"))

    def _mended(self, batch: Batch, words: Words) -> NDArray[np.float32]:
        """Rows with the doubtful words of each decided one after the other, from the first."""
        model = self.task.model_
        params = self.task._map(lambda b: model.decoder.plain(model.encode(b)), batch)
        before = self.data.shown(self.data.values(batch.x))
        texts, doubtful = list(before), [list(self._doubtful(text, words)) for text in before]
        for turn in range(max(map(len, doubtful))):
            here = [i for i, own in enumerate(doubtful) if turn < len(own)]
            choices = [(i, *choice) for i in here for choice in _choices(texts[i], len(before[i]), *doubtful[i][turn])]
            which, variants, costs = zip(*choices, strict=True)
            nats = self._nats(variants, params[list(which)]) + costs
            least: dict[int, float] = {}
            for (i, text, _), found in zip(choices, nats.tolist(), strict=True):
                if i not in least or found < least[i]:
                    least[i], texts[i] = found, text
        return np.stack([self._row(text) for text in texts])

    def _doubtful(self, text: str, words: Words) -> Iterator[tuple[int, str, list[tuple[str, float]]]]:
        """Words of a text that the fit did not have and that are a slip from one that it had: place, word, those."""
        typos, letters = self.task.model_.corruption, len(self.data.vocabulary_.characters)
        slip = typos.level if isinstance(typos, Typos) else SLIP
        doubt = 0.0 if max(self.data.levels) < LETTERS else DOUBT
        for match in WORD.finditer(text):
            word = match.group()
            if word not in words.known and (near := words.near(word, slip, letters)):
                yield match.start(), word, [(other, nats - doubt) for other, nats in near]

    def _row(self, text: str) -> NDArray[np.float32]:
        row, numbers = np.zeros(self.data.cells, np.float32), self.data.vocabulary_.encode(text)
        row[: len(numbers)] = numbers[: self.data.cells]
        return row

    def _nats(self, texts: Sequence[str], params: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of each text given what a code tells; infinite where a text is longer than a row."""
        model, cells = self.task.model_, self.data.cells
        rows = np.stack([self._row(text) for text in texts])
        both = Batch(torch.from_numpy(np.concatenate([rows, params], 1)))
        each = self.task._map(lambda b: model.likelihood.each(b.x[:, :cells], b.x[:, cells:]), both)
        return np.where(rows[:, -1] == 0, each.sum(1, dtype=np.float64), np.inf)


def _choices(text: str, length: int, start: int, word: str, near: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """A text as it is, and with each of the others in the place of a word that began at `start` of `length` letters."""
    a = start + len(text) - length
    return [(text, 0.0), *((text[:a] + other + text[a + len(word) :], nats) for other, nats in near)]
