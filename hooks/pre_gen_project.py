"""Refuse answers that would render a broken project, and a folder that already holds something.

Cookiecutter runs this before it writes; copier applies the same rules as validators, generated from
the same `_validators` and `_reserved` of cookiecutter.json. Standard library only.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

CONTEXT = json.loads(r"""{{ cookiecutter | tojson }}""")


def problems(context: dict[str, Any]) -> Iterator[str]:
    """Yield one sentence for each answer that breaks its rule, saying what to type instead."""
    for name, (pattern, message) in context["_validators"].items():
        value = context[name]
        reserved, clash = context["_reserved"].get(name, ([], ""))
        if not re.fullmatch(pattern, value):
            yield f"{name} is {json.dumps(value, ensure_ascii=False)}: {message}."
        elif value in reserved:
            yield f"{name} is {json.dumps(value)}: it {clash.replace('{value}', value)}."
    for wanted, (needed, message) in context["_requires"].items():
        if is_answered(wanted, context) and not is_answered(needed, context):
            yield f"{wanted}: {message}."


def is_answered(term: str, context: dict[str, Any]) -> bool:
    """Tell whether an answer was given: `question` for a yes, or `question=value`."""
    question, _, value = term.partition("=")
    return str(context[question]) == (value or "True")


def refuse(lines: list[str]) -> NoReturn:
    """Stop with the sentences last on the screen.

    Cookiecutter prints a traceback of its own after a hook that fails, which would hide them, so
    they go to the terminal framed and cookiecutter's own log lines stay short.
    """
    frame = "=" * 72
    print(
        "\n".join(
            ["", frame, "Nothing was generated:", *(f"  - {line}" for line in lines), frame, ""]
        ),
        file=sys.stderr,
        flush=True,
    )
    sys.exit(1)


if __name__ == "__main__":
    if any(Path.cwd().iterdir()):
        # post_gen deletes what was not chosen; with `cookiecutter -f` that could be somebody's work.
        refuse(
            [
                f"{Path.cwd().name}/ is not empty. Choose another name or folder; to bring an existing project up to date run `copier update` in it."
            ]
        )
    found = list(problems(CONTEXT))
    if found:
        refuse(found)
