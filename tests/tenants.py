"""Two tenants on running auth and audit services: what the one has made holds a canary that the other never sees."""

from __future__ import annotations

import secrets
import time
import uuid
from contextlib import ExitStack
from typing import Any, Self

import httpx2
from auth_process import AuthService
from central_process import LIMIT_S, CentralProcess
from platform_logins import CALLBACK, client_token, user_token

AUDIENCE = "urn:slipway:acme-orders"
SOURCE = "urn:slipway:acme_orders"
BATCH = "application/cloudevents-batch+json"
Json = dict[str, Any]


class Tenants:
    """Alpha, which has things, and beta, whose administrator would like to see them.

    Attributes:
        auth: The auth service.
        audit: The audit service.
        canary: A text in everything that alpha has made.
        canary_id: One in what takes no text: accounts and transfers of the ledger.
        alpha: What alpha has, by name.
        beta: What beta has, as far as a request needs it.
    """

    def __init__(self) -> None:
        self.canary, self.canary_id = f"canary-{secrets.token_hex(8)}", str(uuid.uuid4())
        self._open = ExitStack()
        self._http = self._open.enter_context(httpx2.Client(timeout=LIMIT_S))
        self.auth = AuthService(
            AUDIENCE,
            clients=_platform_clients(),
            ATTEMPTS_PER_MINUTE="10000",
            ACCESS_TOKEN_S="3600",
        )
        self._open.callback(self.auth.stop)
        self.audit = CentralProcess(
            "audit_service", url_setting="AUDIT_SERVICE__URL", CENTRAL_AUTH__ISSUER=self.auth.url
        )
        self._open.callback(self.audit.stop)
        self._platform = self._own_token("admin", self.auth.url)
        self._tokens: dict[tuple[str, str], str] = {}
        self.alpha, self.beta = self._people("alpha"), self._people("beta")
        self._programs()
        self.alpha |= self._events() | self._ledger() | self._schema()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def call(
        self, service: str, tenant: str, method: str, path: str, **options: Any
    ) -> httpx2.Response:
        """Send a request to a service as the administrator of a tenant."""
        base = self.auth.url if service == "auth" else self.audit.url
        headers = {"Authorization": f"Bearer {self._tokens[service, tenant]}"}
        headers |= options.pop("headers", {})
        return self._http.request(method, f"{base}{path}", headers=headers, **options)

    def description(self, service: str) -> Json:
        """Return a service's OpenAPI document."""
        base = self.auth.url if service == "auth" else self.audit.url
        found: Json = self._http.get(f"{base}/openapi.json").json()
        return found

    def _own_token(self, client: str, audience: str, secret: str = "") -> str:
        secret = secret or self.auth.made["secrets"][client]
        return client_token(self.auth.url, client, secret, audience)

    def _made(self, path: str, body: Json, tenant: str = "") -> Json:
        """Add something to the auth service, as the platform's administrator or a tenant's."""
        token = self._tokens["auth", tenant] if tenant else self._platform
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._http.post(f"{self.auth.url}{path}", json=body, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        found: Json = answer.json()
        return found

    def _people(self, slug: str) -> Json:
        """Make an organisation, its administrator, who logs in, a user, a role and an API key."""
        word = self.canary if slug == "alpha" else slug
        password = secrets.token_urlsafe(24)
        self._made("/admin/organisations", {"slug": slug, "name": word})
        boss = {"organisation": slug, "name": "boss", "permissions": ["auth:org-admin"]}
        clerk = {"organisation": slug, "name": f"{slug}-clerk", "permissions": [f"orders:{word}"]}
        user = {"organisation": slug, "name": word, "password": password}
        admin = self._made("/users", user | {"email": f"boss@{slug}.example.com"})
        path = f"/users/{admin['id']}/roles"
        self._made(path, {"role_id": self._made("/roles", boss)["id"]})
        token = user_token(self.auth.url, admin["email"], password, AUDIENCE)
        self._tokens["auth", slug] = token
        role = self._made("/roles", clerk, slug)
        other = self._made("/users", user | {"email": f"{word}@{slug}.example.com"}, slug)
        self._made(f"/users/{other['id']}/roles", {"role_id": role["id"]}, slug)
        user_token(self.auth.url, other["email"], password, AUDIENCE)
        key = {"name": word, "permissions": [], "organisation": slug}
        made = self._made("/api-keys", key, slug)
        return {
            "organisation": slug,
            "user": other["id"],
            "email": other["email"],
            "role": role["id"],
            "role_name": role["name"],
            "key": made["id"],
        }

    def _programs(self) -> None:
        """Make a program for each tenant, which may do everything with the tenant's audit log."""
        for slug in ("alpha", "beta"):
            asked = {
                "name": self.canary if slug == "alpha" else slug,
                "organisation": slug,
                "grant_types": ["client_credentials"],
                "permissions": [
                    *("audit:write", "audit:read", "audit:admin"),
                    *("ledger:write", "ledger:read", "ledger:approve"),
                ],
                "audiences": [self.audit.url],
            }
            made = self._made("/admin/clients", asked)
            token = self._own_token(made["id"], self.audit.url, made["secret"])
            self._tokens["audit", slug] = token
            (self.alpha if slug == "alpha" else self.beta)["client"] = made["id"]

    def event(self, name: str, word: str) -> Json:
        """Return an event about a person of that name."""
        user = {"uid": word, "type_id": 1}
        data = {"class_uid": 6003, "activity_name": "order.shipped", "actor": {"user": user}}
        return {
            "specversion": "1.0",
            "id": name,
            "source": SOURCE,
            "type": "audit.order.shipped",
            "time": "2026-11-22T10:00:00Z",
            "data": data | {"status_detail": "success", "message": word},
        }

    def _events(self) -> Json:
        """Let alpha send events and place a hold; each has its receipt when this returns."""
        names = [f"event-{number}" for number in range(3)]
        events = [self.event(name, self.canary) for name in names]
        headers = {"Content-Type": BATCH}
        sent = self.call("audit", "alpha", "POST", "/v1/events", json=events, headers=headers)
        assert sent.status_code == 200, sent.text
        wanted = {"ids": names, "source": SOURCE}
        deadline = time.monotonic() + LIMIT_S
        while True:
            found = self.call("audit", "alpha", "POST", "/v1/receipts", json=wanted).json()
            if len(found["receipts"]) == len(names):
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.05)  # between two looks
        hold = {"name": "hold-1", "subject": self.canary}
        assert self.call("audit", "alpha", "POST", "/v1/holds", json=hold).status_code == 201
        origin = found["receipts"][names[0]].partition("\n\n")[2].split("\n")[0]
        return {"event": names[0], "subject": self.canary, "hold": "hold-1", "origin": origin}

    def _ledger(self) -> Json:
        """Let alpha move money."""
        ids = [str(uuid.uuid4()) for _ in range(3)]
        common = {"ledger": "EUR", "code": 1, "user_data_128": self.canary_id}
        accounts = [{"id": id_, **common} for id_ in ids[:2]]
        transfer = {"id": ids[2], "debit_account_id": ids[0], "credit_account_id": ids[1]}
        for kind, things in (
            ("accounts", accounts),
            ("transfers", [{**transfer, **common, "amount": "7"}]),
        ):
            made = self.call("audit", "alpha", "POST", f"/v1/ledger/{kind}", json={kind: things})
            assert {one["status"] for one in made.json()["results"]} == {"created"}, made.text
        return {"account": ids[0], "account_2": ids[1], "transfer": ids[2]}

    def _schema(self) -> Json:
        """Let alpha say what the events of an action look like."""
        document = {"type": "object", "description": self.canary}
        path = "/v1/schemas/order.hidden/1"
        assert self.call("audit", "alpha", "PUT", path, json=document).status_code == 201
        return {"action": "order.hidden"}


def _platform_clients() -> list[Json]:
    admin = {
        "id": "admin",
        "name": "Admin",
        "grant_types": ["client_credentials"],
        "scopes": [],
        "permissions": ["auth:admin"],
    }
    house = {"auth_method": "none", "redirect_uris": [CALLBACK], "skip_consent": True}
    return [admin, {"id": "house", "name": "House", **house}]
