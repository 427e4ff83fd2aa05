"""Read a Dockerfile and a .dockerignore far enough to carry out the build without Docker."""

import fnmatch
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One `FROM` of a Dockerfile and what follows it.

    Attributes:
        name: Its name after `AS`.
        base: The image or stage it starts from, with the defaults of arguments filled in.
        steps: Its instructions in order, as (KEYWORD, rest of the line).
    """

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        """Return what stands after each occurrence of a keyword."""
        return [rest for word, rest in self.steps if word == keyword]

    def last(self, keyword: str) -> str:
        """Return what stands after the last occurrence of a keyword: the one that counts."""
        return self.all(keyword)[-1]

    def environment(self) -> dict[str, str]:
        """Return what its `ENV` lines set."""
        pairs = (pair for line in self.all("ENV") for pair in line.split())
        return dict(pair.split("=", 1) for pair in pairs)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield (KEYWORD, rest) for each instruction, continuation lines joined and comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        yield word.upper(), rest.strip()


def read_stages(path: Path) -> dict[str, Stage]:
    """Return the stages of a Dockerfile by name, in order."""
    stages: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    current: Stage | None = None
    for word, rest in instructions(path.read_text("utf-8")):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = stages[name] = Stage(name, arguments.get(base.strip("${}"), base))
        elif current is None:
            name, _, value = rest.partition("=")
            arguments[name] = value
        else:
            current.steps.append((word, rest))
    return stages


def exec_form(text: str) -> list[str]:
    """Return the arguments of an instruction in exec form (a JSON list).

    Raises:
        ValueError: It is in shell form, which no signal gets through.
    """
    arguments: list[str] = json.loads(text)
    return arguments


def _matches(path: str, pattern: str) -> bool:
    """Tell whether a .dockerignore pattern names a path or a folder above it."""
    parts = path.split("/")
    candidates = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    if pattern.startswith("**/"):
        tail = pattern.removeprefix("**/")
        return any(fnmatch.fnmatchcase(part, tail) for part in parts)
    return any(
        candidate.count("/") == pattern.count("/") and fnmatch.fnmatchcase(candidate, pattern)
        for candidate in candidates
    )


def build_context(root: Path) -> list[str]:
    """Return the paths that .dockerignore lets into a build; the last pattern that matches decides."""
    lines = (root / ".dockerignore").read_text("utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    context = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name, ignored = path.relative_to(root).as_posix(), False
        for pattern in patterns:
            if _matches(name, pattern.removeprefix("!")):
                ignored = not pattern.startswith("!")
        if not ignored:
            context.append(name)
    return context
