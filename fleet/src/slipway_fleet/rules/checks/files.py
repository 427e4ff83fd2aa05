"""Checks of files as a whole: there or not, as the template rendered them, and what their text holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..errors import NotCheckedError
from ..model import Check, Sighting
from ..options import Options
from ..project import Project

BINARY = (
    "**/*.png", "**/*.jpg", "**/*.jpeg", "**/*.gif", "**/*.ico", "**/*.pdf", "**/*.woff2", "**/*.zip",
    "**/*.gz", "**/*.db", "**/*.sqlite", "**/*.parquet", "**/*.pyc", "**/*.so", "**/*.whl",
)  # fmt: skip
"""Files that hold no text to search."""


def exists(options: Options) -> Check:
    """Ask for at least one file for each of `paths`."""
    paths = options.texts("paths")

    def check(project: Project) -> Iterator[Sighting]:
        for pattern in paths:
            if not project.glob([pattern]):
                path = project.expand(pattern)
                yield Sighting(f"There is no {path}.", path if "*" not in path else "")

    return check


def absent(options: Options) -> Check:
    """Refuse any file that matches `paths`, but for those of `except`."""
    paths, spared = options.texts("paths"), options.texts("except", ())

    def check(project: Project) -> Iterator[Sighting]:
        for path in project.glob(paths, spared):
            yield Sighting(f"{path} must not be in the repository.", path)

    return check


def managed(options: Options) -> Check:
    """Compare with what the template rendered: `states` names the kinds of drift that count.

    The comparison is the drift engine's; a run without the template at hand can not make it.
    """
    states, classes = options.texts("states"), options.texts("classes")

    def check(project: Project) -> Iterator[Sighting]:
        drift = project.facts.get("drift")
        if drift is None:
            raise NotCheckedError("it takes the template: see `fleet drift`")
        if not isinstance(drift, (list, tuple)):
            raise TypeError("the fact `drift` must be a list")
        for one in drift:
            if isinstance(one, Mapping) and one["state"] in states and one["class"] in classes:
                yield Sighting(
                    f"{one['path']} is {one['state']}: it differs from what the template rendered.",
                    str(one["path"]),
                    0,
                    str(one.get("diff", "")),
                )

    return check


def regex(options: Options) -> Check:
    """Search texts: `forbid` a pattern in them, or `require` one in each of them.

    `allow` is a pattern for lines that may match all the same. A file that is not text is skipped
    where `paths` are patterns and an error where they name it.
    """
    paths, spared = options.texts("paths"), (*options.texts("except", ()), *BINARY)
    forbidden = options.has("forbid")
    pattern = options.pattern("forbid" if forbidden else "require")
    pattern = re.compile(pattern.pattern, pattern.flags | re.MULTILINE)
    allow = options.pattern("allow") if options.has("allow") else None
    message = options.text("message")

    def look(_path: str, text: str) -> tuple[tuple[int, str], ...]:
        if not forbidden:
            return () if pattern.search(text) else ((0, message),)
        found = []
        for hit in pattern.finditer(text):
            start = text.rfind("\n", 0, hit.start()) + 1
            end = text.find("\n", hit.end())
            if allow is None or not allow.search(text[start : end if end >= 0 else None]):
                found.append((text.count("\n", 0, hit.start()) + 1, message))
        return tuple(found)

    key = ("regex", forbidden, pattern.pattern, allow and allow.pattern, message)

    def check(project: Project) -> Iterator[Sighting]:
        found = project.glob(paths, spared)
        if not forbidden and not found:
            yield Sighting(f"{message} (There is no {', '.join(map(project.expand, paths))}.)")
        for path in found:
            if not project.modes[path].startswith("100"):
                continue  # a link is judged by what it points to, a submodule by its own run
            for line, said in project.parsed(key, path, look):
                yield Sighting(said, path, line)

    return check


def lines(options: Options) -> Check:
    """Ask that a file (`path`) has each line of `require`, comments and spaces around it aside.

    With `first`, that line must be the first that is no comment: a deny-all of an ignore file.
    """
    path, wanted = options.text("path"), options.texts("require", ())
    first, message = options.text("first", ""), options.text("message")

    def check(project: Project) -> Iterator[Sighting]:
        stripped = [line.strip() for line in project.text(path).split("\n")]
        stripped = [line for line in stripped if line and not line.startswith("#")]
        missing = [line for line in wanted if line not in stripped]
        if first and stripped[:1] != [first]:
            missing.insert(0, first)
        if missing:
            said = ", ".join(f"`{line}`" for line in missing)
            yield Sighting(f"{message} Missing: {said}.", project.expand(path))

    return check
