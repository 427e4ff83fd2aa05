"""Three-way merge by key, for files that the template and the project both add to.

The project's text is what is edited, so its comments, order and quotes stay. Where both sides changed
the same key, the project's value stays and the key is named: somebody has to look.
"""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


@dataclass
class Merged:
    """What came of a merge.

    Attributes:
        text: The merged file.
        conflicts: The keys that both sides changed, with both values, one sentence each.
    """

    text: str
    conflicts: list[str] = field(default_factory=list)


class CannotMergeError(Exception):
    """Raised when a side is not valid in its format, or the result would not be."""


def merge_text(path: str, base: str, ours: str, theirs: str) -> Merged:
    """Merge a file by its format: TOML and YAML by key, anything else by line.

    Args:
        path: Decides the format.
        base: As the template rendered it before.
        ours: As it is in the project.
        theirs: As the template renders it now.

    Raises:
        CannotMergeError: A side cannot be parsed.
    """
    name = path.rpartition("/")[2]
    if name.endswith(".toml"):
        return _merge_toml(base, ours, theirs)
    if name.endswith((".yml", ".yaml")):
        return _merge_yaml(base, ours, theirs)
    return _merge_lines(base, ours, theirs)


def is_valid(path: str, text: str) -> bool:
    """Tell whether a text parses in the format of its path, without a key that is there twice."""
    try:
        if path.endswith(".toml"):
            tomllib.loads(text)
        elif path.endswith((".yml", ".yaml")):
            _yaml().load(text)
    except (ValueError, _yaml_error()):
        return False
    return True


def _merge_toml(base: str, ours: str, theirs: str) -> Merged:
    import tomlkit  # noqa: PLC0415  # only for files that both sides changed
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415  # as above

    try:
        document, new = tomlkit.parse(ours), tomlkit.parse(theirs)
        conflicts = merge_mapping(tomllib.loads(base), document, new, "")
        text = tomlkit.dumps(document)
        if tomllib.loads(text) != plain(document):
            raise CannotMergeError("the merged file would say something else")
    except (TOMLKitError, tomllib.TOMLDecodeError) as error:
        raise CannotMergeError(str(error)) from error
    return Merged(text, conflicts)


def _merge_yaml(base: str, ours: str, theirs: str) -> Merged:
    try:
        old, document, new = (_yaml().load(text) for text in (base, ours, theirs))
    except _yaml_error() as error:
        raise CannotMergeError(str(error)) from error
    if not all(isinstance(side, Mapping) for side in (old, document, new)):
        raise CannotMergeError("it is not a mapping on every side")
    write = _closest_style(ours)
    conflicts = merge_mapping(old, document, new, "")
    text = write(document)
    if plain(_yaml().load(text)) != plain(document):
        raise CannotMergeError("the merged file would say something else")
    return Merged(text, conflicts)


def _yaml(sequence: int = 2, offset: int = 0) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415  # only for files that both sides changed

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=sequence, offset=offset)
    return yaml


def _yaml_error() -> type[Exception]:
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415  # as above

    return YAMLError


def _closest_style(text: str) -> Callable[[Any], str]:
    """Return a writer that indents lists as the text does: the one that changes fewest of its lines."""

    def writer(sequence: int, offset: int) -> Callable[[Any], str]:
        def write(document: Any) -> str:
            out = io.StringIO()
            _yaml(sequence, offset).dump(document, out)
            return out.getvalue()

        return write

    lines = set(text.splitlines())
    styles = [writer(2, 0), writer(4, 2)]
    return min(styles, key=lambda write: len(lines ^ set(write(_yaml().load(text)).splitlines())))


def _merge_lines(base: str, ours: str, theirs: str) -> Merged:
    old, new = base.splitlines(), theirs.splitlines()
    mine: list[Any] = [
        line for line in ours.splitlines() if not line or line in new or line not in old
    ]
    before: Any = None
    for line in new:
        if line and line not in mine and line not in old:
            place = mine.index(before) + 1 if before in mine else len(mine)
            mine.insert(place, line)
        before = line or before
    return Merged("\n".join(mine) + "\n")


