"""Words of a text in any script, and which of them a model should know."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latently.errors import BadData

__all__ = ["Vocabulary", "counted", "words"]

# Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer, Japanese syllables, Han.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U000323af"
)


@functools.cache
def _marks() -> str:
    """Combining marks, which belong to the letter before them, as the inside of a character class."""
    places = [i for i in range(0x300, 0x1F000) if unicodedata.category(chr(i))[0] == "M"]
    starts = [i for i in places if unicodedata.category(chr(i - 1))[0] != "M"]
    ends = [i for i in places if unicodedata.category(chr(i + 1))[0] != "M"]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Words, with apostrophes inside; runs of a script without spaces."""
    letter = rf"(?:[^\W_]|[{_marks()}])"
    return re.compile(rf"{letter}+(?:['\u2019]{letter}+)*"), re.compile(
        rf"[{UNSPACED}]+(?:[{_marks()}]+[{UNSPACED}]*)*"
    )


def words(text: str, lowercase: bool = True) -> list[str]:
    """The words of a text, in order: letters, digits and marks of any script, with apostrophes inside.

    Compatibility forms become plain ones (NFKC: wide letters, ligatures). Where a script puts no spaces between words
    (Chinese, Japanese, Thai, Lao, Khmer, Burmese) pairs of neighbouring characters stand for words, and a lone
    character for itself.
    """
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    text = text.lower() if lowercase else text
    word, run = _patterns()
    if text.isascii():
        return word.findall(text)
    found: list[str] = []
    for token in word.findall(text.replace("\u2019", "'")):
        at = 0
        for piece in run.finditer(token):
            found += [token[at : piece.start()]] if piece.start() > at else []
            found += _pairs(piece[0])
            at = piece.end()
        found += [token[at:]] if at < len(token) else []
    return found


def _pairs(run: str) -> list[str]:
    return [run] if len(run) < 2 else [run[i : i + 2] for i in range(len(run) - 1)]


@dataclass(frozen=True)
class Vocabulary:
    """Words that a model knows, in an order of their own, and how they were cut out of texts."""

    terms: tuple[str, ...]
    lowercase: bool = True

    @classmethod
    def of(
        cls, texts: Sequence[str], weight: NDArray[np.float64], most: int, *, least: int, share: float, lowercase: bool
    ) -> Vocabulary:
        """The `most` words that lie in most documents: in `least` of them or more, in at most `share` of them.

        A document counts `weight`. Where that leaves none, as in a handful of documents, every word may stay.
        """
        seen: Counter[str] = Counter()
        for text, count in zip(texts, weight.tolist(), strict=True):
            if count > 0:
                seen.update(dict.fromkeys(words(text, lowercase), count))
        top = share * float(weight.sum())
        kept = [w for w, n in seen.items() if least <= n <= top] or list(seen)
        ranked = sorted(kept, key=lambda w: (-seen[w], w))[:most]
        return cls(tuple(sorted(ranked)), lowercase)

    def counts(self, texts: Sequence[str]) -> Any:
        """`(documents, words)` counts, CSR of float32; words not known are left out."""
        place = {w: j for j, w in enumerate(self.terms)}
        columns: list[int] = []
        ends = np.zeros(len(texts) + 1, np.int64)
        for i, text in enumerate(texts):
            columns += [place[w] for w in words(text, self.lowercase) if w in place]
            ends[i + 1] = len(columns)
        ones: NDArray[np.float32] = np.ones(len(columns), np.float32)
        found = sparse.csr_matrix((ones, np.array(columns, np.int64), ends), shape=(len(texts), len(self.terms)))
        found.sum_duplicates()
        return found


def counted(data: Any) -> Any:
    """Counts that were given as such, CSR of float32; None for what is no 2-D array of numbers."""
    if not sparse.issparse(data) and not isinstance(data, np.ndarray):
        return None
    if data.ndim != 2 or data.dtype.kind not in "buif":
        return None
    found = sparse.csr_matrix(data, dtype=np.float32)
    odd = ~(np.isfinite(found.data) & (found.data >= 0))
    if odd.any():
        row = int(np.searchsorted(found.indptr, int(odd.argmax()), side="right")) - 1
        raise BadData(f"row {row} holds {found.data[odd][0]}; counts of words are finite numbers from 0.")
    return found
