"""Read what a project's files say, without ever running them; each file once per content.

What can not be read is a `CannotReadError` with the reason: a rule that meets one ends as `error`
for that project, which is never green.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from .errors import CannotReadError

if TYPE_CHECKING:
    from .dockerfile import Instruction

T = TypeVar("T")
MAX_BYTES = 2_000_000
"""Larger files are data, not configuration; the largest one that the template writes has 60 KB."""
MAX_DEPTH = 60
"""Levels of nesting in a document; the deepest one that the template writes has 14."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A text with its lines, so that a place can be named."""

    text: str

    def at(self, offset: int) -> int:
        """Return the number of the line that holds a character, from 1."""
        return self.text.count("\n", 0, offset) + 1

    def find(self, *needles: str) -> int:
        """Return the first line that holds all of the needles, or 1."""
        for number, line in enumerate(self.text.split("\n"), 1):
            if all(needle in line for needle in needles):
                return number
        return 1


class Parser:
    """Parses each content once, for every project of a process that has the same one.

    Most files of a fleet are the template's and equal in all projects, so what was learnt about one
    content is kept under the id of its blob. Nothing large is kept: syntax trees belong to a
    project (see `Project.module`) and go with it.
    """

    def __init__(self, max_entries: int = 50_000) -> None:
        """Take how many answers are kept."""
        self._known: dict[Hashable, object] = {}
        self._max_entries = max_entries

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned the first time; what it raises is not kept.

        `key` names the content with all else that decides the answer.
        """
        if key in self._known:
            return self._known[key]  # type: ignore[return-value]  # stored below under the same key
        value = make()
        if len(self._known) >= self._max_entries:
            self._known.pop(next(iter(self._known)))
        self._known[key] = value
        return value


def decode(path: str, content: bytes) -> str:
    """Return the text of a file.

    Raises:
        CannotReadError: When it is too large or not UTF-8.
    """
    if len(content) > MAX_BYTES:
        raise CannotReadError(path, f"is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotReadError(path, f"is not UTF-8 (byte {error.start})") from error


def parse_toml(path: str, text: str) -> dict[str, object]:
    """Return a TOML document.

    Raises:
        CannotReadError: When it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CannotReadError(path, f"is not TOML: {error or 'nested too deeply'}") from error


def parse_yaml(path: str, text: str) -> list[object]:
    """Return the documents of a YAML file, tags other than the standard ones refused.

    Raises:
        CannotReadError: When it is not YAML, or nested so deeply that reading it costs too much.
    """
    import yaml  # noqa: PLC0415  # 40 ms that a warm run does not need

    try:
        _check_depth(path, text)
        return list(yaml.load_all(text, Loader=_yaml_loader()))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split()) or "nested too deeply"
        raise CannotReadError(path, f"is not YAML: {reason}") from error


def yaml_nodes(path: str, text: str) -> list[object]:
    """Return the documents of a YAML file as nodes, which know their lines; none if it is not YAML."""
    import yaml  # noqa: PLC0415  # as above

    try:
        _check_depth(path, text)
        return list(yaml.compose_all(text, Loader=_yaml_loader()))
    except (yaml.YAMLError, RecursionError, ValueError, CannotReadError):
        return []


def _yaml_loader() -> type:
    """Return the safe loader; GitLab's `!reference` is read as the list that it is."""
    import yaml  # noqa: PLC0415  # as above

    base: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    global _LOADER  # noqa: PLW0603  # made once, since importing YAML is put off
    if _LOADER is None:
        _LOADER = type("_Loader", (base,), {})
        _LOADER.add_constructor(  # type: ignore[attr-defined]  # PyYAML's, made by type()
            "!reference", lambda loader, node: loader.construct_sequence(node)
        )
    return _LOADER


_LOADER: type | None = None


def _check_depth(path: str, text: str) -> None:
    """Refuse deep nesting from the stream of events, which libyaml makes without recursion."""
    import yaml  # noqa: PLC0415  # as above

    depth = aliases = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > 1_000:
            raise CannotReadError(path, f"is nested deeper than {MAX_DEPTH} levels")


def parse_python(path: str, text: str) -> ast.Module:
    """Return the syntax tree of a module.

    Raises:
        CannotReadError: When it is not Python that this interpreter can parse.
    """
    import warnings  # noqa: PLC0415  # loaded by the interpreter already; here for its one use

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a bad escape in a project is that project's
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        reason = error.msg if isinstance(error, SyntaxError) else "nested too deeply"
        raise CannotReadError(path, f"is not Python: {reason}{where}") from error


def parse_dockerfile(path: str, text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile."""
    from .dockerfile import read_instructions  # noqa: PLC0415  # projects without one do not need it

    return read_instructions(path, text)
