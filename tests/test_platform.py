"""The platform end to end: `central up`, a project with both clients, a login, and what can be proven of it."""

import base64
import json
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest
import rfc8785
from booting import Service, serving
from central_home import Central, listens, wait_until
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from platform_logins import CALLBACK, user_token
from processes import run_in
from pymerkle import InvalidProof
from pymerkle.core import _inclusion_path_layout
from pymerkle.proof import InclusionProof
from rendering import Renderer, copy_project, slug_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("central")]

PREFIX = "ACME_ORDERS_"
AUDIENCE = "urn:slipway:acme-orders"
PASSWORD = secrets.token_urlsafe(24)
ORDER = {"currency": "EUR", "lines": [{"sku": "TEA-1", "quantity": 1, "unit_price": 450}]}


@dataclass
class Platform:
    """All that runs.

    Attributes:
        central: The engines and services.
        project: The project, and the settings that connect it.
        settings: Those.
        orders: The project, serving.
        tokens: Those that read the audit log, by organisation; they live for minutes.
    """

    central: Central
    project: Path
    settings: dict[str, str]
    orders: Service
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.settings[f"{PREFIX}CENTRAL_AUTH__ISSUER"]

    @property
    def audit(self) -> str:
        return self.settings[f"{PREFIX}CENTRAL_AUDIT__URL"]

    def place(self, token: str) -> int:
        """Place an order, and return the status."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        return self.orders.call("POST", "/orders", json.dumps(ORDER).encode(), **headers).status

    def token(self, audience: str, *permissions: str, organisation: str = "acme") -> str:
        """Return a token to try things with."""
        options = [option for name in permissions for option in ("--permission", name)]
        words = ("token", "--audience", audience, "--organisation", organisation, *options)
        return self.central(*words).stdout.strip()

    def asked(self, path: str, *, organisation: str = "acme", **query: str) -> Any:
        """Return what the audit service says to who may read an organisation's log."""
        if organisation not in self.tokens:
            made = self.token(self.audit, "audit:read", organisation=organisation)
            self.tokens[organisation] = made
        headers = {"authorization": f"Bearer {self.tokens[organisation]}"}
        answer = httpx2.get(f"{self.audit}{path}", params=query, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def command(self, *words: str) -> str:
        """Run a command of the project, and return what it prints."""
        settings: dict[str, Any] = {**self.settings}
        return run_in(
            self.project, "python", "-m", slug_of(self.project), *words, **settings
        ).stdout

    def is_proven(self) -> bool:
        """Tell whether every event of the project was forwarded, and has its receipt."""
        found = json.loads(self.command("audit", "forwarding", "--json"))
        return bool(found["sent"]) and not (found["waiting"] or found["without_receipt"])

    def forward(self) -> bool:
        """Forward what waits now, and tell whether that could be done."""
        settings: dict[str, Any] = {**self.settings}
        words = ("python", "-m", slug_of(self.project), "audit", "forward")
        return run_in(self.project, *words, check=False, **settings).returncode == 0


def said(central: Central, *words: str) -> Any:
    """Return what a command of the auth service prints."""
    return json.loads(central("run", "auth", "auth", *words).stdout)


def fill(central: Central) -> None:
    """Make the organisation, its roles, a clerk and a reader, and the client that they log in with."""
    said(central, "add-organisation", "acme", "--name", "Acme")
    clerk = ("--permission", "orders:read", "--permission", "orders:write")
    said(central, "set-role", "acme", "clerk", *clerk)
    said(central, "set-role", "acme", "reader", "--permission", "orders:read")
    for name, role in (("ada", "clerk"), ("bob", "reader")):
        given = ("--organisation", "acme", "--name", name.title(), "--role", role)
        said(central, "add-user", f"{name}@example.com", *given, "--password", PASSWORD)
    shop = {"id": "spa", "name": "Shop", "auth_method": "none", "redirect_uris": [CALLBACK]}
    said(central, "add-client", json.dumps({**shop, "audiences": [AUDIENCE], "skip_consent": True}))


@pytest.fixture(scope="module")
def platform(render: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with ExitStack() as running:
        central = Central()
        running.callback(central.close)
        central("up", "--detach")
        fill(central)
        connect = ("connect", "acme_orders", "--organisation", "acme", "--json")
        settings: dict[str, str] = json.loads(central(*connect).stdout)
        assert json.loads(central(*connect).stdout) == settings, "once connected it stays so"
        settings |= {
            f"{PREFIX}CENTRAL_AUDIT__INTERVAL_S": "0.2",
            f"{PREFIX}JOBS__EMBEDDED_WORKER": "false",
        }
        made = render(
            "cookiecutter",
            use_central_auth=True,
            use_central_audit=True,
            include_audit_logging=True,
        )
        project = copy_project(made, tmp_path_factory.mktemp("platform") / "acme_orders")
        orders = running.enter_context(serving(project, **settings))
        yield Platform(central, project, settings, orders)


def independently(event: Any, receipt: str, key: str) -> None:
    """Check a receipt with pymerkle, an RFC 8785 library and bare Ed25519: no code of ours.

    Raises:
        InvalidProof: When the event is not in the tree of the checkpoint.
        InvalidSignature: When nobody with this key signed the checkpoint.
    """
    head, _, note = receipt.partition("\n\n")
    version, extra, place, *path = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    salt, index = base64.b64decode(extra.removeprefix("extra ")), int(place.removeprefix("index "))
    origin, size, root = note.split("\n")[:3]
    leaf = sha256(b"\x00" + sha256(salt + rfc8785.dumps(event)).digest()).digest()
    rule, _ = _inclusion_path_layout(index + 1, int(size))
    hashes = [leaf, *map(base64.b64decode, path)]
    proof = InclusionProof("sha256", True, int(size), index + 1, rule, hashes)
    proof.verify(leaf, base64.b64decode(root), index=index + 1, size=int(size))
    name, _, rest = key.partition("+")
    public = base64.b64decode(rest.partition("+")[2])[1:]
    text, _, signatures = note.partition("\n\n")
    mine = [line.split(" ")[2] for line in signatures.split("\n") if line.startswith(f"— {name} ")]
    assert (origin, len(mine)) == (name, 1)
    signature = base64.b64decode(mine[0])[4:]
    Ed25519PublicKey.from_public_bytes(public).verify(signature, f"{text}\n".encode())


def test_login_is_allowed_and_refused_and_both_are_proven(platform: Platform) -> None:
    ada = user_token(platform.issuer, "ada@example.com", PASSWORD, AUDIENCE)
    bob = user_token(platform.issuer, "bob@example.com", PASSWORD, AUDIENCE)
    assert platform.place(ada) == 201
    assert platform.place(bob) == 403
    assert platform.orders.call("GET", "/orders", authorization=f"Bearer {bob}").status == 200

    wait_until(platform.is_proven, "that everything is forwarded and has its receipt")
    events = platform.asked("/v1/events")["items"]
    denied = [one for one in events if one["outcome"] == "denied"]
    assert len(denied) == 1, events
    known = httpx2.get(f"{platform.audit}/v1/log/keys", timeout=60).json()["keys"]
    (key,) = (key for key in known if key.startswith("central-services/events/acme+"))
    for one in events:
        bundle = json.loads(platform.command("audit", "receipt", one["id"]))
        independently(bundle["event"], bundle["receipt"], key)
        with pytest.raises(InvalidProof):
            independently({**bundle["event"], "id": "another"}, bundle["receipt"], key)
        forged = bundle["receipt"].replace("\n\n", "\n\nx", 1)
        with pytest.raises((InvalidSignature, AssertionError)):
            independently(bundle["event"], forged, key)


def test_login_is_found_in_the_audit_service_and_its_pages_work_without_a_command(
    platform: Platform,
) -> None:
    """The auth service forwards what it records, as itself; nobody registered it, or the pages."""
    user_token(platform.issuer, "ada@example.com", PASSWORD, AUDIENCE)

    def logins() -> list[Any]:
        found = platform.asked("/v1/events", organisation="platform", action="login.succeeded")
        return list(found["items"])

    wait_until(lambda: bool(logins()), "the login's arrival in the audit service")
    found = logins()[0]
    assert found["event"]["source"] == "central-services/auth"
    assert "ada@example.com" not in json.dumps(found), (
        "an address stays in the auth service's trail"
    )
    keys = platform.central.home / "identities.json"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    with httpx2.Client(timeout=60) as browser:
        away = browser.get(f"{platform.audit}/ui/login")
        page = browser.get(browser.get(away.headers["location"]).headers["location"])
    assert 'name="password"' in page.text, page.text


def test_token_to_try_things_with_permits_what_it_was_asked_for(platform: Platform) -> None:
    writer = platform.token(AUDIENCE, "orders:read", "orders:write")
    reader = platform.token(AUDIENCE, "orders:read")
    assert (platform.place(writer), platform.place(reader)) == (201, 403)


def test_nothing_is_lost_while_the_audit_service_is_down_and_nothing_runs_afterwards(
    platform: Platform,
) -> None:
    ada = user_token(platform.issuer, "ada@example.com", PASSWORD, AUDIENCE)
    bob = user_token(platform.issuer, "bob@example.com", PASSWORD, AUDIENCE)
    assert platform.place(ada) == 201  # so that the keys are known, and nobody need be asked
    before = len(platform.asked("/v1/events")["items"])
    platform.central("down")
    assert not any(listens(port) for port in platform.central.ports().values())
    assert platform.place(ada) == 201
    assert platform.place(bob) == 403
    platform.central("up", "--detach")

    # It would go on by itself, after a pause that grows with each failure.
    wait_until(lambda: platform.forward() and platform.is_proven(), "the refusal's arrival")
    assert len(platform.asked("/v1/events")["items"]) > before
    platform.central("down")
    assert not any(listens(port) for port in platform.central.ports().values())
