"""Envoy's `jwt_authn` in front of a service: no rotation of the auth service's keys refuses a token, no forged one passes."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator

import pytest
from auth_process import AuthService
from envoy_server import Envoy
from platform_logins import client_token
from steady_load import SteadyLoad

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("envoy")]

AUDIENCE = "urn:slipway:acme-orders"
ROTATIONS = 20
# A key set that Envoy has just got may have been made a while ago, on a machine that is busy.
JWKS_MAX_AGE_S, CACHED_S = 0.5, 0.05
LONG_S = 60.0
SKEW_S = 120


@pytest.fixture(scope="module")
def auth() -> Iterator[AuthService]:
    service = AuthService(AUDIENCE, jwks_max_age_s=JWKS_MAX_AGE_S)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def envoy(auth: AuthService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    folder = tmp_path_factory.mktemp("envoy")
    running = Envoy(folder, auth.url, AUDIENCE, cached_s=CACHED_S)
    yield running
    running.stop()


def token(auth: AuthService) -> str:
    return client_token(auth.url, "writer", auth.made["secrets"]["writer"], AUDIENCE)


def test_twenty_rotations_under_load_refuse_no_valid_token(
    auth: AuthService, envoy: Envoy, pytestconfig: pytest.Config
) -> None:
    pause_s = LONG_S / ROTATIONS if pytestconfig.getoption("--all") else 0.0
    load = SteadyLoad(lambda: token(auth), envoy.status, threads=4)
    kids = set()
    try:
        for _ in range(ROTATIONS):
            begun = time.monotonic()
            kids.add(auth.rotate())
            # The pace of the load, not a wait for anything.
            threading.Event().wait(max(0.0, pause_s - (time.monotonic() - begun)))
    finally:
        load.end()
    assert load.failures == []
    assert len(kids) == ROTATIONS
    assert len(load.answers) > 10 * ROTATIONS
    assert set(load.answers) == {200}


def test_no_forged_token_passes(auth: AuthService, envoy: Envoy) -> None:
    good = token(auth)
    assert envoy.status(good) == 200
    corpus = auth.forge(good)
    forged = {name: text for name, text in corpus.items() if is_forged(name, text, good, auth.url)}
    assert len(forged) >= 90
    accepted = [name for name, text in forged.items() if envoy.status(text) == 200]
    assert accepted == []
    assert envoy.status(good) == 200


def is_forged(name: str, text: str, good: str, issuer: str) -> bool:
    """Whether nobody may accept a token of the corpus: the service did not sign it, or not for here and now.

    The rest is signed with its key, and wrong for who knows this service's rules only (RFC 9068).
    """
    if not text.isascii() or "\n" in text or len(text) > 16_000:
        return False  # what no header can hold
    if name.startswith(("headers", "wrong_claims")):
        return is_wrong_for_all(text, issuer)
    # Dots and fillers are not seen by Envoy, nor what comes after the token: those are other spellings of it.
    letters = text.replace(".", "").replace("=", "")
    return not letters.startswith(good.replace(".", "")[:-1])


def is_wrong_for_all(text: str, issuer: str) -> bool:
    try:
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        return (
            claims["iss"] != issuer
            or AUDIENCE not in audiences
            or claims["exp"] < time.time() - SKEW_S
            or claims.get("nbf", 0) > time.time() + SKEW_S
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return True
