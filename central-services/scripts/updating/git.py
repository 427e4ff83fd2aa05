# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The project's repository, through git itself."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from .errors import UpdateError


class Repository:
    """A project and the git repository that it is in, which may be larger.

    Attributes:
        project: The project's folder.
        prefix: Its path below the top of the repository, empty or ending in a slash.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        try:
            self.prefix = self("rev-parse", "--show-prefix").strip()
        except UpdateError:
            message = "this is no git repository: git init && git add -A && git commit -m start"
            raise UpdateError(message) from None

    def __call__(self, *arguments: str) -> str:
        """Return what git prints in the project's folder.

        Raises:
            UpdateError: With git's own words, when it fails.
        """
        return self.raw(*arguments).decode("utf-8", "surrogateescape")

    def raw(self, *arguments: str) -> bytes:
        """Return what git prints, as it is."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.project, capture_output=True, check=False
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()
            message = f"git {arguments[0]} failed: {said}"
            raise UpdateError(message)
        return done.stdout

    def paths(self, *arguments: str) -> list[str]:
        """Return the paths that a git command with `-z` prints."""
        return self(*arguments).split("\0")[:-1]

    def committed(self) -> dict[str, str]:
        """Return the blob of each file of the project in the last commit."""
        found = {}
        for line in self.paths("ls-tree", "-r", "-z", "HEAD", "."):
            head, path = line.split("\t", 1)
            found[path] = head.split()[2]
        return found

    def require_clean(self) -> None:
        """Refuse to touch work that is not in a commit.

        Raises:
            UpdateError: Naming some of what is not committed.
        """
        changed = [line[3:] for line in self.paths("status", "--porcelain", "-z")]
        if changed:
            more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
            message = (
                f"commit or stash your changes first: {', '.join(changed[:5])}{more} would be mixed "
                "with those of the update"
            )
            raise UpdateError(message)

    def undo(self) -> None:
        """Go back to the last commit; everything was committed, so nothing is lost."""
        self("reset", "--quiet", "--hard")
        self("clean", "-fdq", "--", self("rev-parse", "--show-cdup").strip() or ".")

    def content(self, path: str) -> bytes:
        """Return a file of the project as the last commit has it."""
        return self.raw("show", f"HEAD:{self.prefix}{path}")


def blob_of(content: bytes, like: str) -> str:
    """Return the name that git gives to a content, in the format of another name."""
    algorithm = "sha1" if len(like) == 40 else "sha256"  # digits of a SHA-1
    new = hashlib.new(algorithm, usedforsecurity=False)
    new.update(b"blob %d\0" % len(content) + content)
    return new.hexdigest()
