# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What an OpenID provider says of itself (OpenID Connect Discovery 1.0), and its key set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from ._key_set import IssuerError
from .errors import HttpClientError

if TYPE_CHECKING:
    from ..core.central_auth_settings import CentralAuthSettings
    from .http import HttpClient

TIMEOUT_S = 5.0
MAX_BYTES = 524_288


class Issuer:
    """Reads what the issuer publishes.

    Args:
        settings: Which issuer, and what is known of it without asking.
        http: Returns the client to ask with.
    """

    def __init__(self, settings: CentralAuthSettings, http: Callable[[], HttpClient]) -> None:
        self._settings = settings
        self._http = http
        self._metadata: dict[str, str] = {}

    async def jwks(self) -> object:
        """Return the key set.

        Raises:
            IssuerError: When it can't be used.
            HttpClientError: When it can't be had.
        """
        if self._settings.jwks is not None:
            return _parsed(self._settings.jwks, "in the setting JWKS")
        url = self._settings.jwks_url or await self._endpoint("jwks_uri")
        try:
            return await self._get(url)
        except (HttpClientError, IssuerError):
            self._metadata = {}  # it may have moved
            raise

    async def token_url(self) -> str:
        """Return where tokens are got; errors as for `jwks`."""
        return self._settings.token_url or await self._endpoint("token_endpoint")

    async def _endpoint(self, name: str) -> str:
        if name not in self._metadata:
            base = self._settings.issuer.rstrip("/")
            found = await self._get(f"{base}/.well-known/openid-configuration")
            # Section 4.3: otherwise one issuer could speak for another.
            if not isinstance(found, dict) or found.get("issuer") != self._settings.issuer:
                raise IssuerError("its metadata is that of another issuer")
            self._metadata = {key: value for key, value in found.items() if isinstance(value, str)}
        url = self._metadata.get(name, "")
        secure = self._settings.issuer.startswith("https://")
        if not url.startswith("https://" if secure else ("https://", "http://")):
            self._metadata = {}
            raise IssuerError(f"its metadata has no {name} that can be used")
        return url

    async def _get(self, url: str) -> object:
        answer = await self._http().get(
            url, timeout_s=TIMEOUT_S, max_response_bytes=MAX_BYTES, follow_redirects=False
        )
        if answer.status_code != 200:
            raise IssuerError(f"it answers {answer.status_code} to {url}")
        return _parsed(answer.content, f"at {url}")


def _parsed(text: str | bytes, where: str) -> object:
    try:
        found: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise IssuerError(f"there is no JSON {where}") from error
    return found
