"""Whose a rendered file is, and how it says so: read from `_ownership` of the manifest."""

import re
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

CLASSES = ("managed", "merged", "owned")

MANAGED = "Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md."
MERGED = "Merged by Slipway"

SILENT = {
    "LICENSE": "a licence text stands as it was written",
    "src/*/core/migration_script/script.py.mako": "its text is that of migrations, which are owned",
    ".copier-answers.yml": "copier rewrites it whole; its first line says how to change it",
}
"""Files that do not say whose they are, each with the reason."""


def matches(path: str, pattern: str) -> bool:
    """Tell whether a pattern of the manifest names a path or a folder above it; `*` is one level."""
    parts, wanted = PurePosixPath(path).parts, PurePosixPath(pattern).parts
    return len(parts) >= len(wanted) and all(map(fnmatch, parts, wanted))


def classes_of(path: str, manifest: dict[str, Any]) -> list[str]:
    """Return the classes that claim a path; what nobody claims is managed."""
    named = [
        name
        for name in ("merged", "owned")
        if any(matches(path, pattern) for pattern in manifest["_ownership"][name])
    ]
    return named or ["managed"]


def is_silent(path: str) -> bool:
    """Tell whether a file has a reason not to name its owner."""
    return any(fnmatch(path, pattern) for pattern in SILENT)


def first_line(text: str) -> str:
    """Return the first line that may be a comment: the second after a shebang or a directive."""
    lines = text.split("\n", 2)
    special = re.match(r"#!|# syntax=|<!doctype|<\?xml", lines[0], re.IGNORECASE)
    return lines[1] if special and len(lines) > 1 else lines[0]


def says(text: str) -> str:
    """Return the class that the first line of a file names, or an empty string."""
    line = first_line(text)
    if line in {f"# {MANAGED}", f"<!-- {MANAGED} -->", f"// {MANAGED}", f"/* {MANAGED} */"}:
        return "managed"
    return "merged" if re.match(rf"(#|<!--|//|/\*) {MERGED}", line) else ""
