"""HTML and SVG as text that cannot be forged: whatever is not `Html` is escaped on its way in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Html", "clip", "escape", "join", "name", "raw", "tag"]

VOID = frozenset(("meta", "link", "br", "col", "img"))
SHAPES = frozenset(("circle", "line", "path", "rect", "stop"))  # elements of SVG that never hold text
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # what no page may hold
BREAKS = re.compile(
    r"([_/\\]|[.-](?=[^\W\d]))(?=\w)"
)  # after these a long name may go on in the next line; no entity holds one
NAME = 80  # characters of a name on the page; the tooltip shows more
LONG = 400
MAY_BE_CUT = 24  # characters from which a narrow table may show less than all of a name


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def raw(text: str) -> Html:
    """Text that this package wrote itself."""
    return Html(text)


def escape(text: object) -> Html:
    """Anything as text between tags or in an attribute."""
    return text if isinstance(text, Html) else Html(html.escape(CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text))))


def join(parts: Iterable[object], between: str = "") -> Html:
    """One after the other; None is nothing."""
    return Html(between.join(escape(part) for part in parts if part is not None))


def tag(element: str, *children: object, **attributes: object) -> Html:
    """One element. `class_` is written `class`, `aria_label` `aria-label`; None, False and "" leave one out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape("" if value is True else value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False and value != ""
    )
    if element in VOID:
        return Html(f"<{element}{given}>")
    if element in SHAPES:
        return Html(f"<{element}{given}/>")
    return Html(f"<{element}{given}>{join(children)}</{element}>")


def name(text: object, longest: int = NAME) -> Html:
    """A user's text: clipped, free to wrap, kept from turning the writing direction of what surrounds it."""
    full = str(text)
    shown = clip(full, longest)
    broken = Html(BREAKS.sub(r"\1<wbr>", escape(shown)))
    return tag("bdi", broken, class_="name", title=clip(full, LONG) if len(full) > MAY_BE_CUT else None)


def clip(text: object, longest: int) -> str:
    """At most so many characters, the last an ellipsis where some are missing."""
    full = str(text)
    return full if len(full) <= longest else full[: longest - 1].rstrip() + "…"
