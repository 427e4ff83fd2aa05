# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""An exception as data: type, message, frames, causes. Never the values of local variables."""

from __future__ import annotations

from traceback import walk_stack, walk_tb
from types import FrameType, TracebackType
from typing import Final

from ._plain import Rules, printed

MAX_FRAMES: Final = 30
MAX_CAUSES: Final = 4
MAX_GROUP: Final = 8
MAX_NOTES: Final = 4


def exception_data(error: BaseException, rules: Rules) -> dict[str, object]:
    """Return an exception as a bounded document.

    The chain is what Python would print: `cause` for `raise ... from`, else `context` unless it
    was suppressed. Long tracebacks keep both ends. Messages and notes go through the text rules.
    """
    return _document(error, rules, MAX_CAUSES, set())


def _document(error: BaseException, rules: Rules, causes: int, seen: set[int]) -> dict[str, object]:
    seen.add(id(error))
    kind = type(error)
    document: dict[str, object] = {
        "type": kind.__qualname__,
        "module": kind.__module__,
        "message": rules.text(printed(error, str)),
        "frames": _frames(error.__traceback__),
    }
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list) and notes:
        document["notes"] = [rules.text(str(note)) for note in notes[:MAX_NOTES]]
    if isinstance(error, BaseExceptionGroup) and causes > 0:
        members = [e for e in error.exceptions[:MAX_GROUP] if id(e) not in seen]
        document["exceptions"] = [_document(e, rules, causes - 2, seen) for e in members]
        if len(error.exceptions) > MAX_GROUP:
            document["more_exceptions"] = len(error.exceptions) - MAX_GROUP
    role, inner = "cause", error.__cause__
    if inner is None and not error.__suppress_context__:
        role, inner = "context", error.__context__
    if inner is not None and causes > 0 and id(inner) not in seen:
        document[role] = _document(inner, rules, causes - 1, seen)
    return document


def stack_data(frame: FrameType) -> list[dict[str, object]]:
    """Return the frames that led to this one, outermost first."""
    found = [_frame(caller, line) for caller, line in walk_stack(frame)]
    return found[MAX_FRAMES - 1 :: -1]


def _frame(frame: FrameType, line: int) -> dict[str, object]:
    code = frame.f_code
    return {"file": code.co_filename, "line": line, "function": code.co_qualname}


def _frames(traceback: TracebackType | None) -> list[dict[str, object]]:
    found = [_frame(frame, line) for frame, line in walk_tb(traceback)]
    if len(found) <= MAX_FRAMES:
        return found
    left_out = len(found) - MAX_FRAMES
    ends = MAX_FRAMES // 2
    return [*found[:ends], {"left_out": left_out}, *found[-ends:]]
