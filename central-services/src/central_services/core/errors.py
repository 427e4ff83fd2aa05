# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Every HTTP error is a problem document (RFC 9457), whoever raised it.

A domain's errors extend `ServiceError` beside the code that raises them, and carry their status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar, cast

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ..clients.errors import HttpClientError
from ..utils.context import request_id

PROBLEM_JSON = "application/problem+json"
_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_WITHOUT_BODY = frozenset({*range(100, 200), 204, 205, 304})


class ServiceError(Exception):
    """Base of the errors that a caller is told about.

    Attributes:
        status: HTTP status code.
        title: Short and the same for every error of the class.
        type: URI that names the kind of problem; `about:blank` means the status says it all.
        detail: What happened this time; shown to the caller, so never an internal.
        headers: Response headers to add, such as `Retry-After`.
        extensions: More members of the problem document.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal Server Error"
    type: ClassVar[str] = "about:blank"

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: object,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = dict(headers or {})
        self.extensions = extensions


class NotFoundError(ServiceError):
    """The thing asked for does not exist, or the caller may not know that it does."""

    status = 404
    title = "Not Found"


class ConflictError(ServiceError):
    """The request contradicts the present state."""

    status = 409
    title = "Conflict"


def problem_body(
    status: int,
    *,
    title: str | None = None,
    detail: str | None = None,
    type_: str = "about:blank",
    extensions: Mapping[str, object] | None = None,
) -> bytes:
    """Return a problem document (RFC 9457 section 3) as UTF-8 JSON.

    The id of the request goes in, so that a user's report can be found in the logs.
    """
    document: dict[str, object] = {
        "type": type_,
        "title": title or _PHRASES.get(status, "Error"),
        "status": status,
    }
    if detail:
        document["detail"] = detail
    current = request_id()
    if current:
        document["request_id"] = current
    document.update(extensions or {})
    return orjson.dumps(document, default=str)


def problem_response(
    status: int,
    *,
    title: str | None = None,
    detail: str | None = None,
    type_: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, object] | None = None,
) -> Response:
    """Return a response that holds a problem document; see `problem_body`."""
    body = problem_body(status, title=title, detail=detail, type_=type_, extensions=extensions)
    return Response(body, status, headers=dict(headers or {}), media_type=PROBLEM_JSON)


def _pointer(location: Sequence[int | str]) -> str:
    """Return a JSON pointer (RFC 6901) for where a validation error is; `#/query/limit`."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "#/" + "/".join(parts)


async def _on_service_error(_request: Request, error: Exception) -> Response:
    known = cast("ServiceError", error)
    body = problem_body(
        known.status,
        title=known.title,
        detail=known.detail,
        type_=known.type,
        extensions=known.extensions,
    )
    return Response(body, known.status, headers=known.headers, media_type=PROBLEM_JSON)


async def _on_upstream_error(_request: Request, error: Exception) -> Response:
    # Which host failed, and how, is in the log line that the client wrote; not for the caller.
    known = cast("HttpClientError", error)
    body = problem_body(known.status, title=known.title)
    return Response(body, known.status, media_type=PROBLEM_JSON)


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    known = cast("HTTPException", error)
    status = known.status_code
    if status in _WITHOUT_BODY:
        return Response(status_code=status, headers=known.headers)
    # Starlette's default detail says no more than the title does.
    said = isinstance(known.detail, str) and known.detail != _PHRASES.get(status)
    detail = known.detail if said else None
    return problem_response(status, detail=detail, headers=known.headers)


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    known = cast("RequestValidationError", error)
    # What the caller sent is not repeated: it can be a secret, or somebody else's markup.
    errors = [{"pointer": _pointer(e["loc"]), "detail": e["msg"]} for e in known.errors()]
    return problem_response(422, detail="The request is not valid.", extensions={"errors": errors})


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error that reaches FastAPI with a problem document.

    What nobody expected (a bare exception) is answered by the outermost middleware, which logs it
    and tells the caller no more than its request id.
    """
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(HttpClientError, _on_upstream_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
