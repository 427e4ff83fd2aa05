"""Generate what copier and `scripts/update` read from the one manifest, cookiecutter.json.

Writes `copier.yml`, the template of `.copier-answers.yml` and the table of ownership that travels with
each project; with `--check` writes nothing and exits 1 when one is stale. Why each line is as it is: docs/explanation/decisions/0002-one-tree-two-engines.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BODY = "{{cookiecutter.project_slug}}"
# 9.15 is the first copier that accepts an undefined type by name; cookiecutter is always strict.
MIN_COPIER_VERSION = "9.15.0"
OWNERSHIP_TABLE = "scripts/updating/ownership.toml"
MANAGED = (
    "# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.\n"
)
HEADER = "# Generated from cookiecutter.json by scripts/sync: change that file, not this one.\n"


class ManifestError(Exception):
    """Raised when cookiecutter.json contradicts itself; the text says what to change."""


def load(root: Path = ROOT) -> dict[str, Any]:
    """Return cookiecutter.json, checked for what would break one engine only."""
    manifest: dict[str, Any] = json.loads((root / "cookiecutter.json").read_text("utf-8"))
    names = set(questions(manifest))
    _check_features(manifest, names)
    for section in ("_validators", "_reserved", "__prompts__"):
        unknown = set(manifest[section]) - names
        if unknown:
            raise ManifestError(f"{section}: no such question: {', '.join(sorted(unknown))}")
    _require("__prompts__", names, manifest)
    texts = {name for name in names if isinstance(manifest[name], str)}
    _require("_validators", texts, manifest)
    _check_ownership(manifest["_ownership"])
    _check_migrations(manifest, names)
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


def _bare(template: Any) -> Any:
    """Return a template without the `cookiecutter.` prefix, for use before that answer exists."""
    return re.sub(r"\bcookiecutter\.", "", template) if isinstance(template, str) else template


def _as_expression(template: str) -> str:
    """Turn the text of a template into one Jinja expression: `{{ a }}_x` becomes `((a) ~ '_x')`."""
    parts = [part for part in re.split(r"(\{\{.*?\}\})", template) if part]
    joined = " ~ ".join(f"({p[2:-2].strip()})" if p.startswith("{{") else repr(p) for p in parts)
    return f"({joined})"


def _exclude_unchosen(feature: str, path: str) -> str:
    """Return the `_exclude` entry that leaves out a path of a feature that is switched off.

    `is defined`: on update copier renders the new template's excludes with the old answers
    (copier#2482), so a question the old template lacked has to mean "keep".
    """
    asked = [(f"cookiecutter.{question}", value) for question, value in terms(feature)]
    defined = " and ".join(f"{name} is defined" for name, _ in asked)
    chosen = " and ".join(f"{name} == '{value}'" if value else name for name, value in asked)
    return f"{{% if {defined} and not ({chosen}) %}}/{path}{{% endif %}}"


def _feature_of(path: str, manifest: dict[str, Any]) -> str | None:
    features: dict[str, list[str]] = manifest["_features"]
    for feature, paths in features.items():
        if any(path == p or path.startswith(f"{p}/") for p in paths):
            return feature
    return None


def _exclude_owned(path: str, manifest: dict[str, Any]) -> str:
    """Return the `_exclude` entry that keeps a deleted owned path from coming back.

    It applies in the project itself (which has an answers file) and in copier's two temporary
    renders (which have none), unless the path arrives with a feature or a release that the
    project has not had yet. An `initial` path never arrives later: it belongs to owned files that
    the project would already have in another form.
    """
    had = []
    feature = _feature_of(path, manifest)
    if feature and path not in manifest["_ownership"]["initial"]:
        for question, value in terms(feature):
            last = "false"
            for name in reversed([question, *earlier_names(question, manifest)]):
                last = f"_external_data.last.{name} | default({last})"
            had.append(f"({last}) == '{value}'" if value else f"({last})")
    if path in manifest["_ownership"]["since"]:
        since = manifest["_ownership"]["since"][path]
        had.append(f"(_external_data.last._layout | default(1)) >= {since}")
    condition = "_copier_operation == 'update'"
    if had:
        # Built into copier; without it each temporary render would warn of a missing answers file.
        in_project = "((_copier_conf.dst_path ~ '/.copier-answers.yml') | fileglob)"
        condition += f" and (not {in_project} or ({' and '.join(had)}))"
    return f"{{% if {condition} %}}/{path}{{% endif %}}"


def _validator(name: str, manifest: dict[str, Any]) -> str | None:
    if name not in manifest["_validators"]:
        return None
    pattern, message = manifest["_validators"][name]
    anchored = json.dumps(rf"\A(?:{pattern})\Z", ensure_ascii=True)
    text = f"{{% if not ({name} | regex_search({anchored})) %}}{message}"
    if name in manifest["_reserved"]:
        reserved, clash = manifest["_reserved"][name]
        clash = clash.replace("{value}", "{{ " + name + " }}")
        text += f"{{% elif {name} in {json.dumps(reserved)} %}}it {clash}"
    return text + "{% endif %}"


def _question(name: str, manifest: dict[str, Any]) -> dict[str, Any]:
    default, prompt = manifest[name], manifest["__prompts__"][name]
    earlier = earlier_names(name, manifest)
    if isinstance(default, list):
        labels = (
            {v: k for k, v in prompt.items() if k != "__prompt__"}
            if isinstance(prompt, dict)
            else {}
        )
        return {
            "help": prompt["__prompt__"] if isinstance(prompt, dict) else prompt,
            "type": "str",
            "choices": labels or default,
            "default": _carried(default[0], earlier),
        }
    entry = {
        "help": prompt,
        "type": "bool" if isinstance(default, bool) else "str",
        "default": _carried(_bare(default), earlier),
    }
    validator = _validator(name, manifest)
    return entry | ({"validator": validator} if validator else {})


def _carried(default: Any, earlier: list[str]) -> Any:
    """Return the default of a renamed question: the answer that its old name has, if there is one.

    Copier keeps the answers of questions that are gone in the context of the next update, so this
    needs neither a migration task nor, therefore, trust.
    """
    if not earlier:
        return default
    value = default if isinstance(default, bool) else _as_expression(default)
    for name in reversed(earlier):
        value = f"{name} | default({str(value).lower() if isinstance(value, bool) else value})"
    return f"{{{{ {value} }}}}"


# The same as `without_credentials` of hooks/post_gen_project.py.
WITHOUT_CREDENTIALS = (
    r" | regex_replace('^((?:git[+])?https?://)[^/]*@', '\\1')"
    r" | regex_replace('^((?:git[+])?[a-z][a-z0-9+.-]*://[^/:@]*):[^/]*@', '\\1@')"
)


def copier_config(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return copier.yml as a mapping."""
    owned = manifest["_ownership"]["owned"]
    config: dict[str, Any] = {
        "_min_copier_version": MIN_COPIER_VERSION,
        "_subdirectory": f"{{% raw %}}{BODY}{{% endraw %}}",
        "_templates_suffix": "",
        "_envops": {**manifest["_jinja2_env_vars"], "undefined": "jinja2.StrictUndefined"},
        "_external_data": {"last": ".copier-answers.yml"},
        # A binary that a project replaced would silently be reverted, touched or not.
        "_skip_if_exists": [
            *(f"/{path}" for path in owned),
            *manifest["_ownership"]["replaceable"],
        ],
        "_exclude": [
            *manifest["_junk"],
            ".git",
            *(_exclude_unchosen(f, p) for f, paths in manifest["_features"].items() for p in paths),
            *(_exclude_owned(path, manifest) for path in owned),
        ],
    }
    config |= {name: _question(name, manifest) for name in questions(manifest)}
    pairs = [f"{name!r}: {name}" for name in [*questions(manifest), *computed(manifest)]]
    pairs.append("'_commit': _copier_answers._commit | default('')")
    source = "(_copier_answers._src_path | default(''))" + WITHOUT_CREDENTIALS
    pairs.append(f"'_src_path': {source}")
    sets = "".join(
        f"{{% set {name} = {_as_expression(_bare(value))} %}}"
        for name, value in computed(manifest).items()
    )
    mapping = "{{ {" + ", ".join(pairs) + "} | tojson }}"
    config["cookiecutter"] = {"type": "json", "when": False, "default": sets + mapping}
    return config


def answers_template(manifest: dict[str, Any]) -> str:
    """Return the template of `.copier-answers.yml`, the same bytes from both engines."""
    lines = [
        "# Managed by Slipway: what this project was rendered from. Change it with `copier update`.",
        f"_layout: {manifest['_ownership']['layout']}",
    ]
    # `tojson` is built into both engines, but writes emoji as surrogate pairs, which YAML refuses;
    # validated text holds neither quotes nor backslashes, so plain quotes are safe.
    for key in ["_commit", "_src_path", *questions(manifest)]:
        plain = key in manifest["_validators"]
        value = (
            f'"{{{{ cookiecutter.{key} }}}}"' if plain else f"{{{{ cookiecutter.{key} | tojson }}}}"
        )
        lines.append(f"{key}: {value}")
    return "\n".join(lines) + "\n"


def ownership_table(manifest: dict[str, Any]) -> str:
    """Return the TOML that tells a project's own scripts whose each path is."""
    ownership = manifest["_ownership"]
    lines = [
        f"{MANAGED}# Whose a path is, and what may be answered. Generated from the template's manifest.",
    ]
    for name in ("owned", "merged", "replaceable"):
        lines += [f"{name} = [", *(f"  {json.dumps(path)}," for path in ownership[name]), "]"]
    lines += [
        "",
        "# What a question may be answered with; nothing stands for yes and no.",
        "[answers]",
    ]
    for name, value in questions(manifest).items():
        if not isinstance(value, str):
            lines.append(f"{name} = {json.dumps(value if isinstance(value, list) else [])}")
    lines += ["", "# Where paths of earlier releases are now.", "[moved]"]
    for old, new in moved_paths(manifest).items():
        lines.append(f"{json.dumps(old)} = {json.dumps(new)}")
    return "\n".join(lines) + "\n"


def generated(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the text of each generated file by its path."""
    body = yaml.safe_dump(copier_config(manifest), sort_keys=False, allow_unicode=True, width=10**6)
    return {
        "copier.yml": HEADER + body,
        f"{BODY}/.copier-answers.yml": answers_template(manifest),
        f"{BODY}/{OWNERSHIP_TABLE}": ownership_table(manifest),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the generated files, or with `--check` say which are stale."""
    parser = argparse.ArgumentParser(prog="scripts/sync", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file is stale"
    )
    check = parser.parse_args(arguments).check
    try:
        files = generated(load())
    except ManifestError as error:
        print(f"cookiecutter.json: {error}", file=sys.stderr)
        return 1
    stale = [
        name
        for name, text in files.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text("utf-8") != text
    ]
    for name in stale:
        if check:
            print(f"{name} is stale: run scripts/sync", file=sys.stderr)
        else:
            (ROOT / name).write_text(files[name], "utf-8", newline="\n")
            print(f"wrote {name}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
