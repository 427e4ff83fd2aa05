"""Write a report in one of its formats."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from .model import Report

FORMATS = {
    "json": "plain",
    "sarif": "sarif",
    "junit": "junit",
    "github": "annotations",
    "markdown": "markdown",
    "html": "html",
}
"""Each format and the module that writes it; `table` is for a terminal and printed by itself."""


def render(report: Report, form: str) -> str:
    """Return a report as text in one of `FORMATS`."""
    write: Callable[[Report], str] = importlib.import_module(f".{FORMATS[form]}", __package__).write
    return write(report)
