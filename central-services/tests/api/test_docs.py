# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The documentation page needs nothing but this server."""

from __future__ import annotations

import re

import pytest

from central_services.core.config import ENV_PREFIX

pytestmark = pytest.mark.anyio


async def test_every_asset_of_the_page_is_served_here(serve) -> None:
    async with serve() as api:
        page = await api.get("/docs")
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(links) == 4
        for link in links:
            assert "//" not in link
            answer = await api.get(f"/{link}")
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(("text/", "image/png"))


async def test_the_page_has_no_inline_script(serve) -> None:
    async with serve() as api:
        assert re.findall(r"<script>|\son\w+=", (await api.get("/docs")).text) == []


async def test_an_asset_is_revalidated_instead_of_sent_again(serve) -> None:
    async with serve() as api:
        first = await api.get("/docs/assets/start.js")
        tag = first.headers["etag"]
        again = await api.get("/docs/assets/start.js", headers={"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "__init__.py", "..%2F__init__.py"])
async def test_only_the_assets_are_served(serve, name: str) -> None:
    async with serve() as api:
        assert (await api.get(f"/docs/assets/{name}")).status_code == 404


async def test_production_serves_no_documentation(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}SECURITY__ALLOWED_HOSTS", "testserver")
    async with serve(environment="production") as api:
        assert (await api.get("/docs")).status_code == 404
        assert (await api.get("/openapi.json")).status_code == 404
