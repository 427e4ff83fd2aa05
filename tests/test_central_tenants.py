"""No tenant reads or touches another's: every operation of the auth and the audit service, with ids of the other.

The operations come from the services' own API descriptions: one without a case here fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from tenants import BATCH, SOURCE, Json, Tenants

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tenants")]

REFUSED = (403, 404)
PASSWORD = "quiet-Harbour-3119"  # of users that are never made


@pytest.fixture(scope="module")
def tenants() -> Iterator[Tenants]:
    with Tenants() as made:
        yield made


@dataclass(frozen=True)
class Case:
    """A request of beta's administrator with something of alpha's.

    Attributes:
        ids: Parameters of the path; a value like `alpha.user` is alpha's user.
        options: Query and body of the request, the same in them.
        statuses: What it may answer.
        why: Why that is no refusal: what it names is beta's own, or public.
    """

    ids: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    statuses: Sequence[int] = REFUSED
    why: str = ""


def body(**fields: Any) -> Json:
    return {"json": fields}


def own(status: int, why: str, **options: Any) -> Case:
    return Case(options=options, statuses=(status,), why=why)


LIST = own(200, "a list of the caller's own tenant")
USER, ROLE = {"user_id": "alpha.user"}, {"role_id": "alpha.role"}
BOTH = [USER | ROLE, {"user_id": "beta.user"} | ROLE, USER | {"role_id": "beta.role"}]
NEW_USER: Json = body(organisation="alpha", email="x@example.com", name="X", password=PASSWORD)
NAMED_ROLE = {"slug": "alpha", "name": "alpha.role_name"}
CHANGED = body(email="stolen@example.com", name="Stolen")
PERMISSIONS = body(permissions=["orders:read"])
GIVEN = [
    Case(USER, body(role_id="beta.role")),
    Case({"user_id": "beta.user"}, body(role_id="alpha.role")),
]
ASSIGNED = [
    Case(USER, body(roles=["beta.role_name"])),
    Case({"user_id": "beta.user"}, body(roles=["alpha.role_name"])),
]
NEXT = own(200, "a cursor is a place in the caller's own list", params={"cursor": "alpha.user"})
NEXT_ROLE = own(200, "the same", params={"cursor": "alpha.role"})
NEXT_KEY = own(200, "the same", params={"cursor": "alpha.key"})

AUTH: dict[str, list[Case]] = {
    "GET /users": [LIST, NEXT],
    "POST /users": [Case(options=NEW_USER)],
    "GET /users/{user_id}": [Case(USER)],
    "PUT /users/{user_id}": [Case(USER, CHANGED)],
    "DELETE /users/{user_id}": [Case(USER)],
    "GET /users/{user_id}/sessions": [Case(USER)],
    "DELETE /users/{user_id}/sessions": [Case(USER)],
    "POST /users/{user_id}/roles": GIVEN,
    "DELETE /users/{user_id}/roles/{role_id}": [Case(ids) for ids in BOTH],
    "GET /roles": [LIST, NEXT_ROLE],
    "POST /roles": [Case(options=body(organisation="alpha", name="x", permissions=[]))],
    "GET /roles/{role_id}": [Case(ROLE)],
    "PUT /roles/{role_id}": [Case(ROLE, PERMISSIONS)],
    "DELETE /roles/{role_id}": [Case(ROLE)],
    "POST /api-keys": [Case(options=body(organisation="alpha", name="x", permissions=[]))],
    "GET /api-keys": [LIST, NEXT_KEY],
    "DELETE /api-keys/{key_id}": [Case({"key_id": "alpha.key"})],
    "POST /admin/organisations": [Case(options=body(slug="alpha", name="x"))],
    "POST /admin/users": [Case(options=NEW_USER)],
    "GET /admin/users": [LIST, NEXT],
    "GET /admin/users/{user_id}": [Case(USER)],
    "PUT /admin/users/{user_id}/status": [Case(USER, body(status="disabled"))],
    "PUT /admin/users/{user_id}/roles": ASSIGNED,
    "PUT /admin/organisations/{slug}/roles/{name}": [Case(NAMED_ROLE, PERMISSIONS)],
    "GET /admin/organisations/{slug}/roles": [Case({"slug": "alpha"})],
    "POST /admin/clients": [Case(options=body(name="x", organisation="alpha"))],
    "GET /admin/clients": [Case()],
    "POST /admin/clients/{client_id}/secret": [Case({"client_id": "alpha.client"})],
    "POST /admin/clients/{client_id}/disable": [Case({"client_id": "alpha.client"})],
}
LOG = {"origin": "alpha.origin"}
PUBLIC = "a log is public: hashes, and no more"
ALPHAS = {"actor": "alpha.subject"}
ACCOUNT, TRANSFER = {"account_id": "alpha.account"}, {"transfer_id": "alpha.transfer"}
SCHEMA = {"action": "alpha.action", "version": "1"}
ACCOUNTS = {"accounts": [{"id": "alpha.account_2", "ledger": "EUR", "code": 1}]}
PAYMENT = {
    "transfers": [
        {
            "id": "alpha.transfer",
            "debit_account_id": "alpha.account",
            "credit_account_id": "alpha.account_2",
            "amount": "7",
            "ledger": "EUR",
            "code": 1,
        }
    ]
}
AUDIT: dict[str, list[Case]] = {
    "GET /v1/events/{event_id}": [
        Case({"event_id": "alpha.event"}),
        Case({"event_id": "alpha.event"}, {"params": {"source": SOURCE}}),
    ],
    "GET /v1/events": [LIST, own(200, "a search of the caller's own log", params=ALPHAS)],
    "GET /v1/export": [LIST],
    "POST /v1/receipts": [
        own(200, "it answers `unknown`", json={"ids": ["alpha.event"], "source": SOURCE})
    ],
    "POST /v1/subjects/shred": [Case(options=body(subject="alpha.subject"))],
    "DELETE /v1/holds/{name}": [Case({"name": "alpha.hold"})],
    "GET /v1/holds": [LIST],
    "POST /v1/holds": [
        Case(options=body(name="hold-2", subject="alpha.subject")),
        own(201, "beta's own hold, of the same name", json={"name": "alpha.hold"}),
    ],
    "POST /v1/events": [own(200, "beta's own event, of the same id")],
    "GET /v1/ledger/accounts": [LIST],
    "GET /v1/ledger/accounts/{account_id}": [Case(ACCOUNT)],
    "GET /v1/ledger/accounts/{account_id}/transfers": [Case(ACCOUNT)],
    "GET /v1/ledger/transfers": [LIST],
    "GET /v1/ledger/transfers/{transfer_id}": [Case(TRANSFER)],
    "GET /v1/ledger/transfers/{transfer_id}/proof": [Case(TRANSFER)],
    "GET /v1/ledger/approvals": [LIST],
    "POST /v1/ledger/transfers/{transfer_id}/approvals": [Case(TRANSFER, body(decision="approve"))],
    "POST /v1/ledger/transfers": [own(200, "no such account is known", json=PAYMENT)],
    "POST /v1/ledger/accounts": [own(200, "beta's own account, of the same id", json=ACCOUNTS)],
    "GET /v1/schemas": [LIST],
    "GET /v1/schemas/{action}/{version}": [Case(SCHEMA)],
    "PUT /v1/schemas/{action}/{version}": [
        Case(SCHEMA, {"json": {"type": "object"}}, (201,), "beta's own schema, of the same name")
    ],
    "GET /v1/schema-policy": [LIST],
    "PUT /v1/schema-policy": [own(200, "beta's own policy", json={"strict": False})],
    "GET /v1/log/keys": [own(200, PUBLIC)],
    "GET /v1/log/{origin}/checkpoint": [Case(LOG, statuses=(200,), why=PUBLIC)],
    "GET /v1/log/{origin}/tile/entries/{path}": [
        Case(LOG | {"path": "000.p/3"}, statuses=(200,), why=PUBLIC)
    ],
    "GET /v1/log/{origin}/tile/{level}/{path}": [
        Case(LOG | {"level": "0", "path": "000.p/3"}, statuses=(200,), why=PUBLIC)
    ],
}
NO_IDS = {
    "auth": {
        "GET /.well-known/openid-configuration": "says the same to everybody",
        "GET /.well-known/oauth-authorization-server": "says the same to everybody",
        "GET /oauth2/jwks": "says the same to everybody",
        "POST /auth/login": "takes a password",
        "POST /auth/register": "takes an address, and says the same to everybody",
        "POST /auth/refresh": "takes a refresh token",
        "POST /auth/logout": "takes nothing: the token itself is what ends",
        "POST /auth/verify": "takes a token: whoever holds one may know what it says",
    },
    "audit": {},
}
HEALTH = {f"GET /health/{name}": "says nothing of tenants" for name in ("live", "startup", "ready")}


def operations(document: Json) -> set[str]:
    return {
        f"{method.upper()} {path}" for path, found in document["paths"].items() for method in found
    }


def filled(value: Any, tenants: Tenants) -> Any:
    """Return a value with the things of tenants in place of their names."""
    if isinstance(value, dict):
        return {name: filled(one, tenants) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, tenants) for one in value]
    owner, _, name = str(value).partition(".")
    known = {"alpha": tenants.alpha, "beta": tenants.beta}.get(owner, {})
    return known.get(name, value) if name else value


def send(tenants: Tenants, service: str, tenant: str, operation: str, case: Case) -> Any:
    method, path = operation.split(" ", 1)
    for name, value in filled(case.ids, tenants).items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, operation
    options = filled(case.options, tenants)
    if operation == "POST /v1/events":
        events = [tenants.event(tenants.alpha["event"], "somebody of beta")]
        options = {"json": events, "headers": {"Content-Type": BATCH}}
    return tenants.call(service, tenant, method, path, **options)


@pytest.mark.parametrize(("service", "cases"), [("auth", AUTH), ("audit", AUDIT)])
def test_every_operation_has_a_case(
    tenants: Tenants, service: str, cases: dict[str, list[Case]]
) -> None:
    document = tenants.description(service)
    without = NO_IDS[service] | HEALTH
    assert operations(document) == cases.keys() | without.keys()
    for operation in without:
        method, path = operation.split(" ", 1)
        assert not document["paths"][path][method.lower()].get("parameters"), operation


@pytest.mark.parametrize(
    ("service", "operation"), [*(("auth", one) for one in AUTH), *(("audit", one) for one in AUDIT)]
)
def test_other_tenant_is_refused_and_sees_nothing(
    tenants: Tenants, service: str, operation: str
) -> None:
    for case in (AUTH if service == "auth" else AUDIT)[operation]:
        answer = send(tenants, service, "beta", operation, case)
        assert answer.status_code in case.statuses, f"{operation} {case}: {answer.text}"
        assert case.statuses is REFUSED or case.why
        assert tenants.canary not in answer.text, f"{operation} {case}"
        assert tenants.canary not in str(answer.headers), f"{operation} {case}"
        assert tenants.canary_id not in answer.text, f"{operation} {case}"
    if operation == "POST /v1/receipts":
        assert answer.json()["receipts"] == {}
    if operation == "POST /v1/ledger/transfers":
        assert [one["status"] for one in answer.json()["results"]] == ["debit_account_not_found"]


SHOWN = {
    "auth": [
        "GET /users",
        "GET /users/{user_id}",
        "GET /roles",
        "GET /roles/{role_id}",
        "GET /api-keys",
        "GET /admin/users",
        "GET /admin/users/{user_id}",
        "GET /admin/organisations/{slug}/roles",
    ],
    "audit": [
        "GET /v1/events/{event_id}",
        "GET /v1/events",
        "GET /v1/export",
        "GET /v1/schemas/{action}/{version}",
        "GET /v1/ledger/accounts",
        "GET /v1/ledger/accounts/{account_id}",
        "GET /v1/ledger/accounts/{account_id}/transfers",
        "GET /v1/ledger/transfers",
        "GET /v1/ledger/transfers/{transfer_id}",
        "GET /v1/ledger/transfers/{transfer_id}/proof",
    ],
}


@pytest.mark.parametrize("service", ["auth", "audit"])
def test_canary_is_where_it_would_be_seen_and_nothing_of_it_has_changed(
    tenants: Tenants, service: str
) -> None:
    cases = AUTH if service == "auth" else AUDIT
    for operation in SHOWN[service]:
        answer = send(tenants, service, "alpha", operation, cases[operation][0])
        assert answer.status_code == 200, f"{operation}: {answer.text}"
        canary = tenants.canary_id if "/ledger/" in operation else tenants.canary
        assert canary in answer.text, operation
    if service == "auth":
        user = tenants.call("auth", "alpha", "GET", f"/users/{tenants.alpha['user']}").json()
        assert (user["email"], user["status"]) == (tenants.alpha["email"], "active")
        assert user["roles"] == [tenants.alpha["role_name"]]
        path = f"/users/{tenants.alpha['user']}/sessions"
        assert len(tenants.call("auth", "alpha", "GET", path).json()) == 1
    else:
        holds = tenants.call("audit", "alpha", "GET", "/v1/holds").json()["items"]
        assert [hold["name"] for hold in holds] == [tenants.alpha["hold"]]
