"""Generate what copier and `scripts/update` read from the one manifest, cookiecutter.json.

Writes `copier.yml`, the template of `.copier-answers.yml` and the table of ownership that travels with
each project; with `--check` writes nothing and exits 1 when one is stale. Why each line is as it is: docs/explanation/decisions/0002-one-tree-two-engines.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

import yaml
from manifest_model import (
    ROOT,
    ManifestError,
    computed,
    earlier_names,
    load,
    moved_paths,
    questions,
    terms,
)

BODY = "{{cookiecutter.project_slug}}"
# 9.15 accepts an undefined type by name (cookiecutter is always strict), 9.18 entries of several lines.
MIN_COPIER_VERSION = "9.18.0"
OWNERSHIP_TABLE = "scripts/updating/ownership.toml"
MANAGED = (
    "# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.\n"
)
HEADER = "# Generated from cookiecutter.json by scripts/sync: change that file, not this one.\n"


def _bare(template: Any) -> Any:
    """Return a template without the `cookiecutter.` prefix, for use before that answer exists."""
    return re.sub(r"\bcookiecutter\.", "", template) if isinstance(template, str) else template


def _as_expression(template: str) -> str:
    """Turn the text of a template into one Jinja expression: `{{ a }}_x` becomes `((a) ~ '_x')`."""
    parts = [part for part in re.split(r"(\{\{.*?\}\})", template) if part]
    joined = " ~ ".join(f"({p[2:-2].strip()})" if p.startswith("{{") else repr(p) for p in parts)
    return f"({joined})"


def _unchosen(feature: str) -> str:
    """Return when the paths of a feature are left out: it is switched off.

    `is defined`: on update copier renders the new template's excludes with the old answers
    (copier#2482), so a question the old template lacked has to mean "keep".
    """
    asked = [(f"cookiecutter.{question}", value) for question, value in terms(feature)]
    defined = " and ".join(f"{name} is defined" for name, _ in asked)
    chosen = " and ".join(f"{name} == '{value}'" if value else name for name, value in asked)
    return f"{defined} and not ({chosen})"


def _feature_of(path: str, manifest: dict[str, Any]) -> str | None:
    features: dict[str, list[str]] = manifest["_features"]
    for feature, paths in features.items():
        if any(path == p or path.startswith(f"{p}/") for p in paths):
            return feature
    return None


def _deletable(path: str, manifest: dict[str, Any]) -> str:
    """Return when an owned path is left out, so that one which was deleted does not come back.

    On every update, in the project itself (which has an answers file) and in copier's two temporary
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
    return f"{condition} and (not in_project or ({' and '.join(had)}))" if had else condition


# Built into copier; without it each temporary render would warn of a missing answers file.
IN_PROJECT = "{% set in_project = (_copier_conf.dst_path ~ '/.copier-answers.yml') | fileglob %}"


def _excluded(manifest: dict[str, Any]) -> str:
    """Return the paths that a project does not get, one a line, below the condition for it.

    It is one entry of `_exclude`: copier compiles and renders each entry four times an update.
    """
    below: dict[str, list[str]] = {}
    for feature, paths in manifest["_features"].items():
        below.setdefault(_unchosen(feature), []).extend(paths)
    for path in manifest["_ownership"]["owned"]:
        below.setdefault(_deletable(path, manifest), []).append(path)
    lines = [IN_PROJECT]
    for condition, paths in below.items():
        lines += [f"{{% if {condition} %}}", *(f"/{path}" for path in paths), "{% endif %}"]
    return "\n".join(lines) + "\n"


def _condition(term: str) -> str:
    """Return the Jinja test for an answer, among copier's own names."""
    ((question, value),) = terms(term)
    return f"{question} == '{value}'" if value else question


def _required(name: str, manifest: dict[str, Any]) -> str | None:
    """Return the validator that refuses an answer without what it needs."""
    rules = [
        f"{{% if ({_condition(wanted)}) and not ({_condition(needed)}) %}}{message}{{% endif %}}"
        for wanted, (needed, message) in manifest["_requires"].items()
        if terms(wanted)[0][0] == name
    ]
    return "".join(rules) or None


def _validator(name: str, manifest: dict[str, Any]) -> str | None:
    if name not in manifest["_validators"]:
        return _required(name, manifest)
    pattern, message = manifest["_validators"][name]
    anchored = json.dumps(rf"\A(?:{pattern})\Z", ensure_ascii=True)
    text = f"{{% if not ({name} | regex_search({anchored})) %}}{message}"
    if name in manifest["_reserved"]:
        reserved, clash = manifest["_reserved"][name]
        clash = clash.replace("{value}", "{{ " + name + " }}")
        # One word to compile in place of a list of hundreds.
        text += f"{{% elif {name} in '{' '.join(reserved)}'.split() %}}it {clash}"
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
        choice = {
            "help": prompt["__prompt__"] if isinstance(prompt, dict) else prompt,
            "type": "str",
            "choices": labels or default,
            "default": _carried(default[0], earlier),
        }
        condition = manifest["_asked_when"].get(name)
        asked = {"when": f"{{{{ {condition} }}}}"} if condition else {}
        return choice | asked | _with_validator(name, manifest)
    entry = {
        "help": prompt,
        "type": "bool" if isinstance(default, bool) else "str",
        "default": _carried(_bare(default), earlier),
    }
    return entry | _with_validator(name, manifest)


def _with_validator(name: str, manifest: dict[str, Any]) -> dict[str, str]:
    validator = _validator(name, manifest)
    return {"validator": validator} if validator else {}


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
            _excluded(manifest),
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
        condition = manifest["_asked_when"].get(key)
        given = f"cookiecutter.{key}"
        if condition:  # cookiecutter asks all the same; what is not asked has its default
            given = f"({given} if cookiecutter.{condition} else {manifest[key][0]!r})"
        value = f'"{{{{ {given} }}}}"' if plain else f"{{{{ {given} | tojson }}}}"
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


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as it is."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_block)


def generated(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the text of each generated file by its path."""
    config = copier_config(manifest)
    body = yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
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
