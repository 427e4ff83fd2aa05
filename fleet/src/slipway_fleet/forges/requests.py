"""Pull and merge requests as the fleet sees them, whatever the forge calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ..errors import ConfigError
from ..inventory.projects import Project

RequestState = Literal["open", "merged", "closed"]


@dataclass(frozen=True)
class RemoteRepository:
    """A repository a forge has.

    Attributes:
        slug: Its full path, such as `acme/orders`.
        url: Where it is cloned from.
        branch: Its default branch; empty for an empty repository.
        owner: Whom the forge names, if anybody.
        archived: Whether nothing can be pushed.
        topics: Its labels.
    """

    slug: str
    url: str
    branch: str
    owner: str = ""
    archived: bool = False
    topics: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewRequest:
    """A request to open."""

    branch: str
    base: str
    title: str
    body: str
    draft: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """A request that is there."""

    number: int
    url: str
    state: RequestState
    draft: bool = False


class Forge(Protocol):
    """What opens requests. Every method raises `ForgeError` when the forge refuses or is away."""

    def repositories(self, group: str) -> list[RemoteRepository]:
        """Return the repositories of an organisation or group, subgroups included."""

    def find(self, slug: str, branch: str) -> Request | None:
        """Return the newest request from a branch, an open one first; None when there is none."""

    def open(self, slug: str, new: NewRequest) -> Request:
        """Open a request, or bring the open one of that branch up to date: never a second one."""

    def close_request(self, slug: str, number: int) -> None:
        """Close a request without merging it."""

    def close(self) -> None:
        """Close the connections."""


def forge_for(project: Project, token: str) -> Forge | None:
    """Return what opens requests for a project; None when nothing does.

    Raises:
        ConfigError: The project names a forge and not its address.
    """
    from .github import GitHub  # noqa: PLC0415  # the adapters import this module
    from .gitlab import GitLab  # noqa: PLC0415  # as above

    if project.forge == "none":
        return None
    if not project.api:
        raise ConfigError(f"{project.id}: its source names a forge, but no api")
    return GitHub(project.api, token) if project.forge == "github" else GitLab(project.api, token)
