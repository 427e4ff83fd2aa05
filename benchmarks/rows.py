"""What a benchmark reports: rows of one table, each a figure and the bar it has to reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEAD = ("what", "measured", "bar", "")


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: What was measured.
        value: How much that is.
        unit: Of the value: us, ns, s, x (a ratio), bytes, or empty for a count.
        bar: The worst value that is good enough; None for a figure that only informs.
        bar_text: The bar in words, as in "at most 5 us" or "at least 0.95".
        at_least: Whether larger is better.
    """

    name: str
    value: float
    unit: str = ""
    bar: float | None = None
    bar_text: str = ""
    at_least: bool = False

    @property
    def missed(self) -> bool:
        """Whether the value is on the wrong side of its bar."""
        if self.bar is None:
            return False
        return self.value < self.bar if self.at_least else self.value > self.bar

    @property
    def measured(self) -> str:
        """The value with its unit, in three significant digits or so."""
        if not self.unit and self.value == int(self.value):
            return f"{int(self.value)}"
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        digits = 3 if self.unit == "x" and abs(self.value) < 10 else digits
        return f"{self.value:,.{digits}f} {self.unit}".rstrip()

    @property
    def verdict(self) -> str:
        """Whether the bar was reached, in a word; empty without a bar."""
        if self.bar is None:
            return ""
        return "MISSED" if self.missed else "ok"


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table that is readable as it is, and Markdown."""
    cells = [HEAD, *((row.name, row.measured, row.bar_text, row.verdict) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * width for width in widths]
    rule[1] = rule[1][:-1] + ":"
    for name, measured, *rest in (cells[0], rule, *cells[1:]):
        padded = [name.ljust(widths[0]), measured.rjust(widths[1])]
        padded += [cell.ljust(width) for cell, width in zip(rest, widths[2:], strict=True)]
        yield f"| {' | '.join(padded)} |"
