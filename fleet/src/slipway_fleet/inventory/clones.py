"""Our own clones of projects that are not on this machine: shallow, bare, one branch."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ..config import checked_url
from ..credentials import Credentials
from ..errors import ProjectError
from ..git import GitError, Repository, Store, towards
from .projects import Project

_BRANCH = re.compile(r"(?!-)(?!.*(\.\.|@\{|//))[\w./+@-]{1,200}")


def clone_path(cache: Path, url: str) -> Path:
    """Return where the clone of an address lies."""
    return cache / "clones" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"


def is_ours(project: Project, cache: Path) -> bool:
    """Tell whether we made the clone, and so may fetch into it."""
    return bool(project.url) and project.path == clone_path(cache, project.url)


def is_fetched(project: Project) -> bool:
    """Tell whether our clone holds a commit."""
    try:
        return bool(Repository.find(project.path).head())
    except ProjectError:
        return False


def refresh(project: Project, cache: Path) -> None:
    """Fetch the newest commit of a project's default branch into our clone.

    Raises:
        ProjectError: It cannot be fetched; the text has git's reason.
    """
    try:
        url = checked_url(project.url)
    except ValueError as error:
        raise ProjectError(f"its address is refused: {error}") from error
    store = Store.create(project.path)
    more = Credentials(project.token_env).environment(url, cache)
    try:
        branch = project.branch or _default_branch(store, url, more)
        if not _BRANCH.fullmatch(branch):
            raise ProjectError(f"its default branch {branch[:60]!r} is not a name for one")
        fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-auto-maintenance")
        ref = f"refs/heads/{branch}"
        via = towards(url, "upload-pack")
        store.run(*fetch, *via, "--end-of-options", url, f"+{ref}:{ref}", more=more)
    except GitError as error:
        raise ProjectError(f"it cannot be fetched: {error.message}") from error
    (store.path / "HEAD").write_text(f"ref: {ref}\n")


def _default_branch(store: Store, url: str, more: dict[str, str]) -> str:
    asked = ("ls-remote", "--symref", *towards(url, "upload-pack"), "--end-of-options", url, "HEAD")
    for line in store.run(*asked, more=more).decode("utf-8", "replace").splitlines():
        if line.startswith("ref: refs/heads/"):
            return line.removeprefix("ref: refs/heads/").split("\t")[0]
    raise ProjectError("it has no default branch: is it empty?")


class BlobFetcher:
    """Fetches blobs that somebody's blobless clone lacks into a store of ours, one at a time.

    The clone's own configuration names the address; nothing else of it is used.
    """

    def __init__(self, project: Project, cache: Path) -> None:
        """Serve one project."""
        self._project = project
        self._cache = cache

    def __call__(self, sha: str) -> bytes:
        """Return a blob.

        Raises:
            ProjectError: The remote is unknown, or does not have it.
        """
        store = Store.create(self._cache / "blobs.git")
        try:
            if not _held(store, sha):
                self._fetch(store, sha)
            return store.run("cat-file", "blob", sha)
        except GitError as error:
            raise ProjectError(f"object {sha} is not in the clone: {error.message}") from error

    def _fetch(self, store: Store, sha: str) -> None:
        try:
            url = checked_url(self._project.url)
        except ValueError as error:
            raise ProjectError("the clone lacks files and names no remote to ask") from error
        more = Credentials(self._project.token_env).environment(url, self._cache)
        fetch = ("fetch", "--quiet", "--no-tags", "--depth=1", "--no-auto-maintenance")
        via = ("--no-write-fetch-head", *towards(url, "upload-pack"))
        store.run(*fetch, *via, "--end-of-options", url, sha, more=more)


def _held(store: Store, sha: str) -> bool:
    return b"missing" not in store.run("cat-file", "--batch-check", stdin=sha.encode() + b"\n")
