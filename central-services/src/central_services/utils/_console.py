# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Log lines for people: structlog's console columns, without rich and without surprises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import cast

from ._lazy_pattern import LazyPattern
from ._structlog import structlog

# All that a terminal obeys or takes for the end of a line: the C0 and C1 controls, the line and
# paragraph separators, and the marks that turn text around (CVE-2021-42574).
_CONTROL = LazyPattern("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NEEDS_QUOTES = LazyPattern(r"[\s='\"]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def escape(text: str) -> str:
    """Return text in which nothing moves the cursor, ends the line or changes colours."""
    return _CONTROL.compiled.sub(_escape, text)


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return escape(repr(value))
    if not value or _NEEDS_QUOTES.compiled.search(value):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escape(quoted)}"'
    return escape(value)


def _plainly(value: object) -> str:
    return escape(str(value))


def console_renderer(*, colors: bool) -> Callable[[dict[str, object]], bytes]:
    """Return what makes a line of a document: columns, key-values, then the exception."""
    dev = structlog.dev
    styles = dev.ConsoleRenderer.get_default_column_styles(colors)
    levels = dev.ConsoleRenderer.get_default_level_styles(colors)
    reset = styles.reset

    def column(style: str, width: int = 0) -> structlog.dev.KeyValueColumnFormatter:
        return dev.KeyValueColumnFormatter(None, style, reset, _plainly, width)

    default = dev.KeyValueColumnFormatter(styles.kv_key, styles.kv_value, reset, _shown)
    renderer = dev.ConsoleRenderer(
        sort_keys=False,
        columns=[
            dev.Column("timestamp", column(styles.timestamp)),
            dev.Column("level", dev.LogLevelColumnFormatter(levels, reset)),
            dev.Column("event", column(styles.bright, 30)),
            dev.Column("logger", column(styles.logger_name)),
            dev.Column("", default),
        ],
    )

    def render(document: dict[str, object]) -> bytes:
        shown = {escape(key): value for key, value in document.items()}
        error, stack = shown.pop("exception", None), shown.pop("stack", None)
        lines = [renderer(None, "", shown)]
        if isinstance(stack, list):
            lines += ["Stack:", *map(_frame_line, stack)]
        if isinstance(error, dict):
            lines += _exception_lines(error)
        return ("\n".join(lines) + "\n").encode("utf-8", "replace")

    return render


def _frame_line(frame: Mapping[str, object] | str) -> str:
    if isinstance(frame, str):
        return escape(frame)
    if "left_out" in frame:
        return f"  ... {frame['left_out']} frames"
    return escape(f'  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}')


def _exception_lines(error: Mapping[str, object], indent: str = "") -> list[str]:
    lines: list[str] = []
    for role, words in (("cause", "caused"), ("context", "was being handled when this happened:")):
        inner = error.get(role)
        if isinstance(inner, dict):
            lines += [*_exception_lines(inner, indent), f"{indent}-- which {words}"]
    frames = cast("list[Mapping[str, object]]", error.get("frames") or [])
    lines += [indent + _frame_line(frame) for frame in frames]
    lines.append(f"{indent}{escape(_title(error))}")
    for note in cast("list[str]", error.get("notes") or []):
        lines.append(f"{indent}  {escape(note)}")
    for member in cast("list[Mapping[str, object]]", error.get("exceptions") or []):
        lines += _exception_lines(member, indent + "  | ")
    return lines


def _title(error: Mapping[str, object]) -> str:
    module = error["module"]
    name = error["type"] if module in {"builtins", "__main__"} else f"{module}.{error['type']}"
    return f"{name}: {error['message']}" if error["message"] else f"{name}"
