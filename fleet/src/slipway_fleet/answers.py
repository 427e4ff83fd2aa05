"""What a project records about the template it came from: copier's answers file, or cruft's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from .errors import NotRecordedError, ProjectError

ANSWERS_FILE = ".copier-answers.yml"
CRUFT_FILE = ".cruft.json"
MAX_ANSWERS_BYTES = 65_536

Answer = str | bool | int | float | None
Answers = Mapping[str, Answer]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Origin:
    """Which template a project says it came from. It is a claim: only templates of fleet.toml are used.

    Attributes:
        url: As recorded.
        commit: A tag, what `git describe` prints, or a hash.
        layout: The version of the template's ownership map.
    """

    url: str
    commit: str
    layout: int = 1


def parse_answers(text: Callable[[str], str | None]) -> tuple[Origin, Answers]:
    """Read the record of a project.

    Args:
        text: Returns the text of a file, or None.

    Raises:
        NotRecordedError: There is no record, or it names no release.
        ProjectError: It cannot be understood.
    """
    recorded = text(ANSWERS_FILE)
    if recorded is not None:
        return _checked(_load_yaml(recorded), ANSWERS_FILE)
    cruft = text(CRUFT_FILE)
    if cruft is not None:
        return _checked(_load_cruft(cruft), CRUFT_FILE)
    raise NotRecordedError(
        f"it has no {ANSWERS_FILE}, so the template it came from is unknown: run `fleet adopt`"
    )


def normalised_url(url: str) -> str:
    """Return one spelling for the many of a repository's address, without anybody's name or token."""
    url = re.sub(r"^git\+", "", url.strip())
    url = re.sub(r"^gh:", "https://github.com/", url)
    url = re.sub(r"^gl:", "https://gitlab.com/", url)
    url = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", url)
    url = re.sub(r"^(https?://)[^/@]*@", r"\1", url)
    url = re.sub(r"^http://", "https://", url)
    url = re.sub(r"^file://", "", url)
    return re.sub(r"(?:\.git)?/*$", "", url)


def _load_yaml(text: str) -> object:
    if len(text) > MAX_ANSWERS_BYTES:
        raise ProjectError(f"{ANSWERS_FILE} is longer than {MAX_ANSWERS_BYTES} characters")
    try:
        return yaml.load(text, _Loader)  # a safe loader: plain data only
    except (yaml.YAMLError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise ProjectError(f"{ANSWERS_FILE} is not valid YAML{line}") from error


def _load_cruft(text: str) -> object:
    if len(text) > 16 * MAX_ANSWERS_BYTES:
        raise ProjectError(f"{CRUFT_FILE} is too long")
    try:
        data = json.loads(text)
        context = data["context"]["cookiecutter"]
        answers = {k: v for k, v in context.items() if not k.startswith("_")}
        return answers | {"_src_path": data["template"], "_commit": data["commit"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProjectError(f"{CRUFT_FILE} is not what cruft writes") from error


def _checked(data: object, name: str) -> tuple[Origin, Answers]:
    if not isinstance(data, dict):
        raise ProjectError(f"{name} is not a mapping of questions to answers")
    for key, value in data.items():
        if not isinstance(key, str) or not isinstance(value, str | bool | int | float | None):
            raise ProjectError(f"{name}: the answer of {str(key)[:60]!r} is not a plain value")
    url, commit = data.get("_src_path"), data.get("_commit")
    if not isinstance(url, str) or not url or commit in (None, ""):
        raise NotRecordedError(f"{name} has no _src_path or no _commit: run `fleet adopt`")
    layout = data.get("_layout", 1)
    if type(layout) is not int:
        raise ProjectError(f"{name}: _layout is not a number")
    answers = {key: value for key, value in data.items() if not key.startswith("_")}
    return Origin(url, str(commit), layout), answers
