"""`fleet drift`: where do projects differ from what their template rendered?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ProjectsArgument,
    RefreshOption,
    note,
    print_json,
    print_table,
    printable,
)
from ..errors import Exit

if TYPE_CHECKING:
    from ..drift import Drift
    from ..run import Checked


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(drift)


def drift(
    projects: ProjectsArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what was changed.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Name merged and owned files that differ too.")
    ] = False,
    refresh: RefreshOption = False,
) -> None:
    """Compare each project with a render at its recorded release and answers."""
    from ..drift import examine, with_diffs  # noqa: PLC0415  # imports what other commands need not
    from ..inventory import take  # noqa: PLC0415  # as above
    from ..survey import survey  # noqa: PLC0415  # as above
    from ..workspace import Workspace  # noqa: PLC0415  # as above

    started = datetime.now(UTC)
    workspace = Workspace.load(Path(config))
    inventory = take(workspace, refreshed=refresh, only=tuple(projects or ()))
    found = survey(workspace, inventory, with_diffs if diff else examine, "comparing")
    with workspace.history() as history:
        findings = [f for c in found if c.result for f in c.result.findings()]
        history.add_run("drift", started, [_snapshot(c) for c in found], findings)
    if json:
        print_json({"projects": [_as_json(c) for c in found]})
    else:
        _show(found, diff=diff, everything=everything)
    raise typer.Exit(_exit(found))


def _snapshot(checked: Checked[Drift]) -> tuple[str, str, str, str, str]:
    name, result = checked.project.id, checked.result
    if result is None:
        return name, "", "", "", checked.problem
    return name, result.head, result.template, result.version, ""


def _as_json(checked: Checked[Drift]) -> dict[str, object]:
    if checked.result is None:
        return {"project": checked.project.id, "problem": checked.problem}
    return checked.result.as_json() | {"problem": ""}


def _exit(found: list[Checked[Drift]]) -> Exit:
    if any(checked.problem for checked in found):
        return Exit.UNCHECKED
    return Exit.FINDINGS if any(c.result and c.result.drifted for c in found) else Exit.CLEAN


def _show(found: list[Checked[Drift]], *, diff: bool, everything: bool) -> None:
    rows: list[tuple[str, ...]] = []
    for result in (checked.result for checked in found if checked.result):
        files = result.files if everything else result.drifted
        rows += [(result.project, result.version, f.state.value, f.kind, f.path) for f in files]
    if rows:
        print_table("", ["project", "release", "state", "class", "file"], rows)
    if diff:
        shown = [f for c in found if c.result for f in c.result.files if everything or f.is_drift]
        for file in shown:
            typer.echo("\n".join(printable(line) for line in file.diff.splitlines()))
    for checked in found:
        if checked.problem:
            note(f"{checked.project.id}: could not be checked: {checked.problem}")
    drifted = sum(bool(c.result and c.result.drifted) for c in found)
    stopped = sum(bool(c.problem) for c in found)
    note(f"{len(found)} projects: {drifted} drifted, {stopped} could not be checked")
