"""What a benchmark found, and the table of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: Its unit; "x" for a ratio.
        bar: The figure to reach, or None when it is there for information.
        bar_text: The bar in words, "at most 1.10" or "at least 4".
    """

    name: str
    value: float
    unit: str
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
        value = self.value
        digits = 0 if abs(value) >= 1_000 else 1 if abs(value) >= 100 else 2
        return f"{value:,.{digits}f} {self.unit}"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table that is also readable as text."""
    lines = [("measured", "figure", "bar", "")]
    lines += [(row.name, row.figure, row.bar_text, _verdict(row)) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([text[0], rule, *text[1:]])


def _verdict(row: Row) -> str:
    if row.bar is None:
        return ""
    return "missed" if row.missed else "ok"
