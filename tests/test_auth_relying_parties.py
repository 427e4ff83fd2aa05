"""Relying parties of others, unmodified, against the auth service: openid-client, oauth4webapi and Authlib.

Their checks are the assertions: each refuses answers that its specifications forbid. What is asserted here is
that the flow came to its end, and what only we can know.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from auth_parties import AUDIENCE, GOODBYE, Parties
from node_programs import NodePrograms, converse
from processes import clean_environment, rendered_python

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("relying parties")]

AUTHLIB = Path(__file__).with_name("relying_parties") / "authlib_client.py"
INVALID = "OAUTH_INVALID_RESPONSE"
Json = dict[str, Any]
Run = Callable[[str, str], Json]


@pytest.fixture(scope="module")
def parties() -> Iterator[Parties]:
    made = Parties()
    yield made
    made.auth.stop()


@pytest.fixture
def run(parties: Parties, node: NodePrograms) -> Run:
    """Return a function that runs a flow of a program with a browser of its own."""

    def run(program: str, flow: str) -> Json:
        with parties.user_agent() as browser:
            return converse(node.start(f"{program}.mjs", flow), parties.given, browser.visit)

    return run


@pytest.fixture
def authlib(parties: Parties) -> Callable[[str], Json]:
    """Return a function that runs a flow of Authlib's client, on the interpreter that has it."""

    def run(flow: str) -> Json:
        process = subprocess.Popen(
            [rendered_python(), str(AUTHLIB), flow],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with parties.user_agent() as browser:
            return converse(process, parties.given, browser.visit)

    return run


both = pytest.mark.parametrize("library", ["openid_client", "oauth4webapi"])


@both
def test_user_logs_in_with_code_and_pkce(run: Run, library: str, parties: Parties) -> None:
    found = run(library, "login")
    claims = found["claims"]
    assert (claims["iss"], claims["aud"]) == (parties.auth.url, "public")
    assert claims["sub"] == found["user"]["sub"] == parties.auth.made["user"]
    assert found["user"]["email"] == parties.auth.made["email"]


def test_resource_server_accepts_the_access_token_for_its_audience_only(run: Run) -> None:
    found = run("oauth4webapi", "login")
    accepted = found["accepted"]
    assert accepted["client_id"] == "public"
    assert AUDIENCE in accepted["aud"]
    assert accepted["permissions"] == ["orders:read", "orders:write"]
    assert found["refused"]["name"] == "OperationProcessingError"


def test_metadata_is_the_same_for_plain_oauth(run: Run, parties: Parties) -> None:
    found = run("oauth4webapi", "metadata_for_plain_oauth")
    assert found == {"same": True, "issuer": parties.auth.url}


@both
def test_confidential_client_gets_id_tokens_signed_with_rs256(run: Run, library: str) -> None:
    assert run(library, "login_of_a_confidential_client")["claims"]["aud"] == "confidential"


def test_person_is_asked_to_log_in_and_to_consent(parties: Parties, node: NodePrograms) -> None:
    with parties.user_agent() as browser:
        process = node.start("openid_client.mjs", "consent")
        found = converse(process, parties.given, browser.visit)
        assert browser.seen == ["/login", "/consent"]
    assert found["claims"]["aud"] == "public"


def test_wrong_state_nonce_and_verifier_end_the_login(run: Run) -> None:
    found = run("openid_client", "checks_of_the_answer")
    assert found["state"]["code"] == INVALID
    assert found["nonce"]["code"] == "OAUTH_JWT_CLAIM_COMPARISON_FAILED"
    assert found["pkce"]["error"] == "invalid_grant"
    assert found["silent"]["error"] == "invalid_request"


def test_answer_that_names_another_issuer_or_none_is_noticed(run: Run) -> None:
    found = run("oauth4webapi", "answer_of_another_issuer")
    assert (found["mixed"]["code"], found["missing"]["code"]) == (INVALID, INVALID)


@both
def test_refresh_tokens_rotate_and_an_old_one_burns_them_all(run: Run, library: str) -> None:
    found = run(library, "refresh")
    assert len(set(found["generations"])) == 3
    assert found["reused"]["error"] == found["burnt"]["error"] == "invalid_grant"
    assert found.get("graceful", True)
    assert found.get("scope", "openid") == "openid"


@both
def test_program_gets_a_token_with_a_key(run: Run, library: str) -> None:
    found = run(library, "client_credentials")
    assert found["scope"] == "jobs:run"
    assert found["refused"]["error"] == "invalid_scope"
    if library == "oauth4webapi":
        assert found["accepted"]["sub"] == found["accepted"]["client_id"] == "signer"


def test_secret_is_sent_as_the_library_does_by_default(run: Run) -> None:
    assert run("openid_client", "client_credentials_by_default")["type"] == "bearer"


def test_client_with_a_key_logs_users_in(run: Run) -> None:
    found = run("openid_client", "login_with_a_key")
    assert found["claims"]["aud"] == "signer"
    assert found["rotated"]


@both
def test_request_is_pushed(run: Run, library: str) -> None:
    found = run(library, "pushed_request")
    assert found["claims"]["nonce"]
    assert found["wrong"]["error"] == "invalid_scope"
    assert found.get("parameters", ["client_id", "request_uri"]) == ["client_id", "request_uri"]


@both
def test_tokens_are_bound_to_a_key_with_a_nonce_of_the_server(
    run: Run, library: str, parties: Parties
) -> None:
    found = run(library, "dpop")
    assert found["type"] == "dpop"
    assert found["user"]["sub"] == parties.auth.made["user"]
    assert found["stolen"]["error"] == "invalid_dpop_proof"
    assert found["bearer"]["name"]


def test_pushed_request_binds_the_code_to_a_key(run: Run) -> None:
    assert run("openid_client", "dpop_of_a_pushed_request")["type"] == "dpop"


@both
def test_tokens_are_asked_about_and_revoked(run: Run, library: str, parties: Parties) -> None:
    found = run(library, "introspection_and_revocation")
    assert [told["active"] for told in found["before"]] == [True, True]
    assert found["before"][0]["sub"] == parties.auth.made["user"]
    assert found["between"][0] == {"active": False}
    assert found["between"][1]["active"]
    assert found["after"] == [{"active": False}, {"active": False}]


@both
def test_user_logs_out_and_comes_back(run: Run, library: str) -> None:
    found = run(library, "logout")
    assert found["came"] == f"{GOODBYE}?state=bye-1"
    assert found["refused"]["code"] or found["refused"]["error"]


def test_service_exchanges_a_users_token(run: Run, parties: Parties) -> None:
    found = run("openid_client", "token_exchange")
    assert found["type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert found["told"]["sub"] == parties.auth.made["user"]
    assert found["told"]["act"] == {"sub": "confidential"}


def test_authlib_logs_in_and_refreshes(authlib: Callable[[str], Json], parties: Parties) -> None:
    found = authlib("login")
    assert found["user"]["sub"] == found["claims"]["sub"] == parties.auth.made["user"]
    assert (found["same"], found["rotated"]) == (True, True)


def test_authlib_asks_about_tokens_and_revokes_them(authlib: Callable[[str], Json]) -> None:
    found = authlib("confidential")
    assert found["active"] == [True, False, True, False]
    assert found["claims"]["aud"] == "confidential"


def test_authlib_proves_itself_with_a_key(authlib: Callable[[str], Json]) -> None:
    found = authlib("private_key")
    assert (found["scope"], found["refused"]) == ("jobs:run", "invalid_scope")
    assert found["claims"]["aud"] == "signer"


def test_authlib_logs_out(authlib: Callable[[str], Json]) -> None:
    found = authlib("logout")
    assert found == {"came": f"{GOODBYE}?state=bye-1", "status": 401, "refresh": "invalid_grant"}
