"""What callers of the auth service wait: for tokens of their own, and behind the logins of others.

The service is a process of its own, one worker on SQLite; requests are sent at fixed times, and each waits from
the moment when it was due, so that a slow answer is counted in those that it holds up.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, Any

import httpx2
from rows import Row
from services import ROOT, BenchmarkError

if TYPE_CHECKING:
    from auth_process import AuthService

TOKENS_PER_S, TOKEN_MS = 100, 25.0
LOGINS_PER_S, LAG_MS = 20, 10.0
AUDIENCE = "urn:slipway:acme-orders"
HOUSE = {
    "id": "house",
    "name": "House",
    "auth_method": "none",
    "redirect_uris": ["https://shop.example.com/callback"],
    "skip_consent": True,
}


def rows(seconds: int) -> list[Row]:
    """Return what a while of each load finds.

    Args:
        seconds: How long each one lasts.

    Raises:
        BenchmarkError: When a request is refused.
    """
    sys.path.append(str(ROOT / "tests"))  # whose process of the service this is
    from auth_process import AuthService  # noqa: PLC0415  # found only now

    more = {"FIRST_PARTY_CLIENT": "house", "ATTEMPTS_PER_MINUTE": "100000"}
    auth = AuthService(AUDIENCE, clients=[HOUSE], jwks_max_age_s=None, **more)
    try:
        asyncio.run(_tokens(auth, 1))  # the first requests find nothing in memory
        tokens = asyncio.run(_tokens(auth, seconds))
        lag, logins = _lag_under_logins(auth, seconds)
    finally:
        auth.stop()
    bars = f"at most {TOKEN_MS:.0f}", f"at most {LAG_MS:.0f}"
    return [
        Row("client credentials at 100/s, p99", 1_000 * _p99(tokens), "ms", TOKEN_MS, bars[0]),
        Row("event loop lag under 20 logins/s, p99", 1_000 * _p99(lag), "ms", LAG_MS, bars[1]),
        Row("login at 20/s, p99, argon2 included", 1_000 * _p99(logins), "ms"),
    ]


async def _tokens(auth: AuthService, seconds: float) -> list[float]:
    client = "writer", auth.made["secrets"]["writer"]
    form = {"grant_type": "client_credentials"}
    url = f"{auth.url}/oauth2/token"
    return await _paced(url, TOKENS_PER_S, seconds, data=form, auth=client)


def _lag_under_logins(auth: AuthService, seconds: float) -> tuple[list[float], list[float]]:
    body = {"email": auth.made["email"], "password": auth.made["password"]}
    url = f"{auth.url}/auth/login"
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(asyncio.run, _paced(url, LOGINS_PER_S, seconds + 1, json=body))
        return auth.loop_lag(seconds), load.result()


async def _paced(url: str, rate: int, seconds: float, **request: Any) -> list[float]:
    """Return how long each request waited from when it was due."""
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as http:
        begun = perf_counter()

        async def send(number: int) -> float:
            due = begun + number / rate
            await asyncio.sleep(due - perf_counter())
            answer = await http.post(url, **request)
            if answer.status_code != 200:
                raise BenchmarkError(f"{url}: {answer.status_code} {answer.text}")
            return perf_counter() - due

        return await asyncio.gather(*map(send, range(int(rate * seconds))))


def _p99(found: list[float]) -> float:
    return sorted(found)[int(len(found) * 0.99)]
