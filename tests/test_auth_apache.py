"""mod_auth_openidc, unmodified, as a relying party of the auth service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from apache_server import Apache, free_port, installed
from auth_process import AuthService
from platform_logins import UserAgent

pytestmark = [pytest.mark.slow, pytest.mark.whole]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[tuple[AuthService, Apache]]:
    program = installed()
    if program is None:
        pytest.skip(
            "mod_auth_openidc is not installed: scripts/test --all installs it where it may"
        )
    port = free_port()
    client = {
        "id": "apache",
        "name": "Apache",
        "redirect_uris": [f"http://127.0.0.1:{port}/callback"],
        "post_logout_redirect_uris": [f"http://127.0.0.1:{port}/goodbye"],
    }
    auth = AuthService("urn:slipway:acme-orders", clients=[client])
    try:
        # A user with no rights in the folder serves where root started it.
        apache = Apache(program, tmp_path, port, auth.url, auth.made["secrets"]["apache"])
        try:
            yield auth, apache
        finally:
            apache.stop()
    finally:
        auth.stop()


def test_user_logs_in_at_apache_and_out_again(services: tuple[AuthService, Apache]) -> None:
    auth, apache = services
    email = auth.made["email"]
    with (
        UserAgent(auth.url, email, auth.made["password"]) as browser,
        httpx2.Client(base_url=apache.url, timeout=60) as site,
    ):
        asked = site.get("/page")
        assert asked.status_code == 302, asked.text + apache.log()
        came = browser.visit(asked.headers["location"])
        assert browser.seen == ["/login", "/consent"]
        back = site.get(came)
        assert back.status_code == 302, back.text + apache.log()
        assert back.headers["location"] == f"{apache.url}/page"
        page = site.get("/page")
        assert (page.status_code, page.headers["x-user"]) == (200, email)

        hook = "/callback?info=json"
        told = site.get(hook).json()
        assert told["userinfo"]["email"] == told["id_token"]["email"] == email
        refreshed = site.get(f"{hook}&access_token_refresh_interval=0").json()
        assert refreshed["refresh_token"] != told["refresh_token"]

        leaving = site.get("/callback", params={"logout": f"{apache.url}/goodbye"})
        assert leaving.headers["location"].startswith(f"{auth.url}/logout?")
        assert browser.visit(leaving.headers["location"]).startswith(f"{apache.url}/goodbye")
        assert site.get("/page").status_code == 302
