"""`fleet plan`: what would an update do to each project?"""

from __future__ import annotations

from functools import partial
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
)
from ..errors import Exit

if TYPE_CHECKING:
    from ..run import Checked
    from ..updates import Plan
    from ..workspace import Workspace

TargetOption = Annotated[
    str, typer.Option("--target", help="The release to move to; by default what fleet.toml says.")
]
RestoreOption = Annotated[
    bool, typer.Option("--restore", help="Put the template's version of managed files back.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plan)


def plan(
    projects: ProjectsArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    target: TargetOption = "",
    restore: RestoreOption = False,
    refresh: RefreshOption = False,
) -> None:
    """Say what an update would do to each project; nothing is written outside the cache."""
    from ..inventory import take  # noqa: PLC0415  # imports what other commands need not
    from ..survey import survey  # noqa: PLC0415  # as above
    from ..updates.plan import Wanted, plan_project  # noqa: PLC0415  # as above
    from ..workspace import Workspace  # noqa: PLC0415  # as above

    workspace = Workspace.load(Path(config))
    _fetch_releases(workspace, target)
    inventory = take(workspace, refreshed=refresh, only=tuple(projects or ()))
    managed = "restore" if restore else workspace.config.campaign.managed
    wanted = Wanted(target, "restore" if managed == "restore" else "keep")
    found = survey(workspace, inventory, partial(plan_project, wanted=wanted), "planning")
    if json:
        print_json({"projects": [_as_json(c) for c in found]})
    else:
        _show(found, detailed=bool(projects))
    if any(checked.problem for checked in found):
        raise typer.Exit(Exit.UNCHECKED)
    waiting = any(c.result and c.result.state == "update" for c in found)
    raise typer.Exit(Exit.FINDINGS if waiting else Exit.CLEAN)


def _fetch_releases(workspace: Workspace, target: str) -> None:
    """Look for a newer release where the newest is asked for; offline, the newest known here does."""
    from ..errors import FleetError  # noqa: PLC0415  # as above
    from ..template import RenderCache  # noqa: PLC0415  # as above

    renders = RenderCache(workspace.config)
    for section in workspace.config.template:
        if (target or section.target) != "latest":
            continue
        try:
            renders.mirror_of(section.url).refresh()
        except FleetError as error:
            note(f"{error}; planned towards the newest release that is known here")


def _as_json(checked: Checked[Plan]) -> dict[str, object]:
    if checked.result is None:
        return {"project": checked.project.id, "problem": checked.problem}
    return checked.result.as_json() | {"problem": ""}


def _show(found: list[Checked[Plan]], *, detailed: bool) -> None:
    rows = []
    for plan in (checked.result for checked in found if checked.result):
        person = sum(note.needs_person for note in plan.notes)
        decide = f"{person} to decide" if person else ""
        moved = f"{plan.release} to {plan.target}"
        rows.append((plan.project, plan.state, moved, str(len(plan.changes)), decide))
    print_table("", ["project", "state", "release", "files", ""], rows)
    for plan in (checked.result for checked in found if checked.result and detailed):
        for path, what in plan.changes.items():
            typer.echo(f"{what:8} {path!a}"[:200])
        for said in plan.notes:
            note(f"{said.path}: {said.text}")
    for checked in found:
        if checked.problem:
            note(f"{checked.project.id}: could not be planned: {checked.problem}")
