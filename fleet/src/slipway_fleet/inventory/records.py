"""What each project records about itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import NotRecordedError
from ..run import Opened


@dataclass(frozen=True)
class Record:
    """One project's own words, beside the newest release of its template.

    Attributes:
        head: The commit that was read.
        template: The recorded address.
        release: The recorded release or commit.
        newest: The newest release that fleet.toml allows; empty for a template it does not name.
    """

    head: str
    template: str
    release: str
    newest: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def row(self) -> tuple[str, str, str]:
        """Return its cells of the table."""
        return self.release, self.newest or "not in fleet.toml", self.template


def look(opened: Opened) -> Record:
    """Read the record of one project; raises `ProjectError`."""
    origin = opened.snapshot.template
    newest = ""
    if opened.workspace.config.template_of(origin.url) is not None:
        mirror = opened.renders.mirror_of(origin.url)
        mirror.resolve(origin.commit)
        newest = next(iter(mirror.releases()), "")
    return Record(opened.snapshot.head, origin.url, origin.commit, newest)


def is_unrecorded(opened: Opened) -> bool:
    """Tell whether a project records no release; raises `ProjectError` when it cannot be read."""
    try:
        return not opened.snapshot.template.commit
    except NotRecordedError:
        return True
