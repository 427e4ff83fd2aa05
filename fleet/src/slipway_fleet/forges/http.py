"""Calls to a forge: one origin, patient with rate limits, and the token in one header only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from ..errors import ForgeError

ATTEMPTS = 6
LONGEST_WAIT_S = 3600.0
MAX_BODY_BYTES = 20_000_000


class ForgeClient:
    """Asks one forge.

    It waits as long as the forge says when a rate limit is reached (429, or 403 with nothing left
    or a Retry-After), and retries a failing connection or a 5xx with growing waits. A POST is only
    retried when the forge says that it was refused for its rate.
    """

    def __init__(
        self,
        api: str,
        headers: Mapping[str, str],
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take the address of the API and the headers of every call; clock and sleep for tests."""
        self._api = api.rstrip("/") + "/"
        self._sleep, self._now = sleep, now
        self._client = httpx2.Client(
            headers={"user-agent": "slipway-fleet", **headers},
            timeout=httpx2.Timeout(30.0),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get_pages(self, path: str, **query: str | int) -> list[Any]:
        """Return the items of every page of a list, following the `Link` header (RFC 8288)."""
        items: list[Any] = []
        answer = self.call("GET", path, query=query)
        while True:
            page = answer.json()
            if not isinstance(page, list):
                raise ForgeError(f"{self._api}{path} did not answer with a list")
            items += page
            following = answer.links.get("next", {}).get("url")
            if not following:
                return items
            url = urljoin(str(answer.url), following)
            if _origin(url) != _origin(self._api):
                raise ForgeError(f"the next page of {path} is on another host; it is not followed")
            answer = self.call("GET", url)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """Return the answer of a call that succeeded.

        Raises:
            ForgeError: The forge refuses, does not answer, or wants a wait of more than an hour.
        """
        url = path if "://" in path else self._api + path.lstrip("/")
        problem = ""
        for attempt in range(ATTEMPTS):
            try:
                answer = self._client.request(method, url, params=query or None, json=body)
            except httpx2.HTTPError as error:
                problem = f"{type(error).__name__}"
                if method != "GET":
                    break
                self._sleep(float(2**attempt))
                continue
            if answer.status_code < 300:
                return answer
            problem = f"{answer.status_code}{_reason(answer)}"
            wait = self._wait(answer, attempt, idempotent=method == "GET")
            if wait is None:
                break
            if wait > LONGEST_WAIT_S:
                raise ForgeError(f"{_origin(url)} limits requests for {wait:.0f} s: run again then")
            self._sleep(wait)
        raise ForgeError(f"{method} {_without_query(url)}: {problem}")

    def _wait(self, answer: httpx2.Response, attempt: int, *, idempotent: bool) -> float | None:
        """Return the seconds to wait before another attempt; None when another cannot help."""
        limited = answer.status_code == 429 or (
            answer.status_code == 403
            and (
                "retry-after" in answer.headers
                or answer.headers.get("x-ratelimit-remaining") == "0"
            )
        )
        if limited:
            return self._asked_wait(answer, attempt)
        if idempotent and answer.status_code >= 500:
            return float(2**attempt)
        return None

    def _asked_wait(self, answer: httpx2.Response, attempt: int) -> float:
        after = answer.headers.get("retry-after", "")
        if after.isdigit():
            return float(after)
        try:
            return max(0.0, parsedate_to_datetime(after).timestamp() - self._now())
        except ValueError:
            pass
        for name in ("x-ratelimit-reset", "ratelimit-reset"):
            reset = answer.headers.get(name, "")
            if reset.isdigit():
                return max(1.0, int(reset) - self._now())
        return float(min(60 * 2**attempt, 900))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _reason(answer: httpx2.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    said = body.get("message") if isinstance(body, dict) else None
    more = body.get("errors") if isinstance(body, dict) else None
    return f" {str(said or '')[:200]}{f' {more}'[:200] if more else ''}".rstrip()
