"""Texts longer than a row as passages that fit: cut after a sentence, else between words, else within one."""

from __future__ import annotations

import re
from collections.abc import Callable

from latently.modalities.bytepairs import WORD

__all__ = ["passages"]

# Marks that end a sentence, with quotes and brackets, before white space unless the script has none; ends of lines.
SENTENCE = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。\uff01\uff1f]+[」』”]*|(?=\n)")

Span = tuple[int, int]
Size = Callable[[str], int]


def passages(text: str, room: int, size: Size) -> list[Span]:
    """Where the passages of a text begin and end, in order: between two of them lies white space or nothing.

    `size` counts the pieces of a text, of which each passage has at most `room`. A text that fits is one passage, as it
    is; others are filled to the last end of a sentence in the second half of what fits, or to the last word that does.
    """
    if size(text) <= room:
        return [(0, len(text))]
    words = [part for match in WORD.finditer(text) for part in _parts(text, match.span(), room, size)]
    ends, found, first = {match.end() for match in SENTENCE.finditer(text)}, [], 0
    while first < len(words):
        after = _filled(text, words, first, room, size, ends)
        start, end = words[first][0], words[after - 1][1]
        inner = text[start:end]
        if inner.strip():
            found.append((end - len(inner.lstrip()), start + len(inner.rstrip())))
        first = after
    return found or [(0, 0)]


def _filled(text: str, words: list[Span], first: int, room: int, size: Size, ends: set[int]) -> int:
    """The word after the next passage; white space before a passage stands alone, and so does each part of a word."""
    total, sentence = 0, 0
    for i in range(first, len(words)):
        start, end = words[i]
        word, whole = text[start:end], WORD.match(text, start)
        part = whole is not None and whole.end() > end
        if part or (i == first and word.isspace()):
            return sentence or max(i, first + 1)
        total += size(word.lstrip() if i == first else word)
        if total > room:
            return sentence or max(i, first + 1)
        if end in ends and 2 * total >= room:
            sentence = i + 1
    return len(words)


def _parts(text: str, word: Span, room: int, size: Size) -> list[Span]:
    """A word, in parts where it is longer than a row."""
    if max(size(own) for own in (text[slice(*word)], text[slice(*word)].lstrip())) <= room:
        return [word]
    parts, begin, total = [], word[0], 0
    for i in range(*word):
        own = size(text[i])
        if total + own > room:
            parts.append((begin, i))
            begin, total = i, 0
        total += own
    return [*parts, (begin, word[1])]
