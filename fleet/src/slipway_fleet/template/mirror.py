"""Our copy of a template's repository, and the releases in it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from packaging.version import InvalidVersion, Version

from ..answers import normalised_url
from ..credentials import Credentials
from ..errors import FleetError, ProjectError
from ..git import GitError, Store
from ..snapshot import CatFile, Entry, read_tree

_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_NAME = re.compile(r"(?!-)(?!.*\.\.)(?!.*@\{)[\w./+-]{1,200}")


class Mirror:
    """A template on this machine. Nothing is fetched until something is missing."""

    def __init__(self, url: str, folder: Path, credentials: Credentials | None = None) -> None:
        """Take an address of fleet.toml and the folder of all mirrors."""
        self.url = url
        name = hashlib.sha256(normalised_url(url).encode()).hexdigest()[:16]
        self.path = folder / f"{name}.git"
        self._credentials = credentials or Credentials()
        self._resolved: dict[str, str] = {}
        self._dates: dict[str, int] = {}
        self._ancestors: dict[tuple[str, str], bool] = {}

    @property
    def store(self) -> Store:
        """Return the repository."""
        return Store.create(self.path)

    def refresh(self) -> None:
        """Fetch what is new.

        Raises:
            FleetError: The address does not answer; the text has git's reason.
        """
        self._resolved.clear()
        fetch = ("fetch", "--quiet", "--prune", "--no-auto-maintenance", "--end-of-options")
        try:
            environment = self._credentials.environment(self.url, self.path.parent)
            self.store.run(*fetch, self.url, *_REFSPECS, more=environment)
        except GitError as error:
            raise FleetError(f"template {self.url} cannot be fetched: {error.message}") from error

    def resolve(self, recorded: str) -> str:
        """Return the full hash of a tag, of what `git describe` printed, or of a hash.

        Raises:
            ProjectError: The template has no such commit, even after fetching.
        """
        if recorded in self._resolved:
            return self._resolved[recorded]
        if not _NAME.fullmatch(recorded):
            raise ProjectError(f"{recorded[:60]!r} is not a release or commit")
        found = self._find(recorded)
        if not found:
            self.refresh()
            found = self._find(recorded)
        if not found:
            raise ProjectError(
                f"the template has no release or commit {recorded}: was it rendered from "
                "uncommitted changes, or from another template? `fleet adopt` finds the closest"
            )
        self._resolved[recorded] = found
        return found

    def _find(self, name: str) -> str:
        for spelling in (f"refs/tags/{name}^{{commit}}", f"{name}^{{commit}}"):
            asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", spelling)
            found = self.store.run(*asked, ok=(0, 1, 128)).decode().strip()
            if found:
                return found
        return ""

    def releases(self) -> list[str]:
        """Return the tags that are versions, newest first; pre-releases are none."""
        listed = self.store.run("for-each-ref", "--format=%(refname)", "refs/tags/").decode()
        found: list[tuple[Version, str]] = []
        for line in listed.splitlines():
            tag = line.removeprefix("refs/tags/")
            try:
                version = Version(tag)
            except InvalidVersion:
                continue
            if not version.is_prerelease:
                found.append((version, tag))
        return [tag for _, tag in sorted(found, reverse=True)]

    def target(self, wanted: str) -> str:
        """Return the tag or commit to move to.

        Raises:
            FleetError: There is no release, or not this one.
        """
        if wanted != "latest":
            try:
                self.resolve(wanted)
            except ProjectError as error:
                raise FleetError(f"template {self.url}: {error}") from error
            return wanted
        releases = self.releases()
        if not releases:
            raise FleetError(f"template {self.url} has no release: tag one, or name a target")
        return releases[0]

    def date(self, commit: str) -> int:
        """Return when a commit was made, in seconds since 1970."""
        if commit not in self._dates:
            shown = self.store.run("show", "-s", "--format=%ct", "--end-of-options", commit)
            self._dates[commit] = int(shown)
        return self._dates[commit]

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Tell whether one commit comes before another."""
        if (older, newer) not in self._ancestors:
            asked = ("merge-base", "--is-ancestor", older, newer)
            try:
                self.store.run(*asked)
            except GitError as error:
                if error.code != 1:
                    raise
                self._ancestors[older, newer] = False
            else:
                self._ancestors[older, newer] = True
        return self._ancestors[older, newer]

    def tree(self, commit: str) -> dict[str, Entry]:
        """Return every path of the template at a commit."""
        return read_tree(self.store, commit)

    def blobs(self) -> CatFile:
        """Return a reader of its blobs; close it."""
        return CatFile(self.store)
