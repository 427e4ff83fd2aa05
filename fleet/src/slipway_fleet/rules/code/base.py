"""What the catalogue's Python checks have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from ..model import Sighting
from ..options import Options
from ..project import Project
from ..python_code import Module

OWN = "{package}/**/*.py"
PLATFORM = (
    "{package}/api/**", "{package}/audit/**", "{package}/clients/**", "{package}/core/**",
    "{package}/jobs/**", "{package}/mail/**", "{package}/middleware/**", "{package}/monitoring/**",
    "{package}/uploads/**", "{package}/utils/**", "{package}/cli.py", "{package}/__main__.py",
)  # fmt: skip
"""Where the platform's own modules are: some things only they may do."""


class ModuleCheck:
    """A check that looks at one Python module after the other.

    Attributes:
        paths: Where it looks by default.
        spared: What it passes over by default.
        hints: Texts without any of which a module can not be wrong.
    """

    paths: ClassVar[tuple[str, ...]] = (OWN,)
    spared: ClassVar[tuple[str, ...]] = ()
    hints: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        """Take where to look from the rule file."""
        self._paths = options.texts("paths", self.paths)
        self._spared = options.texts("except", self.spared)

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield what `look` sees in each module."""
        for path in project.glob(self._paths, self._spared):
            for line, message in project.look(
                (type(self), self._key()), path, self.look, self.hints
            ):
                yield Sighting(message, path, line)

    def _key(self) -> object:
        """Return the options that decide what `look` sees."""
        return ()

    def look(self, module: Module) -> Iterable[tuple[int, str]]:
        """Yield (line, what is wrong)."""
        raise NotImplementedError


def mapping(value: object) -> dict[str, object]:
    """Return a mapping, an empty one for what is none: documents of projects hold anything."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[object]:
    """Return a list, an empty one for what is none."""
    return value if isinstance(value, list) else []
