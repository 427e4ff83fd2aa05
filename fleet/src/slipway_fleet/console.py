"""What commands print: tables and progress for people on stderr or stdout, JSON for programs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="FLEET_CONFIG", help="The fleet's fleet.toml.")
]
ProjectsArgument = Annotated[
    list[str] | None, typer.Argument(help="Ids of projects; all when none is named.")
]
RefreshOption = Annotated[
    bool, typer.Option("--refresh", help="List forges and fetch clones again first.")
]
DEFAULT_CONFIG = Path("fleet.toml")


def printable(text: str) -> str:
    """Return text of a project as a terminal may show it: no control characters, no surrogates."""
    shown = "".join(c if c.isprintable() or c == " " else ascii(c)[1:-1] for c in text)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def print_json(data: object) -> None:
    """Print one JSON document on stdout."""
    text = json.dumps(data, indent=2, ensure_ascii=True, default=str)
    print(text)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; every cell is shown as text, never as markup."""
    from rich.console import Console  # noqa: PLC0415  # rich is not needed for --json
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)


def note(text: str) -> None:
    """Print a line for people on stderr."""
    print(printable(text), file=sys.stderr, flush=True)


class Steps:
    """Counts the steps of long work for a person who waits."""

    def __init__(self, bar: Any, task: Any) -> None:
        """Take rich's progress and task, or None where nobody watches."""
        self._bar, self._task = bar, task

    def done(self, what: str = "") -> None:
        """Count one."""
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=printable(what))


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Steps]:
    """Show progress on stderr while the body runs, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield Steps(None, None)
        return
    from rich.console import Console  # noqa: PLC0415  # rich is not needed without a terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415  # as above

    said = TextColumn("{task.description}", markup=False)
    columns = (TextColumn("{task.fields[what]}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, said, console=Console(stderr=True)) as bar:
        yield Steps(bar, bar.add_task("", total=total, what=what))
