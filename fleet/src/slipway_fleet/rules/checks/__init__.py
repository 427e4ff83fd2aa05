"""The types of check that a rule file can name."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from ..errors import RuleFileError
from ..model import Check
from ..options import Options

Builder = Callable[[Options], Check]

BUILDERS = {
    "exists": "files:exists",
    "absent": "files:absent",
    "managed": "files:managed",
    "regex": "files:regex",
    "lines": "files:lines",
    "toml": "documents:toml",
    "yaml": "documents:yaml",
    "json-schema": "documents:json_schema",
    "dependency": "dependencies:dependency",
    "action-pinned": "workflows:action_pinned",
    "ci-command": "workflows:ci_command",
    "dockerfile": "containers:dockerfile",
    "deployed-setting": "deployed:deployed_setting",
    "python-calls": "code:python_calls",
    "python-imports": "code:python_imports",
    "python": "plugins:plugin",
}
"""Where the function is that makes a check of a type; imported when a rule names it."""


def build(place: str, check: object) -> tuple[str, Check]:
    """Return the type and the check that a rule file describes.

    Raises:
        RuleFileError: When it is described wrongly.
    """
    if not isinstance(check, dict) or "type" not in check:
        raise RuleFileError(place, "`check` must be a mapping with a `type`")
    kind = str(check["type"])
    if kind not in BUILDERS:
        raise RuleFileError(place, f"there is no type {kind}; use one of {', '.join(BUILDERS)}")
    module, _, name = BUILDERS[kind].partition(":")
    builder: Builder = getattr(importlib.import_module(f".{module}", __name__), name)
    options = Options(place, {key: value for key, value in check.items() if key != "type"})
    made = builder(options)
    options.done()
    return kind, made
