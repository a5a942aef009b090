"""How a file of delimited text is laid out: what has to be known before its cells can be read."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Layout", "is_number"]

SEPARATED = {",": "comma-separated", ";": "semicolon-separated", "\t": "tab-separated", "|": "bar-separated"}


@dataclass(frozen=True)
class Layout:
    """What was found in a file of delimited text; `str()` tells it in one line.

    The first fields are known from the head of the file, the last three for sure once its cells have been read.
    """

    names: tuple[str, ...]  #: of the columns, in order
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header: bool = True  #: whether the first line holds the names
    row_names: bool = False  #: whether every row has one cell more than there are names, in front
    trailing: bool = False  #: whether every line ends with a delimiter that stands for nothing
    spaced: bool = False  #: whether quotes follow a space, which a strict reader takes for text
    longest: int = 0  #: bytes of the longest line of the head
    decimal: str = "."
    missing: tuple[str, ...] = ()  #: what stood in missing cells; "" where one was empty
    dates: tuple[str, ...] = ()  #: orders of day, month and year other than ISO

    @property
    def width(self) -> int:
        """Cells of a row."""
        return len(self.names) + self.trailing

    def __str__(self) -> str:
        marks = ", ".join(repr(mark) for mark in self.missing if mark)
        empty = "" in self.missing
        facts = {
            SEPARATED[self.delimiter] if len(self.names) > 1 else "one column": True,
            "decimal comma": self.decimal == ",",
            self.encoding: self.encoding != "utf-8",
            f"quoted by {self.quote}": self.quote != '"',
            "no line of names": not self.header,
            "row names in front": self.row_names,
            f"dates as {', '.join(self.dates)}": bool(self.dates),
            f"missing cells {'empty' * empty}{' or ' * (empty and bool(marks))}{f'marked {marks}' * bool(marks)}": (
                bool(self.missing)
            ),
        }
        return ", ".join(fact for fact, holds in facts.items() if holds)


def is_number(cell: str, comma: bool = False) -> bool:
    """Whether the text of a cell is a number; with `comma`, 3,14 is one too."""
    if "_" in cell or not any("0" <= c <= "9" for c in cell):  # Python's own; names such as nan
        return False
    try:
        float(cell.replace(",", ".", 1) if comma else cell)
    except ValueError:
        return False
    return True
