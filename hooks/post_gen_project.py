"""Finish a cookiecutter run: drop what was not chosen, and record where the project came from.

Copier never runs this: it leaves the same paths out through `_exclude`, generated from the same
`_features` of cookiecutter.json, and knows its own source. Standard library only; git is only read.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

Context = dict[str, Any]

CONTEXT: Context = json.loads(r"""{{ cookiecutter | tojson }}""")


def is_chosen(feature: str, context: Context) -> bool:
    """Tell whether a key of `_features` is switched on: `question`, `question=value`, or `a+b`."""
    terms = (term.partition("=") for term in feature.split("+"))
    return all(str(context[question]) == (value or "True") for question, _, value in terms)


def remove(path: Path) -> None:
    """Delete a file or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_unchosen(root: Path, context: Context) -> None:
    """Delete the paths of features that were not chosen, and what a working copy leaves lying around."""
    for feature, patterns in context["_features"].items():
        if not is_chosen(feature, context):
            for pattern in patterns:
                for path in list(root.glob(pattern)):
                    remove(path)
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            if any(fnmatch.fnmatch(name, pattern) for pattern in context["_junk"]):
                remove(Path(folder, name))
        folders[:] = [name for name in folders if Path(folder, name).exists()]


def git(repository: Path, *arguments: str) -> str:
    """Return what git prints, or an empty string where it cannot say."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def template_folder(context: Context) -> Path | None:
    """Return where cookiecutter read the template from, or None.

    `_repo_dir` can be relative to the folder the command was typed in (cookiecutter#1802).
    """
    for base in (os.environ.get("PWD", ""), context.get("_output_dir", "")):
        folder = Path(base, context["_repo_dir"])
        if (folder / "cookiecutter.json").is_file():
            return folder.resolve()
    return None


def without_credentials(url: str) -> str:
    """Return a URL without a password or token, and an http one without a user name either."""
    url = re.sub(r"^((?:git\+)?https?://)[^/]*@", r"\1", url)
    return re.sub(r"^((?:git\+)?[a-z][a-z0-9+.-]*://[^/:@]*):[^/]*@", r"\1@", url)


def origin(context: Context) -> tuple[str, str]:
    """Return (`_commit`, `_src_path`) in the form `copier update` reads; empty where unknown."""
    commit, source = context["_commit"], context["_src_path"]
    if commit.startswith("$Format"):  # expanded only in an archive made by `git archive`
        commit = ""
    if not context.get("_repo_dir"):  # cruft hands over a full hash and the URL or path
        return commit, without_credentials(str(context.get("_template", source)))
    repository = template_folder(context)
    top = git(repository, "rev-parse", "--show-toplevel") if repository else ""
    if not top or Path(top).resolve() != repository:
        return commit, source  # a zip, a plain folder, or a folder inside another repository
    commit = git(repository, "describe", "--tags", "--always") or commit
    if context["_repo_dir"] == context["_template"]:
        return commit, str(repository)  # a local path, which is what copier records
    source = without_credentials(git(repository, "remote", "get-url", "origin") or source)
    return commit, f"git+{source}" if source.startswith("file://") else source


def record_origin(root: Path, context: Context) -> None:
    """Write `_commit` and `_src_path` into the answers file, as copier does."""
    commit, source = origin(context)
    path = root / ".copier-answers.yml"
    recorded = {"_commit": commit, "_src_path": source}
    lines = []
    for line in path.read_text("utf-8").splitlines():
        key = line.partition(":")[0]
        if key not in recorded:
            lines.append(line)
        elif recorded[key]:
            lines.append(f"{key}: {json.dumps(recorded[key])}")
    path.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")


if __name__ == "__main__":
    remove_unchosen(Path.cwd(), CONTEXT)
    record_origin(Path.cwd(), CONTEXT)
