"""Tag a release, and refuse one that would take something from projects without having said so.

Compares the template with that of the last tag. What a project could miss (a path or a question
renamed or dropped, an answer gone, a path that changes its class, a feature that now asks first) has
to stand in `_migrations` of the manifest and in the upgrade guide, and makes the release a major one.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import manifest as manifests

ROOT = Path(__file__).resolve().parent.parent
GUIDE = "docs/how-to/upgrade-guide.md"
VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")

Manifest = dict[str, Any]


class ReleaseError(Exception):
    """Raised when a release can't be made; the text says what to do."""


def git(root: Path, *arguments: str) -> str:
    """Return what git prints.

    Raises:
        ReleaseError: With git's own words.
    """
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def version_of(tag: str) -> tuple[int, int, int]:
    """Return the three numbers of a tag.

    Raises:
        ReleaseError: When it is no SemVer tag.
    """
    found = VERSION.fullmatch(tag)
    if not found:
        raise ReleaseError(f"{tag!r} is no release: write it as v1.2.3")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


@dataclass(frozen=True)
class Template:
    """The template at one commit.

    Attributes:
        manifest: Its cookiecutter.json.
        paths: The paths of its body, with a star for the package and for names that depend on answers.
    """

    manifest: Manifest
    paths: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def at(cls, root: Path, commit: str) -> Template:
        """Return the template as it was at a commit."""
        manifest = json.loads(git(root, "show", f"{commit}:cookiecutter.json"))
        listed = git(root, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")
        below = f"{manifests.BODY}/"
        names = [name.removeprefix(below) for name in listed if name.startswith(below)]
        return cls({"_migrations": {}} | manifest, frozenset(map(pattern_of, names)))

    def class_of(self, path: str) -> str:
        """Return the class of a path."""
        for name in ("merged", "owned"):
            if any(covers(pattern, path) for pattern in self.manifest["_ownership"][name]):
                return name
        return "managed"

    def features_of(self, path: str) -> list[str]:
        """Return the features that have to be chosen for a path to be rendered."""
        features: dict[str, list[str]] = self.manifest["_features"]
        return [
            name
            for name, patterns in features.items()
            if any(covers(pattern, path) for pattern in patterns)
        ]


def pattern_of(name: str) -> str:
    """Return a path of the body as a pattern: the package is a star, conditions go."""
    name = re.sub(r"{%.*?%}", "", name)
    return re.sub(r"{{.*?}}", "*", name)


def covers(pattern: str, path: str) -> bool:
    """Tell whether a pattern names a path or a folder above it."""
    parts, wanted = PurePosixPath(path).parts, PurePosixPath(pattern).parts
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))


def undeclared(old: Template, new: Template, release: str) -> Iterator[str]:
    """Yield one sentence for each break with the last release that nothing declares."""
    changes = new.manifest["_migrations"].get(release, {})
    moved: dict[str, str | None] = changes.get("paths", {})
    renamed: dict[str, str | None] = changes.get("questions", {})
    for path in sorted(old.paths - new.paths):
        declared = [target for source, target in moved.items() if covers(source, path)]
        if not declared:
            yield f"{path} is gone: say under paths where it went, or null when it was dropped"
        elif declared[0] and not any(covers(declared[0], p) for p in new.paths):
            yield f"{path} is said to be {declared[0]} now, which does not exist"
    yield from _undeclared_questions(old.manifest, new.manifest, renamed)
    for path in sorted(old.paths & new.paths):
        before, after = old.class_of(path), new.class_of(path)
        if before != after and path not in moved:
            yield f"{path} was {before} and is {after}: say so under paths, as {path!r} to itself"
        yield from _hidden_by_default(path, old, new, renamed)
    since = new.manifest["_ownership"]["since"]
    arrived = {
        path
        for path in new.paths - old.paths
        if new.class_of(path) == "owned" and path not in moved.values()
    }
    for path in sorted(arrived):
        known = any(covers(p, path) for p in old.manifest["_ownership"]["owned"])
        if not known and not new.features_of(path) and not any(covers(p, path) for p in since):
            yield f"{path} is owned and new: give it a layout under since, or no project gets it"


