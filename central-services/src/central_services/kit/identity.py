"""Service-to-service identity: a service that calls another is a client of the auth service, with a key.

It proves who it is with an assertion that its key signs (`private_key_jwt`, RFC 7523), and gets a token for
the one service that it calls; `clients/credentials.py` does that, keeps the token and replaces it in time.
The called service sees which one calls, in the token and so in its trail. Here is what that takes: the keys,
and what the auth service is told to register (`AUTH__CLIENTS`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .engines.files import write_secret
from .services import Service

ORGANISATION = "platform"
"""The tenant that the services are of: what they do themselves is in its log."""

AUTH = "auth"


def client_id(service: str) -> str:
    """Return what the auth service knows a service as."""
    return f"central-{service}"


def new_key() -> dict[str, Any]:
    """Return a private JWK (RFC 7517) that signs assertions."""
    from joserfc import jwk  # noqa: PLC0415  # heavy, and most commands make no key

    key = jwk.ECKey.generate_key("P-256")
    return {**key.as_dict(private=True), "kid": key.thumbprint(), "alg": "ES256", "use": "sig"}


def public_part(key: Mapping[str, Any]) -> dict[str, Any]:
    """Return what others may know of a key."""
    return {name: value for name, value in key.items() if name != "d"}


class ServiceKeys:
    """The keys of the services of this machine, made when one is first asked for; the file's mode is 0600.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, dict[str, Any]] = (
            json.loads(path.read_text("utf-8")) if path.is_file() else {}
        )

    def of(self, service: str) -> dict[str, Any]:
        """Return a service's private key."""
        if service not in self._keys:
            self._keys[service] = new_key()
            write_secret(self._path, json.dumps(self._keys, indent=2) + "\n")
        return self._keys[service]


def settings_of(
    service: Service, services: Sequence[Service], urls: Mapping[str, str], keys: ServiceKeys
) -> dict[str, str]:
    """Return the settings that give a service its identity, without prefix.

    Args:
        service: The service.
        services: All that are to know each other.
        urls: Their addresses.
        keys: Their keys.
    """
    known = {one.name for one in services}
    found = {}
    if AUTH in known and any(call.service in known for call in service.calls):
        found["CENTRAL_AUTH__CLIENT_ID"] = client_id(service.name)
        found["CENTRAL_AUTH__CLIENT_KEY"] = json.dumps(keys.of(service.name))
    if service.name == AUTH:
        found["AUTH__CLIENTS"] = json.dumps(registrations(services, urls, keys))
    return found


def registrations(
    services: Sequence[Service], urls: Mapping[str, str], keys: ServiceKeys
) -> list[dict[str, Any]]:
    """Return the clients that the auth service has to know, as its registration takes them."""
    found: list[dict[str, Any]] = []
    known = {one.name for one in services}
    for service in services:
        calls = [call for call in service.calls if call.service in known]
        if calls:
            found.append(
                {
                    "id": client_id(service.name),
                    "name": f"Central services: {service.name}",
                    "organisation": ORGANISATION,
                    "auth_method": "private_key_jwt",
                    "jwks": {"keys": [public_part(keys.of(service.name))]},
                    "grant_types": ["client_credentials"],
                    "scopes": [],
                    "permissions": sorted({name for call in calls for name in call.permissions}),
                    "audiences": sorted({urls[call.service] for call in calls}),
                }
            )
        if service.pages is not None:
            found.append(
                {
                    "id": service.pages.client_id,
                    "name": service.pages.name,
                    "auth_method": "none",
                    "redirect_uris": [urls[service.name] + service.pages.callback],
                    "grant_types": ["authorization_code"],
                    "scopes": ["openid"],
                    "audiences": [urls[service.name]],
                    "skip_consent": True,
                }
            )
    return found
