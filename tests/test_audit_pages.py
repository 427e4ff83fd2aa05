"""The auth service, the audit service and a witness in one process, and a person with a browser and no JavaScript."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from central_home import wait_until
from combinations import ROOT
from processes import clean_environment, rendered_python, run_in
from test_docs_page import CHROMIUM_FLAGS

pytestmark = pytest.mark.slow

PREFIX = "CENTRAL_SERVICES_"
EMAIL = "eve@example.com"
LIMIT_S = 60


@dataclass
class Services:
    """Services that run.

    Attributes:
        folder: Where their data is.
        ports: Where each listens.
        password: That of the person who may read.
        secret: That of the client that sends events.
    """

    folder: Path
    ports: dict[str, int]
    password: str = ""
    secret: str = ""

    def url(self, name: str) -> str:
        """Return the address of one."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def environment(self) -> dict[str, Any]:
        """The settings of their process."""
        found = {
            "ENVIRONMENT": "test",
            "DATABASE__URL": f"sqlite:///{self.folder / 'service.db'}",
            "AUDIT__PATH": str(self.folder / "own-trail"),
            "JOBS__PATH": str(self.folder / "jobs.db"),
            "RATE_LIMIT__REQUESTS_PER_MINUTE": "1000000",
            "AUTH__ISSUER": self.url("auth"),
            "AUTH__DEVELOPMENT_KEY_FILE": str(self.folder / "auth.key"),
            "AUDIT_SERVICE__URL": self.url("audit"),
            "CENTRAL_AUTH__ISSUER": self.url("auth"),
            "CENTRAL_AUDIT__ENABLED": "false",
            "AUDIT_SERVICE__PATH": str(self.folder / "keys"),
            "AUDIT_SERVICE__WITNESSES": self.url("witness"),
            "WITNESS__LOG_LISTS": self.url("audit"),
            "WITNESS__DEVELOPMENT_KEY_FILE": str(self.folder / "witness.key"),
        }
        source = {"PYTHONPATH": str(ROOT / "central-services/src")}
        return source | {f"{PREFIX}{name}": value for name, value in found.items()}

    def command(self, *arguments: str) -> str:
        """Run a command of the project and return what it prints."""
        argv = ("python", "-m", "central_services", *arguments)
        return run_in(self.folder, *argv, **self.environment).stdout

    def prepare(self) -> None:
        """Make the database, a person who may read, and the clients."""
        self.password = f"Quiet-{secrets.token_urlsafe(12)}"
        self.command("db", "upgrade")
        self.command("auth", "add-organisation", "acme", "--name", "Acme")
        self.command("auth", "set-role", "acme", "auditor", "--permission", "audit:read")
        person = ("--organisation", "acme", "--name", "Eve", "--role", "auditor")
        self.command("auth", "add-user", EMAIL, *person, "--password", self.password)
        audience = [self.url("audit")]
        pages = {
            "id": "audit-pages",
            "name": "Audit",
            "auth_method": "none",
            "skip_consent": True,
            "redirect_uris": [f"{self.url('audit')}/ui/callback"],
            "scopes": ["openid"],
            "audiences": audience,
        }
        sender = {
            "id": "orders",
            "name": "Orders",
            "organisation": "acme",
            "grant_types": ["client_credentials"],
            "scopes": ["audit"],
            "permissions": ["audit:write"],
            "audiences": audience,
        }
        self.command("auth", "add-client", json.dumps(pages))
        made = json.loads(self.command("auth", "add-client", json.dumps(sender)))
        self.secret = made["client_secret"]

    def send(self, *events: dict[str, Any]) -> None:
        """Send events as the project does, and wait until the witness has cosigned them."""
        with httpx2.Client(timeout=30) as http:
            form = {"grant_type": "client_credentials"}
            address = f"{self.url('auth')}/oauth2/token"
            answer = http.post(address, data=form, auth=("orders", self.secret))
            token = answer.json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            answer = http.post(
                f"{self.url('audit')}/v1/events",
                content=json.dumps(events),
                headers={"Content-Type": "application/cloudevents-batch+json"},
            )
            assert answer.status_code == 200, answer.text
            wanted = {"ids": [event["id"] for event in events]}

            def arrived() -> bool:
                found = http.post(f"{self.url('audit')}/v1/receipts", json=wanted).json()
                return len(found["receipts"]) == len(events)

            wait_until(arrived, "cosigned receipts", LIMIT_S)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has, below those that the system hands out to others meanwhile."""
    found: list[int] = []
    while len(found) < count:
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Start the three services in one process."""
    names = ("auth", "audit", "witness")
    running = Services(tmp_path, dict(zip(names, free_ports(3), strict=True)))
    running.prepare()
    ports = [word for name in names for word in ("--port", f"{name}={running.ports[name]}")]
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [rendered_python(), "-m", "central_services.command_line", "serve", *names, *ports],
            cwd=tmp_path,
            env=clean_environment(**running.environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            for name in names:
                wait_ready(running.url(name), process, log)
            yield running
        finally:
            process.terminate()
            assert process.wait(timeout=LIMIT_S) == 0, log.read_text()[-3_000:]


def wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a service says that it is ready."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        assert process.poll() is None, log.read_text()
        try:
            if httpx2.get(f"{url}/health/ready").status_code == 200:
                return
        except httpx2.TransportError:
            pass  # it does not listen yet
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)  # between two looks


def event(number: int, actor: str) -> dict[str, Any]:
    """Return an event."""
    data = {
        "class_uid": 6003,
        "activity_name": "order.shipped",
        "status_detail": "success",
        "message": f"Parcel {number} left the house",
        "actor": {"user": {"uid": actor, "type_id": 1}},
    }
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "urn:slipway:acme_orders",
        "type": "audit.order.shipped",
        "time": f"2026-11-22T10:00:{number:02d}Z",
        "subject": f"order:{number}",
        "data": data,
    }


def complaint_of(message: Any) -> list[str]:
    """Return what a browser complains about; an icon that no page names it asks for by itself."""
    address = message.location["url"]
    is_icon = address.endswith("/favicon.ico")
    return [f"{message.text} {address}"] if message.type == "error" and not is_icon else []


def test_person_signs_in_searches_follows_and_checks_a_proof(
    services: Services, tmp_path: Path
) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only this test needs a browser

    services.send(event(1, "ada"), event(2, "bob"), event(3, "ada"))
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        try:
            page = browser.new_context(java_script_enabled=False).new_page()
            page.on("console", lambda message: complaints.extend(complaint_of(message)))
            page.goto(f"{services.url('audit')}/ui/")
            page.fill("input[name=email]", EMAIL)
            page.fill("input[name=password]", services.password)
            page.click("button[type=submit]")
            rows = page.locator("tbody tr")
            assert rows.count() == 3
            page.get_by_role("link", name="ada").first.click()
            assert page.locator("h1").inner_text() == "ada through time"
            assert rows.count() == 2
            page.locator("tbody tr a").first.click()
            page.screenshot(path=tmp_path / "event.png")
            page.get_by_role("button", name="Check this proof").click()
            proven = page.get_by_role("status").inner_text()
            assert "Proven: this event is entry 2" in proven
            assert "Cosigned by central-services/witness" in proven
            changed = page.locator("textarea[name=event]").input_value().replace("ada", "eve")
            page.locator("textarea[name=event]").fill(changed)
            page.get_by_role("button", name="Check", exact=True).click()
            assert "Not proven" in page.get_by_role("alert").inner_text()
            page.get_by_role("button", name="Sign out").click()
            assert page.locator("h1").inner_text() == "Check a proof"
        finally:
            browser.close()
    assert complaints == []