def _undeclared_questions(
    old: Manifest, new: Manifest, renamed: dict[str, str | None]
) -> Iterator[str]:
    before, after = manifests.questions(old), manifests.questions(new)
    for name, value in before.items():
        if name not in after:
            if name not in renamed:
                yield f"the question {name} is gone: say under questions what it is now, or null"
            continue
        asked = after[name]
        if type(value) is not type(asked):
            yield f"the question {name} has another type: give it a new name"
        elif isinstance(value, list):
            for choice in [choice for choice in value if choice not in asked]:
                yield f"{choice!r} is no answer of {name} any more: give the question a new name"
            if value[0] != asked[0] and asked[0] in value:
                yield f"the default of {name} changed: projects keep theirs, so give it a new name"
        elif value != asked:
            yield f"the default of {name} changed: projects keep theirs, so give it a new name"


def _hidden_by_default(
    path: str, old: Template, new: Template, renamed: dict[str, str | None]
) -> Iterator[str]:
    """A path that was always there must not go because a new question defaults to no."""
    asked_before = {
        renamed.get(question) or question
        for feature in old.features_of(path)
        for question, _ in manifests.terms(feature)
    }
    for feature in new.features_of(path):
        for question, value in manifests.terms(feature):
            default = new.manifest[question]
            chosen = default[0] == value if isinstance(default, list) else bool(default)
            if question not in asked_before and not chosen:
                yield f"{path} was always there, and {question} now takes it away by default: default to keep"


def required_step(old: Template, new: Template, release: str) -> str:
    """Return which number of the version has to go up at least: major, minor or patch."""
    if any(new.manifest["_migrations"].get(release, {}).values()):
        return "major"
    more = set(manifests.questions(new.manifest)) - set(manifests.questions(old.manifest))
    return "minor" if more or new.paths - old.paths else "patch"


def problems(root: Path, release: str, last: str | None) -> Iterator[str]:
    """Yield everything that stands in the way of a release."""
    version = version_of(release)
    if git(root, "status", "--porcelain").strip():
        yield "the work tree is not clean: commit first"
    if f"\n## [{release[1:]}]" not in (root / "CHANGELOG.md").read_text("utf-8"):
        yield f"CHANGELOG.md has no section ## [{release[1:]}]"
    if last is None:
        return
    old, new = Template.at(root, last), Template.at(root, "HEAD")
    before = version_of(last)
    if version <= before:
        yield f"{release} does not come after {last}"
    yield from undeclared(old, new, release)
    step = required_step(old, new, release)
    steps = {"major": version[:1] > before[:1], "minor": version[:2] > before[:2]}
    # Below 1.0.0 a minor release may break (SemVer 2.0.0, section 4).
    if before[0] == 0 and step == "major":
        steps["major"] = version[:2] > before[:2]
    if not steps.get(step, True):
        yield f"{release} has to be a {step} release after {last}"
    yield from _unexplained(root, new, release)


def _unexplained(root: Path, new: Template, release: str) -> Iterator[str]:
    """Yield what the upgrade guide does not mention."""
    changes = new.manifest["_migrations"].get(release, {})
    names = [name for table in changes.values() for name in table]
    path = root / GUIDE
    text = path.read_text("utf-8") if path.is_file() else ""
    section = text.partition(f"\n## {release}\n")[2].partition("\n## ")[0]
    if names and not section:
        yield f"{GUIDE} has no section ## {release}"
        return
    for name in names:
        if name.replace("src/*/", "") not in section:
            yield f"{GUIDE} says nothing of {name} under {release}"


def last_release(root: Path) -> str | None:
    """Return the highest release tag that HEAD comes after, or None before the first."""
    tags = git(root, "tag", "--merged", "HEAD").split()
    return max(filter(VERSION.fullmatch, tags), key=version_of, default=None)


def main(arguments: list[str] | None = None) -> int:
    """Tag HEAD, or say everything that stands in the way."""
    parser = argparse.ArgumentParser(prog="scripts/release", description=__doc__.splitlines()[0])
    parser.add_argument("release", help="the tag, as in v1.2.3")
    parser.add_argument("--check", action="store_true", help="look only; tag nothing")
    options = parser.parse_args(arguments)
    try:
        version_of(options.release)
        manifests.load(ROOT)
        last = last_release(ROOT)
        found = list(problems(ROOT, options.release, last))
    except (ReleaseError, manifests.ManifestError) as error:
        found = [str(error)]
    if found:
        print(f"{options.release} can't be released:", file=sys.stderr)
        print("".join(f"  - {line}\n" for line in found), file=sys.stderr, end="")
        return 1
    if options.check:
        print(f"{options.release} can be released after {last or 'nothing'}")
        return 0
    git(ROOT, "tag", "--annotate", options.release, "--message", f"Slipway {options.release}")
    print(f"tagged {options.release}: git push origin {options.release}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
