"""Make the changes that are safe to make by themselves, in one work tree that somebody named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import FleetError
from ..findings import Finding, Outcome
from .errors import RuleFileError
from .model import Rule


@dataclass(frozen=True, slots=True)
class Fix:
    """One change.

    Attributes:
        rule: Why it is made.
        path: The file, relative to the work tree.
        said: What it does.
        content: The new content; None deletes the file.
    """

    rule: str
    path: str
    said: str
    content: str | None


def planned_fixes(folder: Path, rules: Sequence[Rule], findings: Iterable[Finding]) -> list[Fix]:
    """Return what could be changed for the failures of a work tree, without changing anything."""
    by_id = {rule.id: rule for rule in rules}
    broken: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.outcome is Outcome.FAIL and finding.rule in by_id:
            broken.setdefault(finding.rule, []).append(finding)
    fixes = []
    for name, found in sorted(broken.items()):
        autofix = by_id[name].autofix
        if autofix:
            fixes += _planned(folder, name, autofix, found)
    return fixes


def _planned(
    folder: Path, rule: str, autofix: Mapping[str, object], found: list[Finding]
) -> list[Fix]:
    kinds: dict[str, Callable[..., list[Fix]]] = {
        "add-lines": _add_lines,
        "set-toml": _set_toml,
        "delete-empty": _delete_empty,
    }
    kind = next((name for name in kinds if name in autofix), "")
    if not kind:
        raise RuleFileError(rule, f"`autofix` is one of {', '.join(kinds)}")
    return kinds[kind](folder, rule, autofix, found)


def apply_fixes(folder: Path, fixes: Iterable[Fix]) -> None:
    """Make the changes.

    Raises:
        FleetError: When a file is a link, or not in the work tree.
    """
    for fix in fixes:
        target = inside(folder, fix.path)
        if fix.content is None:
            target.unlink()
        else:
            _replace(target, fix.content)


def inside(folder: Path, path: str) -> Path:
    """Return a file of a work tree that may be written to.

    Raises:
        FleetError: When any part of the way is a link, or it leads out of the folder.
    """
    root = folder.resolve()
    target = root / path
    parts = Path(path).parts
    if Path(path).is_absolute() or ".." in parts or ".git" in parts:
        raise FleetError(f"{path} is not in the work tree; nothing was written")
    for part in [target, *target.parents]:
        if part == root:
            break
        if part.is_symlink():
            raise FleetError(
                f"{path} leads through a link, which is not followed; nothing was written"
            )
    return target


def _replace(target: Path, content: str) -> None:
    """Write a whole file at once, with the mode that it had."""
    temporary = target.with_name(f".{target.name}.fleet")
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    temporary.replace(target)


def _read(folder: Path, path: str) -> str:
    try:
        return inside(folder, path).read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(f"{path} can not be read: {error}") from error


def _add_lines(
    folder: Path, rule: str, autofix: Mapping[str, object], _found: list[Finding]
) -> list[Fix]:
    path, wanted = str(autofix["add-lines"]), autofix["lines"]
    text = _read(folder, path)
    present = {line.strip() for line in text.split("\n")}
    missing = (
        [str(line) for line in wanted if line not in present] if isinstance(wanted, list) else []
    )
    if not missing:
        return []
    start = text if not text or text.endswith("\n") else f"{text}\n"
    return [Fix(rule, path, f"add {', '.join(missing)}", start + "\n".join(missing) + "\n")]


def _set_toml(
    folder: Path, rule: str, autofix: Mapping[str, object], _found: list[Finding]
) -> list[Fix]:
    import tomlkit  # noqa: PLC0415  # only a fix writes TOML
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415  # as above

    path, values = str(autofix["set-toml"]), autofix["values"]
    try:
        document = tomlkit.parse(_read(folder, path))
        for place, value in values.items() if isinstance(values, dict) else ():
            table: object = document
            *tables, last = str(place).split(".")
            for name in tables:
                if not isinstance(table, dict):
                    return []
                table = table.setdefault(name, tomlkit.table())
            if isinstance(table, dict):
                table[last] = value
    except TOMLKitError as error:
        raise FleetError(f"{path} can not be changed: {error}") from error
    said = ", ".join(f"{k} = {v}" for k, v in values.items()) if isinstance(values, dict) else ""
    return [Fix(rule, path, f"set {said}", tomlkit.dumps(document))]


def _delete_empty(
    folder: Path, rule: str, _autofix: Mapping[str, object], found: list[Finding]
) -> list[Fix]:
    return [
        Fix(rule, finding.path, "delete the empty file", None)
        for finding in found
        if finding.path and not _read(folder, finding.path).strip()
    ]
