"""Read cookiecutter.json, the one manifest, and refuse one that contradicts itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class ManifestError(Exception):
    """Raised when cookiecutter.json contradicts itself; the text says what to change."""


def load(root: Path = ROOT) -> dict[str, Any]:
    """Return cookiecutter.json, checked for what would break one engine only."""
    manifest: dict[str, Any] = json.loads((root / "cookiecutter.json").read_text("utf-8"))
    names = set(questions(manifest))
    _check_features(manifest, names)
    _check_requires(manifest)
    for section in ("_validators", "_reserved", "_asked_when", "__prompts__"):
        unknown = set(manifest[section]) - names
        if unknown:
            raise ManifestError(f"{section}: no such question: {', '.join(sorted(unknown))}")
    _require("__prompts__", names, manifest)
    texts = {name for name in names if isinstance(manifest[name], str)}
    _require("_validators", texts, manifest)
    _check_ownership(manifest["_ownership"])
    _check_migrations(manifest, names)
    _check_conditions(manifest)
    known: set[str] = set()
    for name in [*questions(manifest), *computed(manifest)]:
        forward = {used for used in _names_used(manifest[name]) if used not in known}
        if forward:
            raise ManifestError(
                f"{name} uses {', '.join(sorted(forward))}, which must stand before it"
            )
        known.add(name)
    return manifest


def _check_features(manifest: dict[str, Any], names: set[str]) -> None:
    for feature in manifest["_features"]:
        for question, value in terms(feature):
            if question not in names:
                raise ManifestError(f"_features: {question!r} of {feature!r} is no question")
            if value and value not in manifest[question]:
                raise ManifestError(f"_features: {value!r} is no answer of {question!r}")


def _check_conditions(manifest: dict[str, Any]) -> None:
    for name, condition in manifest["_asked_when"].items():
        if not isinstance(manifest.get(condition), bool):
            raise ManifestError(f"_asked_when: {condition!r} of {name!r} is no yes/no question")
        if not isinstance(manifest[name], list):
            raise ManifestError(f"_asked_when: {name!r} is no choice")
        for feature in manifest["_features"]:
            used = [question for question, _ in terms(feature)]
            if name in used and condition not in used:
                raise ManifestError(f"_features: {feature!r} uses {name} without {condition}")


def _check_requires(manifest: dict[str, Any]) -> None:
    order = list(questions(manifest))
    for wanted, (needed, _) in manifest["_requires"].items():
        for term in (wanted, needed):
            ((question, value),) = terms(term)
            if question not in order or (value and value not in manifest[question]):
                raise ManifestError(f"_requires: {term!r} is no answer of a question")
        if order.index(terms(needed)[0][0]) > order.index(terms(wanted)[0][0]):
            raise ManifestError(f"_requires: {needed} must be asked before {wanted}")


def _check_ownership(ownership: dict[str, Any]) -> None:
    owned, merged = (set(ownership[k]) for k in ("owned", "merged"))
    if owned & merged:
        raise ManifestError(f"_ownership: owned and merged: {', '.join(sorted(owned & merged))}")
    for name in ("since", "initial"):
        stray = set(ownership[name]) - owned
        if stray:
            raise ManifestError(f"_ownership: {name}, but not owned: {', '.join(sorted(stray))}")


def _check_migrations(manifest: dict[str, Any], names: set[str]) -> None:
    for release, changes in manifest["_migrations"].items():
        if not re.fullmatch(r"v\d+\.\d+\.\d+", release):
            raise ManifestError(f"_migrations: {release!r} is no release, such as v2.0.0")
        unknown = set(changes) - {"questions", "paths"}
        if unknown:
            raise ManifestError(f"_migrations of {release}: unknown: {', '.join(sorted(unknown))}")
        for old, new in changes.get("questions", {}).items():
            if old in names:
                raise ManifestError(f"_migrations of {release}: {old!r} is still a question")
            if new is not None and not (new in names or _leads_on(new, "questions", manifest)):
                raise ManifestError(f"_migrations of {release}: {new!r} is no question")


def _leads_on(name: str, section: str, manifest: dict[str, Any]) -> bool:
    return any(name in changes.get(section, {}) for changes in manifest["_migrations"].values())


def earlier_names(question: str, manifest: dict[str, Any]) -> list[str]:
    """Return the names that a question had in earlier releases, the latest first."""
    renamed = {
        new: old
        for changes in manifest["_migrations"].values()
        for old, new in changes.get("questions", {}).items()
    }
    names = []
    while question in renamed:
        question = renamed[question]
        names.append(question)
    return names


def moved_paths(manifest: dict[str, Any]) -> dict[str, str]:
    """Return where each path of an earlier release is now; what was dropped is not there."""
    steps = [changes.get("paths", {}) for changes in manifest["_migrations"].values()]
    found: dict[str, str] = {}
    for index, step in enumerate(steps):
        for old, new in step.items():
            place = new
            for later in steps[index + 1 :]:
                place = later.get(place, place) if place else place
            if place:
                found[old] = place
    return found


def _require(section: str, names: set[str], manifest: dict[str, Any]) -> None:
    missing = names - set(manifest[section])
    if missing:
        raise ManifestError(f"{section}: nothing for {', '.join(sorted(missing))}")


def questions(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the questions with their defaults or choices, in the order they are asked."""
    return {name: value for name, value in manifest.items() if not name.startswith("_")}


def computed(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the values computed from answers (`__name`), which nobody is asked for."""
    return {n: v for n, v in manifest.items() if n.startswith("__") and isinstance(v, str)}


def terms(feature: str) -> list[tuple[str, str]]:
    """Return what a key of `_features` asks for, as (question, value); no value means yes.

    `include_docs` is a yes, `ci_provider=github` an answer, and `a+b` both together.
    """
    parts = (term.partition("=") for term in feature.split("+"))
    return [(question, value) for question, _, value in parts]


def _names_used(template: Any) -> set[str]:
    return (
        set(re.findall(r"\bcookiecutter\.(\w+)", template)) if isinstance(template, str) else set()
    )
