# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Redirects: which are followed, and what goes along."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from central_services.clients import errors

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("logs")]


async def test_streaming_body_is_not_sent_to_where_a_redirect_leads(make, http_server, answer):
    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    async with http_server(answer(307, location="/other"), answer()) as server, make() as client:
        with pytest.raises(errors.RedirectError, match="can't be repeated"):
            await client.put(server.url(), content=body())
    assert len(server.requests) == 1


async def test_redirects_are_followed(make, http_server, answer):
    async with http_server(answer(302, location="/next"), answer()) as server, make() as client:
        response = await client.post(server.url())
    assert [r.method for r in server.requests] == ["POST", "GET"]
    assert [r.status_code for r in response.history] == [302]


async def test_redirects_can_be_left_alone(make, http_server, answer):
    async with http_server(answer(302, location="/next")) as server, make() as client:
        response = await client.get(server.url(), follow_redirects=False)
    assert response.status_code == 302


async def test_redirect_loop_ends(make, http_server, answer):
    async with http_server(answer(302, location="/")) as server, make() as client:
        with pytest.raises(errors.RedirectError, match="more than 10"):
            await client.get(server.url())


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://a:port/", "gopher://example.com/"]
)
async def test_redirect_to_elsewhere_than_http_is_refused(make, http_server, answer, location):
    async with http_server(answer(302, location=location)) as server, make() as client:
        with pytest.raises(errors.RedirectError):
            await client.get(server.url())


async def test_credentials_stay_with_their_origin(make, http_server, answer):
    secrets = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Cookie": "sid=s3cret"}
    async with (
        http_server() as other,
        http_server(answer(307, location="/same"), answer(307, location=other.url())) as first,
        make(headers=secrets, auth=httpx2.BasicAuth("user", "s3cret")) as client,
    ):
        await client.get(first.url())
    assert first.requests[1].headers["x-api-key"] == "s3cret"
    assert "s3cret" not in str(other.requests)
    assert "authorization" not in other.requests[0].headers


async def test_redirect_from_https_to_http_is_refused(make):
    answers = httpx2.MockTransport(
        lambda _: httpx2.Response(302, headers={"location": "http://example.com/"})
    )
    async with make(transport=answers) as client:
        with pytest.raises(errors.RedirectError, match="from https to http"):
            await client.get("https://example.com/")
