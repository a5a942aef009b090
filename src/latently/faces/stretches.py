"""Strange intervals of series, and the rows of a table that they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latently.faces.track import Track

__all__ = ["Stretch", "moment", "stretches"]


@dataclass(frozen=True)
class Stretch:
    """A strange interval, and the rows of the table that are its steps."""

    series: Any  #: what tells its series; None where there is one
    interval: Any
    rows: list[int]

    def said(self) -> str:
        """In words, for a cell of a table; when it was stands beside it."""
        found = self.interval
        seen = "a gap" if found.observed != found.observed else f"{found.observed:.4g}"
        others = [f"{name} {100 * part:.0f} %" for name, part in list(found.channels.items())[1:3] if part >= 0.1]
        more = f"; also {', '.join(others)}" if others else ""
        return f"{found.channel} {seen}, expected {found.expected:.4g}{more}"


def stretches(given: Track, detector: Any, top: int) -> list[Stretch]:
    """The `top` strangest intervals of each series, the strangest first."""
    places, found = given.places(), []
    for rows, intervals in zip(places, detector.explain(given.rows, top=top), strict=True):
        series = next((c[0].as_py() for c in given.named_at([int(rows[0])]).values()), None)
        found += [Stretch(series, i, [int(r) for r in rows[i.start : i.stop]]) for i in intervals]
    return sorted(found, key=lambda s: -s.interval.nats)


def moment(when: Any) -> str:
    """A time without empty seconds; anything else as it is."""
    return str(when).removesuffix(":00") if hasattr(when, "hour") else str(when)
