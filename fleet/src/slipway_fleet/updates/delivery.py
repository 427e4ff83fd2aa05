"""Getting an update to a project: its remote, its forge, and no faster than the forge likes."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..credentials import Credentials
from ..errors import ProjectError
from ..forges import Forge, Request, forge_for
from ..inventory.projects import Project
from ..workspace import Workspace
from .plan import Plan
from .remotes import Remote
from .requests import new_request


class Throttle:
    """Spaces calls evenly."""

    def __init__(
        self,
        per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Allow this many calls a minute; clock and sleep for tests."""
        self._gap = 60.0 / per_minute
        self._clock, self._sleep = clock, sleep
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next call may be made."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
            now = self._next
        self._next = now + self._gap


class Delivery:
    """Opens forges once and keeps to the limits of fleet.toml. Close it."""

    def __init__(self, workspace: Workspace, throttle: Throttle | None = None) -> None:
        """Use a fleet's settings."""
        self._workspace = workspace
        section = workspace.config.campaign
        self._labels = section.labels
        self._throttle = throttle or Throttle(section.requests_per_minute)
        self._forges: dict[tuple[str, str, str], Forge | None] = {}

    def close(self) -> None:
        """Close the connections."""
        for forge in self._forges.values():
            if forge is not None:
                forge.close()

    def remote(self, project: Project) -> Remote:
        """Return where branches of a project go."""
        return Remote(project, self._workspace.objects, self._workspace.cache)

    def request_of(self, project: Project, branch: str) -> Request | None:
        """Return the request from a branch, if the project has a forge and it has one."""
        forge = self._forge(project)
        return forge.find(_slug(project), branch) if forge else None

    def open(self, project: Project, plan: Plan, branch: str) -> Request | None:
        """Open the request of a plan; None where no forge is named."""
        forge = self._forge(project)
        if forge is None:
            return None
        self._throttle.wait()
        base = project.branch or "main"
        return forge.open(_slug(project), new_request(plan, branch, base, self._labels))

    def close_request(self, project: Project, number: int) -> None:
        """Close a request without merging it."""
        forge = self._forge(project)
        if forge is not None:
            self._throttle.wait()
            forge.close_request(_slug(project), number)

    def _forge(self, project: Project) -> Forge | None:
        key = (project.forge, project.api, project.token_env)
        if key not in self._forges:
            self._forges[key] = forge_for(project, Credentials(project.token_env).token())
        return self._forges[key]


def _slug(project: Project) -> str:
    if not project.slug:
        raise ProjectError("its source names a forge, but the project has no slug there")
    return project.slug
