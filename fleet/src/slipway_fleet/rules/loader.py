"""Read rule files: one rule a file, everything in it known and of the right type."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib import resources
from importlib.metadata import entry_points
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from ..findings import Level
from .checks import build
from .checks.plugins import GROUP
from .controls import known_controls
from .errors import CannotReadError, RuleFileError
from .model import Edit, Example, Grade, Lifecycle, Rule, Waivable
from .options import Options
from .parsing import parse_yaml

E = TypeVar("E", bound=StrEnum)
ACTIONS = ("write", "append", "replace", "delete", "chmod", "link", "lock")


def built_in() -> Traversable:
    """Return the folder of the catalogue that comes with the tool."""
    return resources.files(__package__) / "catalogue"


def load_rules(packs: Iterable[str | Path] = ("fastapi",), root: Path = Path()) -> list[Rule]:
    """Return the rules of some packs, by id.

    A pack is `fastapi`, the catalogue that comes with the tool, or a folder relative to `root`.

    Raises:
        RuleFileError: When a file is wrong or an id is there twice.
    """
    found: dict[str, Rule] = {}
    for pack in packs:
        folder = built_in() if str(pack) == "fastapi" else Path(root, pack)
        if not folder.is_dir():
            raise RuleFileError(str(pack), "there is no such pack of rules")
        for rule in _pack(folder):
            if rule.id in found:
                raise RuleFileError(rule.id, "there are two rules with this id")
            found[rule.id] = rule
    return [found[name] for name in sorted(found)]


def _pack(folder: Traversable) -> list[Rule]:
    if folder == built_in():
        return list(_catalogue())
    return [_read(file) for file in _rule_files(folder)]


@functools.lru_cache(maxsize=1)
def _catalogue() -> tuple[Rule, ...]:
    return tuple(_read(file) for file in _rule_files(built_in()))


def _rule_files(folder: Traversable) -> list[Traversable]:
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return sorted(files, key=lambda entry: entry.name)


def _read(file: Traversable) -> Rule:
    try:
        documents = parse_yaml(file.name, file.read_text("utf-8"))
    except (CannotReadError, UnicodeDecodeError) as error:
        raise RuleFileError(file.name, str(error)) from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise RuleFileError(file.name, "a rule file holds one mapping")
    rule = read_rule(file.name, documents[0])
    if f"{rule.id}.yaml" != file.name:
        raise RuleFileError(file.name, f"the file of rule {rule.id} must be named {rule.id}.yaml")
    return rule


def read_rule(place: str, document: Mapping[str, object]) -> Rule:
    """Return the rule that a mapping describes.

    Raises:
        RuleFileError: When something is unknown, missing or of the wrong type.
    """
    options = Options(place, document)
    check = options.mapping("check")
    kind, made = build(place, check)
    enforce_from = options.take("enforce-from")
    if enforce_from is not None and type(enforce_from) is not dt.date:
        raise RuleFileError(place, "`enforce-from` must be a date, as in 2027-01-01")
    examples = Options(f"{place}, examples", options.mapping("examples"))
    rule = Rule(
        id=options.text("id"),
        title=options.text("title"),
        family=options.text("family"),
        grade=_choice(options, "grade", Grade, None),
        level=_choice(options, "level", Level, None),
        why=options.text("why").strip(),
        fix=options.text("fix").strip(),
        check=made,
        kind=kind,
        lifecycle=_choice(options, "lifecycle", Lifecycle, Lifecycle.STABLE),
        enforce_from=enforce_from,
        waivable=_choice(options, "waivable", Waivable, Waivable.LOCAL),
        effort=options.number("effort", 15),
        when=options.mapping("when", {}),
        controls=_controls(place, options.mapping("controls", {})),
        autofix=options.mapping("autofix", {}) or None,
        options={key: value for key, value in check.items() if key != "type"},
        passing=_examples(examples, "pass"),
        failing=_examples(examples, "fail"),
    )
    examples.done()
    options.done()
    if not rule.failing:
        raise RuleFileError(place, "a rule needs an example that breaks it (examples: fail)")
    return rule


def _choice(options: Options, name: str, kind: type[E], default: E | None) -> E:
    value = options.text(name, default.value if default else None)
    try:
        return kind(value)
    except ValueError as error:
        allowed = ", ".join(member.value for member in kind)
        raise RuleFileError(options.place, f"`{name}` must be one of {allowed}") from error


def _controls(place: str, given: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    known, found = known_controls(), {}
    for framework, listed in given.items():
        if framework not in known:
            raise RuleFileError(place, f"there is no framework {framework}; see controls.yaml")
        names = tuple(str(name) for name in (listed if isinstance(listed, list) else [listed]))
        unknown = [name for name in names if name not in known[framework].controls]
        if unknown:
            raise RuleFileError(place, f"{framework} has no {', '.join(unknown)} in controls.yaml")
        found[framework] = names
    return found


def _examples(options: Options, name: str) -> tuple[Example, ...]:
    if not options.has(name):
        return ()
    return tuple(_example(one) for one in options.mappings(name))


def _example(options: Options) -> Example:
    edits = options.mappings("edits") if options.has("edits") else []
    example = Example(
        answers=options.mapping("answers", {}),
        edits=tuple(_edit(one) for one in edits),
        facts=options.mapping("facts", {}),
    )
    options.done()
    return example


def _edit(options: Options) -> Edit:
    action = next((name for name in ACTIONS if options.has(name)), "")
    if not action:
        raise RuleFileError(options.place, f"an edit is one of {', '.join(ACTIONS)}")
    path = options.text(action)
    text = {"replace": "with", "chmod": "mode", "link": "to", "delete": "", "lock": ""}.get(
        action, "text"
    )
    edit = Edit(
        action,
        path,
        options.text(text) if text else "",
        options.text("old") if action == "replace" else "",
    )
    options.done()
    return edit


def rules_digest(rules: Iterable[Rule]) -> str:
    """Return a digest of rules and of the code that checks them: it changes when findings may."""
    import hashlib  # noqa: PLC0415  # only runs that remember results need it

    made = hashlib.sha256()
    for rule in rules:
        made.update(repr((rule.id, rule.kind, rule.when, rule.options, rule.fix)).encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        found = file.stat()
        made.update(f"{file.name} {found.st_size} {found.st_mtime_ns}".encode())
    for point in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        version = point.dist.version if point.dist else ""
        made.update(f"{point.name} {point.value} {version}".encode())
    return made.hexdigest()
