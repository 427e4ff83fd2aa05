"""A rendered project and the auth service, both running: who gets in, and that rotations refuse nobody."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from auth_process import AuthService
from booting import Service, serving
from platform_logins import CallersKey, client_token, user_token
from rendering import Renderer, copy_project
from steady_load import SteadyLoad

pytestmark = pytest.mark.slow

AUDIENCE = "urn:slipway:acme-orders"
PREFIX = "ACME_ORDERS_CENTRAL_AUTH__"
ROTATIONS = 20
LOAD = 4


@pytest.fixture(scope="module")
def auth() -> Iterator[AuthService]:
    service = AuthService(AUDIENCE)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def project(render: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = render("cookiecutter", use_central_auth=True, include_audit_logging=True)
    return copy_project(made, tmp_path_factory.mktemp("auth") / "acme_orders")


@pytest.fixture(scope="module")
def orders(project: Path, auth: AuthService) -> Iterator[Service]:
    settings = {
        f"{PREFIX}ISSUER": auth.url,
        f"{PREFIX}JWKS_REFETCH_S": "0.1",
        "ACME_ORDERS_RATE_LIMIT__REQUESTS_PER_MINUTE": "1000000",
        "ACME_ORDERS_JOBS__EMBEDDED_WORKER": "false",
    }
    with serving(project, **settings) as service:
        yield service


def own_token(auth: AuthService, client: str) -> str:
    """Return a token of a client's own."""
    return client_token(auth.url, client, auth.made["secrets"][client], AUDIENCE)


def login(auth: AuthService) -> str:
    """Return the access token of the user."""
    return user_token(auth.url, auth.made["email"], auth.made["password"], AUDIENCE)


def place(orders: Service, token: str) -> int:
    """Place an order, and return the status."""
    body: dict[str, Any] = {
        "currency": "EUR",
        "lines": [{"sku": "T", "quantity": 1, "unit_price": 1}],
    }
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    return orders.call("POST", "/orders", json.dumps(body).encode(), **headers).status


def test_who_logged_in_may_do_what_their_role_permits(auth: AuthService, orders: Service) -> None:
    assert place(orders, login(auth)) == 201


def test_services_token_is_accepted_and_the_forbidden_is_refused(
    auth: AuthService, orders: Service
) -> None:
    assert place(orders, own_token(auth, "writer")) == 201
    reader = own_token(auth, "reader")
    assert place(orders, reader) == 403
    assert orders.call("GET", "/orders", authorization=f"Bearer {reader}").status == 200
    assert orders.call("GET", "/orders").status == 401


def test_bound_token_is_worth_nothing_without_its_key(auth: AuthService, orders: Service) -> None:
    key, url = CallersKey(), f"http://127.0.0.1:{orders.port}/orders"
    secret = auth.made["secrets"]["reader"]
    token = client_token(auth.url, "reader", secret, AUDIENCE, key)

    def status(scheme: str, proof: str) -> int:
        authorization = f"{scheme} {token}"
        return orders.call("GET", "/orders", authorization=authorization, dpop=proof).status

    proof = key.proof("GET", url, token)
    assert status("DPoP", proof) == 200
    assert status("DPoP", proof) == 401
    assert status("DPoP", CallersKey().proof("GET", url, token)) == 401
    assert status("Bearer", key.proof("GET", url, token)) == 401


def test_twenty_rotations_under_load_refuse_no_valid_token(
    auth: AuthService, orders: Service
) -> None:
    def read(token: str) -> int:
        return orders.call("GET", "/orders", authorization=f"Bearer {token}").status

    load = SteadyLoad(lambda: own_token(auth, "writer"), read, threads=LOAD)
    try:
        kids = {auth.rotate() for _ in range(ROTATIONS)}
    finally:
        load.end()
    assert load.failures == []
    assert len(kids) == ROTATIONS
    assert len(load.answers) > 10 * ROTATIONS
    assert set(load.answers) == {200}


def test_tokens_are_checked_on_while_the_issuer_is_down(auth: AuthService, orders: Service) -> None:
    token = own_token(auth, "writer")
    assert place(orders, token) == 201
    auth.stop()
    assert place(orders, token) == 201
    assert place(orders, token[:-6] + "AAAAAA") == 401
    assert orders.call("GET", "/health/ready").json["status"] == "ready"
