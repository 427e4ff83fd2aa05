"""Checks of a project's relation to its template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import NotCheckedError
from ..model import Sighting
from ..options import Options
from ..project import ANSWERS_FILE, Project


class FreshTemplate:
    """A project follows the template: each release that it misses makes the next update harder.

    The fact `release` says which release it is on and how many are newer; `fleet` finds it out.
    """

    def __init__(self, options: Options) -> None:
        """Take how many releases it may be behind from the rule file."""
        self._behind = options.number("behind")

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield that it is too far behind."""
        release = project.facts.get("release")
        if not isinstance(release, Mapping):
            raise NotCheckedError("it takes the template's releases: see `fleet inventory`")
        behind = int(release["behind"])
        if behind > self._behind:
            said = (
                f"On {release['current']}, {behind} releases behind {release['latest']}; "
                f"{self._behind} are allowed."
            )
            yield Sighting(said, ANSWERS_FILE)
