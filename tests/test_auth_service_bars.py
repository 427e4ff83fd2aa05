"""What the auth service and the witness answer to requests made from their own API descriptions."""

from __future__ import annotations

from pathlib import Path

import pytest
from auth_process import AuthService
from central_process import CentralProcess
from fuzzing import fuzz
from platform_logins import CALLBACK, client_token

pytestmark = pytest.mark.slow

HOUSE = {
    "id": "house",
    "name": "House",
    "auth_method": "none",
    "redirect_uris": [CALLBACK],
    "skip_consent": True,
}
ADMIN = {
    "id": "admin",
    "name": "Admin",
    "grant_types": ["client_credentials"],
    "scopes": [],
    "permissions": ["auth:admin"],
}


def test_auth_answers_every_request_as_it_describes(tmp_path: Path) -> None:
    # With every operation there: a client of the house, and registration.
    auth = AuthService(
        "urn:slipway:acme-orders",
        clients=[HOUSE, ADMIN],
        ATTEMPTS_PER_MINUTE="100000",
        PASSWORD_HASH_MEMORY_KIB="8",
        PASSWORD_HASH_PASSES="1",
        FIRST_PARTY_CLIENT="house",
        REGISTRATION_ORGANISATION="acme",
    )
    try:
        token = client_token(auth.url, "admin", auth.made["secrets"]["admin"], auth.url)
        # Valid by the description, and refused on good grounds: a weak password, a name in use.
        excluded = "--exclude-checks=positive_data_acceptance"
        fuzz(auth.url, tmp_path, excluded, examples=4, token=token)
    finally:
        auth.stop()


def test_witness_answers_every_request_as_it_describes(tmp_path: Path) -> None:
    witness = CentralProcess("witness_service")
    try:
        # Valid by the description: any text. A checkpoint that it knows the log of is another matter.
        excluded = "--exclude-checks=positive_data_acceptance"
        fuzz(witness.url, tmp_path, excluded, examples=20, log=witness.log)
    finally:
        witness.stop()
