"""`fleet adopt`: which release did a project without a record come from?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ProjectsArgument,
    note,
    print_json,
    print_table,
)
from ..errors import Exit

if TYPE_CHECKING:
    from ..adopt import Adoption
    from ..run import Checked


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(adopt)


def adopt(
    projects: ProjectsArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="A folder for the record of each project, to be committed."),
    ] = None,
) -> None:
    """Find the release and the answers of projects that record none (or of those that are named)."""
    from ..adopt import adopt as find  # noqa: PLC0415  # imports what other commands need not
    from ..inventory import take  # noqa: PLC0415  # as above
    from ..inventory.records import is_unrecorded  # noqa: PLC0415  # as above
    from ..run import every  # noqa: PLC0415  # as above
    from ..survey import survey  # noqa: PLC0415  # as above
    from ..workspace import Workspace  # noqa: PLC0415  # as above

    workspace = Workspace.load(Path(config))
    inventory = take(workspace, only=tuple(projects or ()))
    chosen = [p for p in inventory.projects if p.id not in inventory.problems]
    if not projects:
        looked = every(workspace, chosen, is_unrecorded)
        chosen = [checked.project for checked in looked if checked.result]
    found = survey(workspace, inventory, find, "looking", chosen=chosen)
    if output is not None:
        _write(output, found)
    if json:
        print_json({"projects": [_as_json(c) for c in found]})
    else:
        _show(found)
    raise typer.Exit(Exit.UNCHECKED if any(c.problem for c in found) else Exit.CLEAN)


def _as_json(checked: Checked[Adoption]) -> dict[str, object]:
    found = checked.result.as_json() if checked.result else {}
    return {"project": checked.project.id, "problem": checked.problem} | found


def _write(folder: Path, found: list[Checked[Adoption]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for checked in found:
        if checked.result is not None:
            name = checked.project.id.replace("/", "--")
            (folder / f"{name}.copier-answers.yml").write_text(checked.result.answers_file, "utf-8")


def _show(found: list[Checked[Adoption]]) -> None:
    rows = [
        (c.result.project, c.result.release, f"{c.result.share:.0%}", str(c.result.tried))
        for c in found
        if c.result
    ]
    print_table("", ["project", "release", "files as rendered", "releases tried"], rows)
    for checked in found:
        if checked.problem:
            note(f"{checked.project.id}: {checked.problem}")
    if not found:
        note("every project records the release it came from")
