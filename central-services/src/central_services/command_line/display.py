"""How everything stands, for people: a table that keeps itself up to date, or a line for each change."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import typer

from ..kit.engines.home import Home
from ..kit.supervision.unit import Standing, State

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_COLOURS = {
    State.READY: "green",
    State.FAILED: "bold red",
    State.UNHEALTHY: "red",
    State.RESTARTING: "yellow",
}


class Display(Protocol):
    """What `central up` shows its progress on."""

    def changed(self, standing: Standing) -> None:
        """Show a new standing."""
        ...

    def say(self, text: str) -> None:
        """Show a line."""
        ...


class _Lines:
    """For logs and pipes: one line for each change."""

    def changed(self, standing: Standing) -> None:
        more = f": {standing.problem}" if standing.problem else ""
        self.say(f"{standing.unit.name}: {standing.state.value}{more}")

    def say(self, text: str) -> None:
        typer.echo(text)


class _Live:
    """For a terminal: the table, drawn again at each change."""

    def __init__(self, live: Live, standings: Mapping[str, Standing]) -> None:
        self._live, self._standings = live, standings

    def changed(self, standing: Standing) -> None:  # noqa: ARG002  # all are drawn
        self._live.update(_table([s.as_json() for s in self._standings.values()]), refresh=True)

    def say(self, text: str) -> None:
        self._live.console.print(text, markup=False)


@contextmanager
def live_table(standings: Mapping[str, Standing]) -> Generator[Display]:
    """Show standings while the body runs."""
    if not sys.stdout.isatty():
        yield _Lines()
        return
    from rich.live import Live  # noqa: PLC0415  # not needed without a terminal

    with Live(auto_refresh=False) as live:
        yield _Live(live, standings)


def read_status(home: Home) -> list[dict[str, Any]]:
    """Return what the supervisor last said; nothing before it ever ran."""
    try:
        said: list[dict[str, Any]] = json.loads(home.status.read_text("utf-8"))
    except FileNotFoundError:
        return []
    return said


def show(standings: Sequence[Mapping[str, Any]]) -> None:
    """Print standings as a table."""
    from rich.console import Console  # noqa: PLC0415  # not needed for JSON

    Console().print(_table(standings))


def _table(standings: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    table = Table(header_style="bold")
    for column in ("name", "kind", "state", "address", "process"):
        table.add_column(column, no_wrap=True)
    troubled = any(row["restarts"] or row["problem"] for row in standings)
    for column in ("restarts", "problem") if troubled else ():
        table.add_column(column, overflow="fold")
    for row in standings:
        process = "elsewhere" if row["external"] else str(row["pid"] or "")
        state = Text(row["state"], style=_COLOURS.get(State(row["state"]), ""))
        cells = [row["address"], process]
        cells += [str(row["restarts"] or ""), row["problem"]] if troubled else []
        table.add_row(row["name"], row["kind"], state, *(Text(cell) for cell in cells))
    return table
