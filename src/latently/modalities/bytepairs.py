"""A vocabulary of byte-pair pieces, learned from texts: every text has a spelling, and every spelling one text."""

from __future__ import annotations

import heapq
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

__all__ = ["FIRST", "HALVES", "Vocabulary"]

FIRST = 2  # pieces before the text's: the end, and the gap
HALVES = 16  # halves of a byte: two of them, and any character can be spelled byte by byte
RARE = 100_000  # a character that is met less than once in so many is spelled by its bytes
SELDOM = 3  # times that a pair must be met to become a piece
REMEMBERED = 2**16  # words whose spelling is kept
WORD = re.compile(r" ?\w+| ?[^\w\s]+|\s+(?!\S)|\s+")

Pair = tuple[int, int]


class Vocabulary:
    """Pieces by number: 0 ends a text, 1 is a gap, 16 halves of bytes, `characters`, then a piece for each merge.

    Texts fall into words (a space belongs to the word after it), words into characters, and pairs of pieces merge in
    the order in which they were learned (Sennrich 2016). A character that the vocabulary lacks is spelled by the
    halves of its bytes in UTF-8, so that nothing is lost in any script.
    """

    def __init__(self, characters: str, merges: Sequence[Pair] = ()) -> None:
        self.characters = characters
        self.merges = [(int(a), int(b)) for a, b in merges]
        self.texts = [""] * (FIRST + HALVES) + list(characters)
        for a, b in self.merges:
            self.texts.append(self.texts[a] + self.texts[b])
        self._ranks = {pair: i for i, pair in enumerate(self.merges)}
        self._numbers = {c: FIRST + HALVES + i for i, c in enumerate(characters)}
        self._words: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.texts)

    # ------------------------------------------------------------------ learn

    @classmethod
    def learn(cls, texts: Sequence[str], most: int) -> Vocabulary:
        """The vocabulary of at most `most` pieces (or the characters alone, if they are more) that fits the texts."""
        counts = Counter(c for text in texts for c in text)
        least = sum(counts.values()) / RARE
        known = sorted((c for c, n in counts.items() if n >= least), key=lambda c: (-counts[c], c))
        plain = cls("".join(known))
        words = Counter(word for text in texts for word in WORD.findall(text)) if most > len(plain) else Counter()
        return cls(plain.characters, _merged(plain, words, most - len(plain)))

    # ------------------------------------------------------------------ there and back

    def encode(self, text: str) -> list[int]:
        """The pieces of a text, without the end."""
        return [piece for word in WORD.findall(text) for piece in self._spelled(word)]

    def _spelled(self, word: str) -> list[int]:
        found = self._words.get(word)
        if found is None:
            if len(self._words) >= REMEMBERED:
                self._words.clear()
            found = self._words[word] = self._join(self._letters(word))
        return found

    def _letters(self, word: str) -> list[int]:
        letters: list[int] = []
        for c in word:
            number = self._numbers.get(c)
            if number is None:
                for byte in c.encode("utf-8", "surrogatepass"):
                    letters += [FIRST + (byte >> 4), FIRST + (byte & 15)]
            else:
                letters.append(number)
        return letters

    def _join(self, pieces: list[int]) -> list[int]:
        """Merge neighbours, those learned first before others."""
        start, none = FIRST + HALVES + len(self.characters), len(self.merges)
        while len(pieces) > 1:
            ranks = [self._ranks.get(pair, none) for pair in itertools.pairwise(pieces)]
            best = min(ranks)
            if best == none:
                break
            pieces = _replaced(pieces, self.merges[best], start + best)
        return pieces

    def decode(self, pieces: Iterable[int]) -> str:
        """The text of some pieces up to the end; bytes that spell no character give the mark for one unknown."""
        parts: list[str] = []
        half: list[int] = []
        for piece in pieces:
            if FIRST <= piece < FIRST + HALVES:
                half.append(piece - FIRST)
                continue
            parts.append(_bytes(half))
            half = []
            if piece == 0:
                break
            parts.append(self.texts[piece])
        return "".join([*parts, _bytes(half)])


def _bytes(halves: list[int]) -> str:
    """What an even number of halves spells; an odd one at the end is no byte."""
    found = bytes(a << 4 | b for a, b in zip(halves[::2], halves[1::2], strict=False))
    try:
        return found.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return found.decode("utf-8", "replace")


def _replaced(pieces: list[int], pair: Pair, fresh: int) -> list[int]:
    """`pieces` with `fresh` in the place of each `pair`, from the left."""
    made: list[int] = []
    i = 0
    while i < len(pieces):
        if pieces[i] == pair[0] and i + 1 < len(pieces) and pieces[i + 1] == pair[1]:
            made.append(fresh)
            i += 2
        else:
            made.append(pieces[i])
            i += 1
    return made


def _merged(plain: Vocabulary, words: Counter[str], most: int) -> list[Pair]:
    """The pairs that are met most often, one after the other, each merged before the next is sought.

    Counts are kept up to date word by word; a heap holds what they were, and entries that are out of date are skipped.
    Of pairs met equally often, the one of lower numbers comes first.
    """
    order = sorted(words)
    spelled, weight = [plain._letters(word) for word in order], [words[word] for word in order]
    counts: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for i, pieces in enumerate(spelled):
        for pair in itertools.pairwise(pieces):
            counts[pair] += weight[i]
            where[pair].add(i)
    heap = [(-n, pair) for pair, n in counts.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < most:
        n, pair = heapq.heappop(heap)
        if -n != counts[pair]:
            continue
        if -n < SELDOM:
            break
        changed: set[Pair] = set()
        for i in where.pop(pair):
            fresh = _replaced(spelled[i], pair, len(plain) + len(merges))
            for pieces, sign in ((spelled[i], -weight[i]), (fresh, weight[i])):
                for other in itertools.pairwise(pieces):
                    counts[other] += sign
                    changed.add(other)
                    if sign > 0:
                        where[other].add(i)
            spelled[i] = fresh
        merges.append(pair)
        for other in changed:
            if counts[other] > 0:
                heapq.heappush(heap, (-counts[other], other))
    return merges
