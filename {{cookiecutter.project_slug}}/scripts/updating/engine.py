# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Copier, run as a program: an update never imports it and never trusts a template."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .answers import Answer, as_data
from .errors import UpdateError

VERSIONS = "copier>=9.18,<10"

# Copier renders the old and the new release into temporary repositories, and commits them. The files
# of each tell what the project changed, without another render.
CAPTURE = """#!/bin/sh
case "$PWD" in
*.old_copy.*) name=old ;;
*.new_copy.*) name=new ;;
*) exit 0 ;;
esac
[ -d "$SLIPWAY_RENDERS/$name" ] || git checkout-index --all --prefix="$SLIPWAY_RENDERS/$name/"
"""

_GONE = "the template has no such release any more: correct _commit in the answers"
_UNREACHABLE = "git can't reach the template: look at _src_path in the answers, and at its access"
_SIGN_IN = "git can't sign in to the template: set up a credential helper, never a token in a URL"
_AHEAD = "the project was made from a commit after that release: wait for the next, or --to TAG"
REASONS = {
    "downgrad": _AHEAD,
    "did not match any": _GONE,
    "invalid reference": _GONE,
    "unknown revision": _GONE,
    "not our ref": _GONE,
    "authentication": _SIGN_IN,
    "could not read": _UNREACHABLE,
    "not found": _UNREACHABLE,
}


def find_copier() -> list[str]:
    """Return the command that runs copier: an installed one, or one that uv fetches.

    Raises:
        UpdateError: When there is neither.
    """
    if configured := os.environ.get("COPIER"):
        return shlex.split(configured)
    if found := shutil.which("copier"):
        return [found]
    if found := shutil.which("uv"):
        return [found, "tool", "run", "--from", VERSIONS, "copier"]
    message = "neither copier nor uv is installed: see https://docs.astral.sh/uv/, then try again"
    raise UpdateError(message)


@dataclass(frozen=True)
class Copier:
    """Runs copier for one project.

    Attributes:
        project: Its folder.
        command: What runs copier.
    """

    project: Path
    command: list[str]

    def update(self, renders: Path, *, to: str | None, changes: Mapping[str, Answer]) -> None:
        """Run `copier update`, and leave what it rendered in `renders/old` and `renders/new`.

        Raises:
            UpdateError: With copier's own words, and what to do where that is known.
        """
        hook = renders / "hooks" / "post-commit"
        hook.parent.mkdir()
        hook.write_text(CAPTURE, "utf-8")
        hook.chmod(0o755)
        arguments = ["update", "--defaults", "--quiet"]
        if to or changes:
            arguments += ["--vcs-ref", to or ":current:"]
        count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
        capture = {
            "SLIPWAY_RENDERS": str(renders),
            "GIT_CONFIG_COUNT": str(count + 1),
            f"GIT_CONFIG_KEY_{count}": "core.hooksPath",
            f"GIT_CONFIG_VALUE_{count}": str(hook.parent),
        }
        self._run([*arguments, *_data(changes), "."], capture)

    def render(
        self, into: Path, answers: Mapping[str, Answer], changes: Mapping[str, Answer]
    ) -> None:
        """Render a new project with the answers of this one.

        Raises:
            UpdateError: With copier's own words.
        """
        told = {key: value for key, value in answers.items() if not key.startswith("_")}
        told.update(changes)
        origin = [str(answers["_src_path"]), str(into)]
        reference = ["--vcs-ref", str(answers["_commit"])]
        self._run(["copy", "--defaults", "--quiet", *reference, *_data(told), *origin], {})

    def _run(self, arguments: list[str], variables: Mapping[str, str]) -> None:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.project,
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip() or done.stdout.strip()
            last = said.splitlines()[-1] if said else f"exit code {done.returncode}"
            hint = next((hint for sign, hint in REASONS.items() if sign in said.lower()), None)
            message = f"copier could not {arguments[0]} ({last})" + (f": {hint}" if hint else "")
            raise UpdateError(message)


def _data(answers: Mapping[str, Answer]) -> list[str]:
    return [
        word for name, value in answers.items() for word in ("--data", f"{name}={as_data(value)}")
    ]
