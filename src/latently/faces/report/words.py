"""Numbers, shares, dates and cells as people read them."""

from __future__ import annotations

import math
import re
from typing import Any, TypeGuard

__all__ = ["cell", "duration", "is_number", "number", "plain", "plural", "share", "when"]

MINUS = "\N{MINUS SIGN}"
TIED = "\N{NO-BREAK SPACE}"
RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?")


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: object, digits: int = 4) -> str:
    """Four significant digits; whole numbers in full, with thousands separators from 10,000 on."""
    if not is_number(value):
        return "–"
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e15:
        return _power(value, digits)
    if isinstance(value, int) or value == round(value) or abs(value) >= 10 ** (digits - 1):
        whole = round(value)
        return (f"{whole:,}" if abs(whole) >= 10_000 else str(whole)).replace("-", MINUS)
    text = f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"
    return text.rstrip("0").rstrip(".").replace("-", MINUS)


def _power(value: float, digits: int) -> str:
    digits_of, exponent = f"{value:.{digits - 1}e}".split("e")
    text = digits_of.rstrip("0").rstrip(".") if "." in digits_of else digits_of
    return f"{text} × 10{str(int(exponent)).translate(RAISED)}".replace("-", MINUS)


def share(value: object) -> str:
    """A part of one as per cent, with more digits where they tell something."""
    if not is_number(value):
        return "–"
    percent = 100 * value
    if percent == 0 or (1 <= abs(percent) <= 99) or abs(percent) >= 101 or percent == 100:
        text = number(round(percent), 4)
    elif 0 < percent < 0.1:
        return f"<{TIED}0.1{TIED}%"
    else:
        text = number(float(f"{percent:.2f}") if percent > 99 else float(f"{percent:.1f}"))
    return f"{text}{TIED}%"


def plain(value: object) -> str:
    """A key: whole numbers without separators, so that it can be searched for."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else cell(value)


def cell(value: Any) -> str:
    """The value of a cell."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, int | float) else when(str(value))


def when(text: str) -> str:
    """ISO text without the time of midnight and without parts of a second; other text as it is."""
    found = ISO.fullmatch(text.strip())
    if found is None:
        return text
    day, minute, second, _, zone = found.groups()
    if minute == "00:00" and second in (None, ":00"):
        return day
    zone = {"Z": " UTC", None: ""}.get(zone, f" {zone}")
    return f"{day} {minute}{second if second not in (None, ':00') else ''}{zone}"


def duration(seconds: object) -> str:
    """Seconds in the unit that suits them."""
    if not is_number(seconds) or seconds < 0:
        return "–"
    if seconds < 120:
        return f"{number(seconds, 2)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def plural(count: int, noun: str) -> str:
    """Such as "1 row" and "2 rows"."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"
