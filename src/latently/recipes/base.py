"""A recipe is data: options, and the parts that they list."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

from latently.errors import BadParameter
from latently.model import Parts
from latently.parts.bottlenecks import Normal
from latently.parts.networks import Design
from latently.parts.part import snake
from latently.values import Sizes

__all__ = ["Recipe"]


@dataclasses.dataclass
class Recipe:
    """A kind of autoencoder. Subclasses are dataclasses: fields are the options, `parts` lists what they mean."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = cls.__dict__.get("name") or snake(cls.__name__)

    def parts(self, n_components: int) -> Parts:
        """Unbound parts for a code of this width."""
        raise NotImplementedError

    def network(self) -> Design | None:
        """What `network="auto"` stands for with this kind; None leaves it to the data."""
        return None

    def width(self, cells: int) -> int | None:
        """What `n_components="auto"` stands for with this kind and so many cells; None lets held-out rows choose."""
        return None

    def check(self, sizes: Sizes) -> None:
        """Raise `BadParameter` when the options cannot work at these sizes."""
        parts = self.parts(sizes.code)
        for part in parts.all():
            try:
                part.check(sizes)
            except TypeError:
                raise BadParameter(f"{part}: one of these options is not of the sort expected (numbers).") from None
        names = [name for part in parts.all() for name in part.weights()]
        if len(set(names)) < len(names):
            raise BadParameter(
                f"kind {self.name!r} prices {', '.join(sorted(set(names)))} more than once; keep one of each."
            )
        neck = parts.bottleneck
        if parts.bound.draws > 1 and isinstance(neck, Normal) and neck.analytic:
            raise BadParameter(
                f"kind {self.name!r}: importance weights are ratios at the drawn code; use Normal(analytic=False)."
            )
        if not 0 <= parts.emphasis <= 1:
            raise BadParameter(
                f"emphasis={parts.emphasis!r} must lie in [0, 1]: 0.5 weighs corrupted and clean cells alike, 1 counts "
                "only corrupted ones."
            )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Options by name."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Change options; an unknown one raises `BadParameter`."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise BadParameter(f"kind {self.name!r} has no option {name!r}; options: {', '.join(known) or 'none'}.")
            setattr(self, name, value)
        return self
