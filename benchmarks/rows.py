"""What a benchmark found: rows of one table, each a figure and the bar it has to reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEAD = ("measured", "figure", "bar", "")


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: Its unit; "x" for a ratio, empty for a count.
        bar: The worst figure that is good enough, or None when it is there for information.
        bar_text: The bar in words, "at most 1.10" or "at least 4".
    """

    name: str
    value: float
    unit: str = ""
    bar: float | None = None
    bar_text: str = ""

    @property
    def missed(self) -> bool:
        """Whether the bar was not reached."""
        if self.bar is None:
            return False
        if self.bar_text.startswith("at least"):
            return self.value < self.bar
        return self.value > self.bar

    @property
    def figure(self) -> str:
        """The value with as many digits as mean something."""
        if not self.unit and self.value == int(self.value):
            return f"{int(self.value):,}"
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        digits = 3 if self.unit == "x" and abs(self.value) < 2 else digits
        return f"{self.value:,.{digits}f} {self.unit}".rstrip()

    @property
    def verdict(self) -> str:
        """Whether the bar was reached, in a word; empty without a bar."""
        if self.bar is None:
            return ""
        return "MISSED" if self.missed else "ok"


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table that is readable as it is, and Markdown."""
    cells = [HEAD, *((row.name, row.figure, row.bar_text, row.verdict) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * max(width, 2) for width in widths]
    rule[1] = rule[1][:-1] + ":"
    for name, figure, *rest in (cells[0], rule, *cells[1:]):
        padded = [name.ljust(widths[0]), figure.rjust(widths[1])]
        padded += [cell.ljust(width) for cell, width in zip(rest, widths[2:], strict=True)]
        yield f"| {' | '.join(padded)} |"
