"""Documents as the numbers that somebody's encoder makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData
from latently.modalities.base import Remember
from latently.modalities.documents import documents
from latently.modalities.table import Table
from latently.values import Batch

__all__ = ["Embedded"]


@dataclass
class Embedded(Table):
    """Rows are `embed(texts)`, read as a table of numbers; `Text(embed=...)` means this. Rows of numbers pass as such.

    What comes back are embeddings. The options of `Text` about words mean nothing here.
    """

    item: ClassVar[str] = "text"
    column: str | None = None
    embed: Callable[[list[str]], Any] | None = None
    vocabulary: Any = None
    min_count: int = 2
    max_share: float = 0.5
    lowercase: bool = True

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Never by itself: `Text(embed=...)` asks for it."""
        return False

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """As a table of the embeddings."""
        return super().learn(owner, self.vectors(data), weight, natural)

    def take(self, owner: Any, data: Any) -> Batch:
        """Embeddings in model units."""
        return super().take(owner, self.vectors(data))

    def portions(self, owner: Any, data: Any) -> Iterator[Batch]:
        """The same, some at a time."""
        return super().portions(owner, self.vectors(data))

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """NaN among the embeddings."""
        return super().gaps(owner, self.vectors(data))

    def rebuilt(self, values: Any, like: Any, changed: NDArray[np.bool_] | None = None) -> Any:
        """Embeddings."""
        return super().rebuilt(values, self.vectors(like), changed)

    def vectors(self, data: Any) -> NDArray[Any]:
        """The embeddings of documents, one a row; what already is an array of numbers, as it is."""
        if getattr(data, "ndim", 0) == 2 and getattr(getattr(data, "dtype", None), "kind", "") in "buif":
            return np.asarray(data)
        texts = documents(data, self.column)
        if self.embed is None:
            raise BadData(
                "a saved model does not hold the function that embeds. Give it back, estimator.data_.embed = encode, "
                "or give the embeddings themselves."
            )
        found = np.asarray(self.embed(texts))
        if found.ndim != 2 or len(found) != len(texts) or found.dtype.kind not in "buif":
            raise BadData(
                f"embed made {found.dtype} of shape {found.shape} of {len(texts)} documents; expected numbers, "
                f"({len(texts)}, width)."
            )
        return found
