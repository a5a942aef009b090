"""The entropy coder: `constriction`'s range coder behind tables of whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import FileProblem, MissingExtra

__all__ = ["Reader", "Writer", "model_of", "need"]

Ints = NDArray[np.int32]

DIGIT = 16  # bits of a number beyond the tables that are coded at a time


def need() -> Any:
    """The package `constriction`; `MissingExtra` when it is not installed."""
    try:
        import constriction
    except ImportError:
        raise MissingExtra(
            "compression needs the package constriction, which is not installed. Try: pip install 'latently[codec]'."
        ) from None
    return constriction.stream


def model_of(frequencies: NDArray[np.integer[Any]]) -> Any:
    """What the coder makes of one table: whole numbers over their sum, a power of two, are exact as floats."""
    total = int(frequencies.sum())
    return need().model.Categorical((frequencies / total).astype(np.float32), perfect=False)


class Writer:
    """Symbols in, bytes out."""

    def __init__(self) -> None:
        self.stream = need()
        self.coder = self.stream.queue.RangeEncoder()

    def put(self, symbols: Ints, model: Any) -> None:
        """Symbols of one table."""
        if len(symbols):
            self.coder.encode(np.ascontiguousarray(symbols, dtype=np.int32), model)

    def numbers(self, values: NDArray[np.int64]) -> None:
        """Whole numbers of any size, 0 and up: how many bits, then the bits."""
        lengths, digit = self.stream.model.Uniform(33), self.stream.model.Uniform(1 << DIGIT)
        for value in values.tolist():
            bits = value.bit_length()
            self.put(np.array([bits], np.int32), lengths)
            for low in range(0, bits, DIGIT):
                self.put(np.array([value >> low & ((1 << DIGIT) - 1)], np.int32), digit)

    def bytes(self) -> bytes:
        """All that was put."""
        words: NDArray[np.uint32] = self.coder.get_compressed()
        return words.astype("<u4").tobytes()


class Reader:
    """Bytes in, symbols out, in the order in which they were put."""

    def __init__(self, data: bytes) -> None:
        self.stream = need()
        if len(data) % 4:
            raise FileProblem("a block is no whole number of words: the file was not written by latently.")
        self.coder = self.stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def take(self, count: int, model: Any) -> Ints:
        """The next symbols, of one table."""
        if not count:
            return np.zeros(0, np.int32)
        try:
            return self.coder.decode(model, count)  # type: ignore[no-any-return]
        except (AssertionError, ValueError) as problem:  # what constriction raises on a stream that nobody encoded
            raise FileProblem(f"a block holds no valid symbols ({problem}): its bytes are not this codec's.") from None

    def turns(self, model: Any, parameters: NDArray[Any]) -> NDArray[np.int64]:
        """The next symbols of one family of models, each by its own parameter."""
        try:
            return np.asarray(self.coder.decode(model, parameters), np.int64)
        except (AssertionError, ValueError) as problem:
            raise FileProblem(f"a column holds no valid symbols ({problem}): its bytes are not this codec's.") from None

    def numbers(self, count: int) -> NDArray[np.int64]:
        """The next whole numbers of any size."""
        lengths, digit = self.stream.model.Uniform(33), self.stream.model.Uniform(1 << DIGIT)
        found = np.zeros(count, np.int64)
        for i in range(count):
            bits = int(self.take(1, lengths)[0])
            for low in range(0, bits, DIGIT):
                found[i] |= int(self.take(1, digit)[0]) << low
        return found