def merge_mapping(
    base: Mapping[str, Any], ours: MutableMapping[str, Any], theirs: Mapping[str, Any], where: str
) -> list[str]:
    """Bring what the template changed into a mapping, in place; return the conflicts."""
    conflicts: list[str] = []
    for key in [*theirs, *(key for key in base if key not in theirs)]:
        name = f"{where}.{key}" if where else str(key)
        had, has = key in base, key in theirs
        if had and has and plain(base[key]) == plain(theirs[key]):
            continue
        if not has:
            if key in ours and plain(ours[key]) == plain(base[key]):
                del ours[key]
            elif key in ours:
                conflicts.append(f"{name}: the template removed it and the project changed it")
        elif key not in ours:
            if not had:
                ours[key] = theirs[key]
        elif had and plain(ours[key]) == plain(base[key]):
            ours[key] = theirs[key]
        else:
            conflicts += _merge_value(base.get(key), ours, key, theirs[key], name)
    return conflicts


def _merge_value(base: Any, ours: Any, key: Any, theirs: Any, name: str) -> list[str]:
    """Merge one value that both sides changed; `ours[key]` is where it stands."""
    mine = ours[key]
    if plain(mine) == plain(theirs):
        return []
    if isinstance(mine, MutableMapping) and isinstance(theirs, Mapping):
        return merge_mapping(base if isinstance(base, Mapping) else {}, mine, theirs, name)
    if _is_list(mine) and _is_list(theirs):
        return _merge_list(base if _is_list(base) else [], mine, theirs, name)
    shown = (json.dumps(plain(value), default=str)[:80] for value in (mine, theirs))
    return [f"{name}: the project has {next(shown)}, the template {next(shown)}"]


def _merge_list(
    base: Sequence[Any], ours: MutableSequence[Any], theirs: Sequence[Any], where: str
) -> list[str]:
    conflicts: list[str] = []
    old, new = ({item_key(item): item for item in side} for side in (base, theirs))
    for key, item in old.items():
        if key in new:
            continue
        place = _place(ours, key)
        if place is not None and plain(ours[place]) == plain(item):
            del ours[place]
        elif place is not None:
            conflicts.append(f"{where}[{key}]: the template removed it and the project changed it")
    before = None
    for key, item in new.items():
        place = _place(ours, key)
        if place is None and key not in old:
            after = _place(ours, before) if before is not None else None
            ours.insert(len(ours) if after is None else after + 1, item)
        elif place is not None and plain(old.get(key)) != plain(item):
            if key in old and plain(ours[place]) == plain(old[key]):
                ours[place] = item
            else:
                conflicts += _merge_value(old.get(key), ours, place, item, f"{where}[{key}]")
        before = key
    return conflicts


def _place(items: Sequence[Any], key: str) -> int | None:
    return next((n for n, item in enumerate(items) if item_key(item) == key), None)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def item_key(item: Any) -> str:
    """Return what makes an item of a list the same one on both sides.

    A requirement is its distribution, a mapping its `id`, `name` or `repo` (or its only key, as in the
    navigation of a documentation site), anything else itself.
    """
    if isinstance(item, Mapping):
        for name in ("id", "name", "repo"):
            if name in item:
                return f"{name}={plain(item[name])}"
        if len(item) == 1:
            return f"key={next(iter(item))}"
    elif isinstance(item, str):
        try:
            requirement = Requirement(str(item))
        except InvalidRequirement:
            return str(item)
        extras = ",".join(sorted(requirement.extras))
        return f"{canonicalize_name(requirement.name)}[{extras}]"
    return json.dumps(plain(item), sort_keys=True, default=str)


def plain(value: Any) -> Any:
    """Return a value without what a round-trip parser adds to it."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if _is_list(value):
        return [plain(inner) for inner in value]
    return value.unwrap() if hasattr(value, "unwrap") else value
