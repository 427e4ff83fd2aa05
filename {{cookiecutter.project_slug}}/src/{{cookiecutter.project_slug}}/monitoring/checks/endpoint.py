# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""An HTTP endpoint, and what it is expected to answer."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue

from ...clients.errors import BlockedAddressError, HttpClientError, InvalidUrlError
from ..errors import PermanentCheckError
from .base import CheckContext, CheckParameters, CheckResult


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _web_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", text):
        raise ValueError("write http:// or https://, a host, and no user name")
    return text


WebUrl = Annotated[str, AfterValidator(_web_url)]


class EndpointParameters(CheckParameters):
    """What to call, and what to expect."""

    url: WebUrl = Field(max_length=2000)
    method: Literal["GET", "HEAD"] = "GET"
    status: tuple[int, ...] = (200,)
    contains: str = Field(default="", max_length=500, description="Text that the body must hold.")
    pattern: Annotated[str, AfterValidator(_pattern)] = Field(
        default="", max_length=500, description="Regular expression that the body must match."
    )
    json_equals: dict[str, JsonValue] = Field(
        default_factory=dict,
        description='Values in a JSON body by path: {"checks.database": true}.',
    )
    max_ms: float | None = Field(default=None, gt=0, description="Slowest answer that is fine.")
    secret: str = Field(default="", description="Name of a secret, sent as a bearer token.")


class EndpointCheck:
    """Calls an endpoint; one that is down, slow or wrong is a result, not an error."""

    kind: ClassVar[str] = "http_endpoint"
    title: ClassVar[str] = "HTTP endpoint"
    parameters: ClassVar[type[EndpointParameters]] = EndpointParameters

    async def run(self, parameters: EndpointParameters, context: CheckContext) -> CheckResult:
        """Call it once more than the HTTP client's own retries would."""
        headers = {}
        if parameters.secret:
            headers["authorization"] = f"Bearer {context.secret(parameters.secret)}"
        started = time.perf_counter()
        try:
            response = await context.http.request(
                parameters.method, parameters.url, headers=headers, max_response_bytes=1_048_576
            )
        except (BlockedAddressError, InvalidUrlError) as error:
            raise PermanentCheckError(str(error)) from error
        except HttpClientError as error:
            reason = type(error).__name__.removesuffix("Error")
            return CheckResult(
                ok=False,
                summary=f"no answer: {error.reason}"[:300],
                facts={"problems": [f"no answer: {reason}"]},
            )
        took_ms = (time.perf_counter() - started) * 1000
        problems = list(self._problems(parameters, response.status_code, response.text))
        if parameters.max_ms is not None and took_ms > parameters.max_ms:
            problems.append(f"slower than {parameters.max_ms:g} ms")
        summary = "; ".join(problems) or f"answered {response.status_code} in {took_ms:.0f} ms"
        return CheckResult(ok=not problems, summary=summary, facts={"problems": [*problems]})

    @staticmethod
    def _problems(
        parameters: EndpointParameters, status: int, body: str
    ) -> Any:  # strings, one by one  # noqa: ANN401  # any JSON
        if status not in parameters.status:
            wanted = " or ".join(map(str, parameters.status))
            yield f"answered {status} instead of {wanted}"
        if parameters.contains and parameters.contains not in body:
            yield "the expected text is missing"
        # 64 KiB: a pattern that backtracks must not keep the process busy with a large page.
        if parameters.pattern and not re.search(parameters.pattern, body[:65_536]):
            yield "the expected pattern is missing"
        if parameters.json_equals:
            yield from _json_problems(parameters.json_equals, body)


def _json_problems(expected: dict[str, JsonValue], body: str) -> Any:  # as above  # noqa: ANN401  # any JSON
    import orjson  # few checks read JSON  # noqa: PLC0415  # few checks read JSON

    try:
        whole: Any = orjson.loads(body)
    except ValueError:
        yield "the body is not JSON"
        return
    for path, value in sorted(expected.items()):
        found = whole
        for name in path.split("."):
            if isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                yield f"{path} is missing"
                break
        else:
            if found != value:
                yield f"{path} is not {value!r}"
