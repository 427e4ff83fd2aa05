# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How errors look in the API description; FastAPI's own 422 schema is not what a service sends."""

from __future__ import annotations

import inspect
from http import HTTPStatus
from typing import Any

from ..core.errors import PROBLEM_JSON, ServiceError

_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "A problem document (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Names the kind of problem; about:blank means that the status does.",
        },
        "title": {"type": "string", "description": "The same for every problem of its kind."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What happened this time."},
        "request_id": {"type": "string", "description": "Finds this request in the logs."},
        "errors": {
            "type": "array",
            "description": "What is not valid in the request.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "Where: a JSON pointer."},
                    "detail": {"type": "string", "description": "What is wrong there."},
                },
            },
        },
    },
}
_DEFAULT = {
    "description": "Any other error.",
    "content": {PROBLEM_JSON: {"schema": _SCHEMA}},
}


def problem_responses(*errors: type[ServiceError] | int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of an endpoint or a router, for its `responses=`.

    Args:
        errors: Error classes, described by their docstring, or plain status codes. Classes of one
            status share its entry, with an example each.

    Returns:
        One response per status, and `default` for whatever else answers in the service's place.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = error if isinstance(error, int) else error.status
        name, title, kind, text = _describe(error)
        example = {"type": kind, "title": title, "status": status}
        response = responses.setdefault(
            status, {"description": "", "content": {PROBLEM_JSON: {"schema": _SCHEMA}}}
        )
        response["description"] = f"{response['description']} {text}".strip()
        examples = response["content"][PROBLEM_JSON].setdefault("examples", {})
        examples[name] = {"summary": text, "value": example}
    return {**responses, "default": _DEFAULT}


def _describe(error: type[ServiceError] | int) -> tuple[str, str, str, str]:
    """Return the name, title, type and first line of documentation of an error."""
    if isinstance(error, int):
        phrase = HTTPStatus(error).phrase
        text = _TEXTS.get(error, f"{phrase}.")
        return phrase.lower().replace(" ", "-"), phrase, "about:blank", text
    text = (inspect.getdoc(error) or error.title).partition("\n")[0]
    return error.__name__.removesuffix("Error"), error.title, error.type, text


_TEXTS = {
    400: "The body can't be read.",
    422: "The request is not valid; `errors` says where.",
}
