"""`fleet inventory`: which projects are there, and which release is each on?"""

from __future__ import annotations

from pathlib import Path

import typer

from ..console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    RefreshOption,
    note,
    print_json,
    print_table,
)
from ..errors import Exit


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(inventory)


def inventory(
    config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, refresh: RefreshOption = False
) -> None:
    """List the projects of every source, with the release each one records."""
    from ..inventory import take  # noqa: PLC0415  # imports what other commands need not
    from ..inventory.records import look  # noqa: PLC0415  # as above
    from ..survey import survey  # noqa: PLC0415  # as above
    from ..workspace import Workspace  # noqa: PLC0415  # as above

    workspace = Workspace.load(Path(config))
    listed = take(workspace, refreshed=refresh)
    found = survey(workspace, listed, look, "reading")
    if json:
        rows = [
            c.project.as_json() | (c.result.as_json() if c.result else {}) | {"problem": c.problem}
            for c in found
        ]
        print_json({"projects": rows})
    else:
        columns = ["project", "owner", "release", "newest", "template"]
        shown = [(c.project.id, c.project.owner, *c.result.row()) for c in found if c.result]
        print_table("", columns, shown)
        for checked in found:
            if checked.problem:
                note(f"{checked.project.id}: could not be read: {checked.problem}")
    raise typer.Exit(Exit.UNCHECKED if any(c.problem for c in found) else Exit.CLEAN)
