# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What the project was rendered from: .copier-answers.yml, of which each line is `key: value`."""

from __future__ import annotations

import json
from pathlib import Path

from .errors import UpdateError
from .ownership import Ownership

FILE = ".copier-answers.yml"
Answer = str | bool


def read(project: Path) -> dict[str, Answer]:
    """Return the answers and the origin.

    Raises:
        UpdateError: When the file or the origin is missing; says what to add.
    """
    path = project / FILE
    if not path.is_file():
        message = (
            f"{FILE} is missing, so nobody knows what this project was made from: render a project with "
            f"the same answers, copy its {FILE} here and commit it"
        )
        raise UpdateError(message)
    found = {}
    for line in path.read_text("utf-8").splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith(("#", " ")):
            found[key] = _value(value.strip())
    if not found.get("_commit"):
        message = (
            f"{FILE} does not say which release this project was made from: add it, as in "
            '`_commit: "v1.0.0"`, and commit'
        )
        raise UpdateError(message)
    if not found.get("_src_path"):
        message = (
            f"{FILE} does not say where the template is: add it, as in "
            '`_src_path: "https://example.com/template.git"`, and commit'
        )
        raise UpdateError(message)
    return found


def _value(text: str) -> Answer:
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip("'")
    return value if isinstance(value, str | bool) else text


def question_of(name: str, ownership: Ownership) -> str:
    """Return the question that a feature's short or full name means.

    Raises:
        UpdateError: When there is none; names them all.
    """
    plain = name.replace("-", "_")
    switches = [question for question, choices in ownership.answers.items() if not choices]
    for question in switches:
        if plain in {question, question.partition("_")[2]}:
            return question
    known = ", ".join(sorted(question.partition("_")[2] for question in switches))
    message = f"there is no feature {name!r} in this release; there are {known}"
    raise UpdateError(message)


def changed_answers(
    on: list[str], off: list[str], given: list[str], ownership: Ownership
) -> dict[str, Answer]:
    """Return the answers that the command line changes.

    Raises:
        UpdateError: When one names no question, or no answer of it.
    """
    changes: dict[str, Answer] = {}
    for names, value in ((on, True), (off, False)):
        for name in names:
            question = question_of(name, ownership)
            if changes.get(question, value) is not value:
                message = f"{name} can't be switched on and off at once"
                raise UpdateError(message)
            changes[question] = value
    for assignment in given:
        question, _, answer = assignment.partition("=")
        choices = ownership.answers.get(question, [])
        if choices and answer not in choices:
            message = f"{question} is one of {', '.join(choices)}"
            raise UpdateError(message)
        if not choices:
            message = f"--set takes QUESTION=ANSWER with one of {_choices(ownership)}"
            raise UpdateError(message)
        changes[question] = answer
    return changes


def _choices(ownership: Ownership) -> str:
    return ", ".join(question for question, choices in ownership.answers.items() if choices)


def as_data(value: Answer) -> str:
    """Return an answer as copier's command line takes it."""
    return json.dumps(value) if isinstance(value, bool) else value
