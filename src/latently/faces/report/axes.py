"""From values to places on a chart: an axis with round ticks, linear or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from latently.faces.report.words import is_number

__all__ = ["Axis", "axis", "finite", "quantile", "thin"]

LOG_FROM = 30  # greatest over least value from which a logarithmic axis shows more


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high`, mapped to 0..1."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where on the axis, kept within it."""
        low, high, value = self._units(self.low), self._units(self.high), self._units(value)
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def _units(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value

    def ticks(self, about: int = 5) -> list[float]:
        """Round values on the axis, about so many."""
        if self.log:
            return _decades(self.low, self.high)
        step = _round_step((self.high - self.low) / about)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, min(last, first + 4 * about) + 1)]


def axis(values: Iterable[object], zero: bool = False, log: bool = False, margin: float = 0.0) -> Axis:
    """An axis that holds all values: from 0 with `zero`, logarithmic with `log` where that shows more."""
    known = finite(values)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if log and low > 0 and high / low >= LOG_FROM:
        return Axis(low / 1.1, high * 1.1, log=True)
    if zero:
        low, high = min(0.0, low), max(0.0, high)
    room = (high - low) * margin or (abs(high) * 0.1 or 1.0) * (high == low)
    return Axis(low if zero and low == 0 else low - room, high + room)


def finite(values: Iterable[object]) -> list[float]:
    """The numbers among them. Beyond 1e300 is out: differences of such numbers overflow."""
    return [float(v) for v in values if is_number(v) and abs(v) < 1e300]


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which a share `q` lies; values need not be sorted."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def thin(count: int, most: int, keep: Iterable[int] = ()) -> list[int]:
    """Indices of at most so many of `count`, evenly, with the last one and those to `keep`."""
    if count <= most:
        return list(range(count))
    chosen = {i * (count - 1) // (most - 1) for i in range(most)}
    return sorted(chosen | {i for i in keep if 0 <= i < count})


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step)) if step > 1e-300 else 1e-300
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= step * (1 - 1e-9))


def _decades(low: float, high: float) -> list[float]:
    bottom, top = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, (top - bottom) // 6)
    factors = (1, 2, 5) if top - bottom <= 2 else (1, 3) if top - bottom <= 4 else (1,)
    found = [m * 10.0**e for e in range(bottom, top + 1, every) for m in factors]
    return [v for v in found if low <= v <= high]
