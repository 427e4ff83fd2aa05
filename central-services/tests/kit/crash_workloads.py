"""Programs to be killed in the middle of their work: a good one, and some that break their promise."""

from __future__ import annotations

import itertools
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from central_services.kit.crashes import Acknowledge


def store(round_: int, acknowledge: Acknowledge, path: str, early: int = 0) -> None:
    """Store things and acknowledge each; `early` acknowledges so many before they are committed."""
    connection = sqlite3.connect(path, isolation_level=None)
    for number in itertools.count():
        if number % (early or 1) == 0:
            connection.execute("BEGIN")
        name = f"{round_}-{number}"
        connection.execute("INSERT INTO things VALUES (?)", [name])
        if early:
            acknowledge(name)
        if number % (early or 1) == (early or 1) - 1:
            connection.execute("COMMIT")
        if not early:
            acknowledge(name)


def store_again(_round: int, acknowledge: Acknowledge, path: str) -> None:
    """Begin anew in each round, and ask nobody what is there already."""
    connection = sqlite3.connect(path, isolation_level=None)
    for number in itertools.count():
        connection.execute("INSERT INTO things VALUES (?)", [f"{number}"])
        acknowledge(f"{number}")


def end(_round: int, acknowledge: Acknowledge) -> None:
    """Acknowledge one thing and end."""
    acknowledge("one")
