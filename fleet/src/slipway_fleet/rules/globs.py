"""Path patterns: `*` stays inside a folder, `**/` crosses folders, `{package}` is the project's."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable


@functools.lru_cache(maxsize=2_000)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression of one pattern."""
    parts = []
    for token in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern):
        parts.append(_TOKENS.get(token) or re.escape(token))
    return re.compile("".join(parts) + r"\Z")


_TOKENS = {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a path matches one of the patterns."""
    return any(compiled(pattern).match(path) for pattern in patterns)
