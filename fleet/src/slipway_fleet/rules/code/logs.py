"""Checks of what is written to logs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ..python_code import Module, constant, is_fstring, mentions
from .base import ModuleCheck

LEVELS = ("debug", "info", "warning", "error", "critical", "exception", "msg")
SECRET_WORDS = (
    "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key",
    "credential", "credentials", "authorization", "cookie", "access_key", "signing_key",
)  # fmt: skip
_EVENT = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def log_calls(module: Module) -> Iterator[ast.Call]:
    """Yield calls of a logger's methods: of what is named log or logger, or of get_logger()."""
    for name, call in module.calls:
        owner, _, method = name.rpartition(".")
        last = owner.rpartition(".")[2].lower().strip("_")
        if method in LEVELS and (last in {"log", "logger"} or last.endswith("get_logger()")):
            yield call


class BuiltLogMessages(ModuleCheck):
    """An event with values in its name can not be counted, searched or redacted."""

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield events that are built, or that are sentences."""
        for call in log_calls(module):
            event = call.args[0] if call.args else None
            text = constant(event)
            if event is not None and is_fstring(event):
                yield call.lineno, "The name of a log event is put together from values."
            elif isinstance(text, str) and not _EVENT.fullmatch(text):
                yield call.lineno, f"The log event {text[:40]!r} is not a snake_case name."


class LoggedSecrets(ModuleCheck):
    """What is never given to a logger can not leak from it; redaction is the second line."""

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield log calls that are given a secret by its name."""
        for call in log_calls(module):
            for given in [*call.args, *(k.value for k in call.keywords)]:
                name = module.name(given).rpartition(".")[2]
                if "get_secret_value()" in module.name(given) or (
                    name and not name.endswith("()") and mentions(name, SECRET_WORDS)
                ):
                    yield call.lineno, f"`{name}` is given to a logger."
