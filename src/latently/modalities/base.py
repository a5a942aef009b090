"""The contract between a task and what its users bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from latently.model import Parts
from latently.parts.doors import Door
from latently.parts.likelihoods import Likelihood
from latently.parts.networks import Dense, Design
from latently.values import Batch

__all__ = ["Modality", "Remember"]

Remember = Callable[[], None]


@dataclass
class Modality:
    """Raw data to batches and back, in user units. Subclasses are dataclasses: fields are the user's options.

    `owner` is the scikit-learn estimator that takes the data in: it is told, and asked, how many columns there are and
    what they are called.
    """

    registry: ClassVar[dict[str, type[Modality]]] = {}
    key: ClassVar[str] = ""
    noun: ClassVar[str] = "column"  #: what a cell is called in a message
    item: ClassVar[str] = "row"  #: what a row is called
    loss: ClassVar[str] = ""  #: what the loss is, where the data alone says it
    alike: ClassVar[str] = "hashing"  #: the kind whose codes tell best which of these rows are alike
    cropped: ClassVar[bool] = False  #: whether a row is a piece of what was given
    noise: ClassVar[str] = "gaussian:0.3"  #: what a denoiser takes out of these rows where nobody says otherwise
    cut_from: ClassVar[str] = ""  #: what a job that gives it back whole takes it for: a piece of an "image", a "cell"
    judge: ClassVar[str] = "columns"  #: what tells strange rows from normal ones, in `tasks.anomaly.JUDGES`
    gapless: ClassVar[str] = ""  #: why nothing in such data can be missing, and what to try instead
    quiet: ClassVar[tuple[str, ...]] = ()  #: names of alarms that mean nothing for such a reading
    walked: ClassVar[bool] = False  #: whether every cell has probabilities, so that rows are drawn cell after cell
    readings: ClassVar[dict[str, str]] = {}  #: by job, the key of the modality that reads the same data for it

    @property
    def cells(self) -> int:
        """Numbers a row."""
        raise NotImplementedError

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of each cell that names a category, 0 for numbers."""
        return (0,) * self.cells

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row's cells; () for a list of columns."""
        return ()

    @property
    def kin(self) -> NDArray[np.int64]:
        """The column, or channel, that each cell is of."""
        return np.arange(self.cells)

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.key = cls.__name__.lower()
        if not abstract:
            Modality.registry[cls.key] = cls

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Whether `data="auto"` means this modality."""
        raise NotImplementedError

    def suited(self, job: str) -> Modality:
        """What reads such data for a job, by the job's verb: itself, or another reading with the same options."""
        reading = vars(type(self)).get("readings", {}).get(job)
        return self if reading is None else Modality.registry[reading](**self.options())

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """Decide how to read this data, and read it: the rows to train on, each once.

        `natural`: the numbers' own likelihood will judge them. Nothing of the owner changes before the function that
        comes back is called.
        """
        raise NotImplementedError

    def take(self, owner: Any, data: Any) -> Batch:
        """Rows for a fitted model, in model units."""
        raise NotImplementedError

    def more(self, owner: Any, data: Any, weight: Any) -> Batch:
        """More rows to learn from, for a fitted model: each once, with what it counts."""
        raise NotImplementedError

    def portions(self, owner: Any, data: Any) -> Iterator[Batch]:
        """The same as `take`, some at a time where they are read one after the other."""
        yield self.take(owner, data)

    def bend(self, rows: Batch) -> Any:
        """How numbers are bent for a second look at the rows; None where there is none."""
        return None

    def bent(self, bend: Any) -> Modality:
        """The same data for a network that sees it bent."""
        raise NotImplementedError

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """Which learned cells are missing, `(rows, cells)`."""
        raise NotImplementedError

    def count(self, data: Any) -> int:
        """How many scores there are, where a row is a piece of what was given: of images, one each."""
        return len(self.pictures(data))

    def pictures(self, data: Any) -> Any:
        """Of images, each of them, read when asked for."""
        raise NotImplementedError

    def stepwise(self, data: Any) -> bool:
        """Whether what was given has a row for every step of a series, so that scores are one a step."""
        return False

    def steps(self, cells: NDArray[Any], data: Any) -> NDArray[np.float64]:
        """Of stepwise data, the sum over channels of values of the cells of `take(data)`, one number a step."""
        raise NotImplementedError

    def lines(self, data: Any) -> Batch:
        """Of series, the rows of `take(data)` with straight lines across gaps, as the whole series would have them."""
        raise NotImplementedError

    def owners(self, data: Any) -> NDArray[np.int64] | None:
        """Which of what was given each row belongs to; None where every row stands for itself."""
        return None

    def gathered(self, values: NDArray[Any], data: Any) -> NDArray[Any]:
        """What rows say, as what those say that were given: the mean of the rows of each."""
        owners = self.owners(data)
        if owners is None:
            return values
        sums = np.zeros((int(owners.max()) + 1, *values.shape[1:]))
        np.add.at(sums, owners, values)
        counts = np.bincount(owners).reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray(sums / counts, values.dtype)

    # ------------------------------------------------------------------ what it calls for

    def door(self, masked: bool) -> Door:
        """The network's door for these cells, with a mask channel where `masked` or where cells were missing."""
        raise NotImplementedError

    def network(self) -> Design:
        """What `network="auto"` stands for."""
        return Dense()

    @property
    def places(self) -> int:
        """Rows that belong together, one after the other: never on both sides of a validation split."""
        return 1

    def spoiled(self, parts: Parts) -> Parts:
        """The parts of a kind, with what should spoil such rows in training where the kind leaves that open."""
        return parts

    @property
    def together(self) -> int:
        """As `places`, where rows that a validation split keeps together say nothing as a group."""
        return self.places

    def plan(self, rows: int) -> dict[str, Any]:
        """What "auto" stands for in a plan of training, where so many of these rows ask for something."""
        return {}

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """What suits these cells; `numbers` for those that are numbers."""
        raise NotImplementedError

    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Least and greatest value of each cell in model units."""
        raise NotImplementedError

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest value of each cell in user units."""
        raise NotImplementedError

    # ------------------------------------------------------------------ results out

    def values(self, cells: torch.Tensor) -> NDArray[Any]:
        """Cells in user units, `(rows, cells)`."""
        raise NotImplementedError

    def shown(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values for people, without a container to follow."""
        raise NotImplementedError

    def rebuilt(self, values: NDArray[Any], like: Any, changed: NDArray[Any] | None = None) -> Any:
        """`like` with what was learned replaced by `values`; with `changed`, only in those cells."""
        raise NotImplementedError

    # ------------------------------------------------------------------ what was decided

    @property
    def names(self) -> list[str]:
        """What the cells are called."""
        return [f"x{j}" for j in range(self.cells)]

    def objects(self, j: int, values: NDArray[Any]) -> list[Any]:
        """Values of the j-th cell as Python values."""
        return list(values.tolist())

    def schema(self) -> list[dict[str, Any]]:
        """What was decided, as JSON values."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """What the user set."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def fresh(self) -> Self:
        """The options alone."""
        return replace(self)

    def state(self) -> dict[str, Any]:
        """All that was learned, as arrays and JSON values."""
        raise NotImplementedError

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        raise NotImplementedError
