"""Checks of structured files: TOML and YAML by path, and JSON Schema."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from ..model import Check, Sighting
from ..options import Options
from ..parsing import yaml_nodes
from ..project import Project
from ..values import MISSING, Demand, select


def toml(options: Options) -> Check:
    """Judge values of one TOML file (`path`) by `require`, a list of demands."""
    path = options.text("path")
    demands = [Demand.read(one) for one in options.mappings("require")]

    def check(project: Project) -> Iterator[Sighting]:
        document = project.toml(path)
        for demand in demands:
            for place, problem in demand.objections(document):
                yield Sighting(problem, path, toml_line(project.text(path), place))

    return check


def yaml(options: Options) -> Check:
    """Judge values of YAML files (`paths`) by `require`, a list of demands.

    `select` picks what is judged out of each document, `where` (path: value) which of those count,
    and `at-least-one` says that there must be one. A file with several documents is several.
    """
    paths = options.texts("paths")
    inside, where = options.text("select", ""), options.mapping("where", {})
    needed = options.text("at-least-one", "")
    demands = [Demand.read(one) for one in options.mappings("require")]

    def check(project: Project) -> Iterator[Sighting]:
        seen = False
        for path in project.glob(paths):
            for document in project.yaml(path):
                for start, value in select(document, inside):
                    if value is MISSING or not _is(value, where):
                        continue
                    seen = True
                    for demand in demands:
                        for place, problem in demand.objections(value):
                            whole = f"{start}.{place}".strip(".")
                            yield Sighting(
                                problem if not start else f"{problem} (in `{start}`)",
                                path,
                                yaml_line(project, path, whole),
                            )
        if needed and not seen:
            yield Sighting(needed)

    return check


def _is(value: object, where: dict[str, object]) -> bool:
    for path, wanted in where.items():
        allowed = wanted if isinstance(wanted, list) else [wanted]
        if not any(_fits(found, one) for _, found in select(value, path) for one in allowed):
            return False
    return True


def _fits(value: object, wanted: object) -> bool:
    """Return whether a value is the wanted one, or begins with it when that ends in a star."""
    if isinstance(wanted, str) and wanted.endswith("*") and isinstance(value, str):
        return value.startswith(wanted[:-1])
    return value == wanted


def json_schema(options: Options) -> Check:
    """Validate a document (`path`, TOML or YAML) against `schema`."""
    path, schema = options.text("path"), options.mapping("schema")

    @functools.lru_cache(maxsize=1)
    def validator() -> object:
        import jsonschema  # noqa: PLC0415  # 90 ms that only this type of check needs

        return jsonschema.Draft202012Validator(schema)

    def look(name: str, _text: str, project: Project) -> tuple[tuple[int, str], ...]:
        document = project.toml(name) if name.endswith(".toml") else project.yaml(name)[0]
        found = []
        for error in validator().iter_errors(document):  # type: ignore[attr-defined]  # lazily typed
            place = ".".join(map(str, error.absolute_path))
            line = toml_line if name.endswith(".toml") else None
            number = line(project.text(name), place) if line else yaml_line(project, name, place)
            said = error.message if len(error.message) <= 200 else f"{error.message[:200]}..."
            found.append((number, f"`{place or name}`: {said}"))
        return tuple(found)

    def check(project: Project) -> Iterator[Sighting]:
        key = ("json-schema", repr(schema))
        for line, said in project.parsed(key, path, lambda p, t: look(p, t, project)):
            yield Sighting(said, path, line)

    return check


def toml_line(text: str, place: str) -> int:
    """Return the line of a key: the best match by table header and key, since tomllib keeps none."""
    keys = [key for key in re.split(r"[.\[]", place) if key and not key.endswith("]")]
    best, score, table = 0, 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if header := re.match(r"\[+\s*([^\]]+?)\s*\]+", stripped):
            table = header[1]
        key = re.match(r"[\"']?([\w.-]+)[\"']?\s*=", stripped)
        whole = ".".join(filter(None, [table, key[1] if key else ""]))
        wanted = ".".join(keys)
        inside = wanted == whole or wanted.startswith(f"{whole}.")
        if inside and len(whole) > score:
            best, score = number, len(whole)
    return best


def yaml_line(project: Project, path: str, place: str) -> int:
    """Return the line of a value, or of the nearest thing around it; 0 when it can't be told."""
    steps = [s for s in re.split(r"\.|(\[\d+\])", place) if s]
    best = number = 0
    for node in project.remember(f"nodes of {path}", lambda one: yaml_nodes(path, one.text(path))):
        line, matched = _descend(node, steps)
        if matched >= best:
            best, number = matched, line
    return number if best else 0


def _descend(node: object, steps: list[str]) -> tuple[int, int]:
    import yaml as pyyaml  # noqa: PLC0415  # as above

    line, matched = 1, 0
    for step in steps:
        following = None
        if isinstance(node, pyyaml.MappingNode):
            following = next(((k, v) for k, v in node.value if k.value == step), None)
        elif isinstance(node, pyyaml.SequenceNode) and step.startswith("["):
            number = int(step[1:-1])
            items = node.value
            following = (items[number], items[number]) if number < len(items) else None
        if following is None:
            break
        key, node = following
        line, matched = key.start_mark.line + 1, matched + 1
    return line, matched
