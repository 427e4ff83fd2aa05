"""A project of the fleet: where its clone lies, whose it is, and what opens requests for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Project:
    """One project.

    Attributes:
        id: Its name in the fleet: `orders`, or `group/orders` where a source has levels.
        path: Its clone on this machine.
        url: Where branches are pushed to; empty when that is unknown.
        branch: Its default branch; empty for what HEAD of the clone names.
        owner: Who answers for it, such as `@team-orders`.
        source: The number of its `[[source]]`, from 1.
        forge: `github`, `gitlab`, or `none` when nothing opens requests.
        api: The forge's address.
        slug: The forge's name of it, such as `acme/orders`.
        token_env: The variable that holds the token.
    """

    id: str
    path: Path
    url: str = ""
    branch: str = ""
    owner: str = ""
    source: int = 0
    forge: str = "none"
    api: str = ""
    slug: str = ""
    token_env: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"path": str(self.path)}
