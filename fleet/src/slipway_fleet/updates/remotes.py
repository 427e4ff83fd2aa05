"""Branches on the remotes of projects: looked at, pushed, deleted; nobody else's is overwritten."""

from __future__ import annotations

from pathlib import Path

from ..config import checked_url
from ..credentials import Credentials
from ..errors import ProjectError
from ..git import GitError, Repository, Store, towards
from ..inventory.projects import Project

ABSENT = "0" * 40


class Remote:
    """One project's remote."""

    def __init__(self, project: Project, store: Store, cache: Path) -> None:
        """Take the project and the store its update was written to.

        Raises:
            ProjectError: Where to push is unknown, or refused.
        """
        if not project.url:
            raise ProjectError("where to push is unknown: the clone has no `origin`")
        try:
            self._url = checked_url(project.url)
        except ValueError as error:
            raise ProjectError(f"its address is refused: {error}") from error
        repository = Repository.find(project.path)
        # What the template gives unchanged lies only in its mirror.
        mirrors = sorted((cache / "templates").glob("*.git/objects"))
        self._store = store.reading(repository.objects, *(path.resolve() for path in mirrors))
        self._more = Credentials(project.token_env).environment(self._url, cache)
        shallow = repository.common / "shallow"
        if shallow.is_file():
            self._more["GIT_SHALLOW_FILE"] = str(shallow.resolve())

    def head(self, branch: str) -> str:
        """Return the commit of a branch on the remote; empty when it has none."""
        via = towards(self._url, "upload-pack")
        asked = ("ls-remote", "--quiet", *via, "--end-of-options", self._url)
        listed = self._run(*asked, f"refs/heads/{branch}")
        return listed.split()[0] if listed.strip() else ""

    def push(self, branch: str, commit: str, expected: str) -> None:
        """Set a branch, unless somebody has moved it from `expected` (empty: unless it is there)."""
        self._send(branch, f"{commit}:refs/heads/{branch}", expected)

    def delete(self, branch: str, expected: str) -> None:
        """Delete a branch, unless somebody has moved it from `expected`."""
        self._send(branch, f":refs/heads/{branch}", expected)

    def _send(self, branch: str, refspec: str, expected: str) -> None:
        lease = f"--force-with-lease=refs/heads/{branch}:{expected or ABSENT}"
        via = towards(self._url, "receive-pack")
        self._run("push", "--quiet", "--no-verify", lease, *via, "--", self._url, refspec)

    def _run(self, *arguments: str) -> str:
        try:
            return self._store.run(*arguments, more=self._more).decode("utf-8", "replace")
        except GitError as error:
            raise ProjectError(f"its remote refuses: {error.message}") from error
