"""Work on every project of a fleet, with progress; one that could not be fetched is a result, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .console import progress
from .inventory import Inventory
from .inventory.projects import Project
from .run import Checked, Work, every
from .workspace import Workspace

T = TypeVar("T")


def survey(
    workspace: Workspace,
    listed: Inventory,
    work: Work[T],
    doing: str,
    *,
    chosen: Sequence[Project] | None = None,
) -> list[Checked[T]]:
    """Return what came of each project, in order of their ids.

    Args:
        workspace: The fleet.
        listed: Its projects.
        work: As for `run.every`.
        doing: What is done, for a person who waits.
        chosen: Only these of the projects that were fetched.
    """
    problems = listed.problems
    good = [p for p in listed.projects if p.id not in problems] if chosen is None else chosen
    found: list[Checked[T]] = [
        Checked(p, problem=problems[p.id]) for p in listed.projects if p.id in problems
    ]
    with progress(doing, len(good)) as steps:
        for checked in every(workspace, good, work):
            found.append(checked)
            steps.done(checked.project.id)
    return sorted(found, key=lambda checked: checked.project.id)
