# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The HTTP client against real servers on the loopback interface."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from central_services.clients import errors
from central_services.utils.context import RequestContext, current_request

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("logs")]


async def test_calls_share_one_connection(make, http_server):
    async with http_server() as server, make() as client:
        for _ in range(3):
            assert (await client.get(server.url())).text == "ok"
    assert (server.connections, len(server.requests)) == (1, 3)


async def test_connection_that_the_server_closed_is_replaced(make, http_server, answer):
    async with http_server(answer(), None, answer()) as server, make(max_retries=1) as client:
        await client.get(server.url())
        assert (await client.get(server.url())).status_code == 200
    assert server.connections == 2


async def test_head_of_a_large_body_is_answered(make, http_server, answer):
    head = answer(body=b"").replace(b"content-length: 0", b"content-length: 99999")
    async with http_server(head) as server, make(max_response_bytes=100) as client:
        assert (await client.head(server.url())).headers["content-length"] == "99999"


async def test_every_method_sends_its_body(make, http_server):
    async with http_server() as server, make(base_url=server.url("/api/")) as client:
        await client.post("items", json={"a": 1})
        await client.put("items", content=b"raw")
        await client.patch("items", data={"b": "2"})
        await client.delete("items", params={"q": "x y"})
        await client.post("items", files={"f": ("a.txt", b"text", "text/plain")})
    sent = [(r.method, r.target, r.body) for r in server.requests]
    assert sent[:4] == [
        ("POST", "/api/items", b'{"a":1}'),
        ("PUT", "/api/items", b"raw"),
        ("PATCH", "/api/items", b"b=2"),
        ("DELETE", "/api/items?q=x+y", b""),
    ]
    assert b'filename="a.txt"' in sent[4][2]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_idempotent_call_is_repeated(make, http_server, answer, sleeps, status):
    async with http_server(answer(status), answer()) as server, make() as client:
        assert (await client.get(server.url())).status_code == 200
    assert len(server.requests) == 2
    assert 0 <= sleeps[0] <= 0.1


@pytest.mark.parametrize("status", [400, 404, 500, 501])
async def test_other_errors_are_returned_at_once(make, http_server, answer, status):
    async with http_server(answer(status)) as server, make() as client:
        assert (await client.get(server.url())).status_code == status
    assert len(server.requests) == 1


async def test_post_is_not_repeated(make, http_server, answer):
    async with http_server(answer(503), answer()) as server, make() as client:
        assert (await client.post(server.url(), json=[])).status_code == 503
    assert len(server.requests) == 1


async def test_post_with_idempotency_key_is_repeated(make, http_server, answer):
    async with http_server(answer(503), answer()) as server, make() as client:
        response = await client.post(server.url(), json=[1], headers={"Idempotency-Key": "k"})
    assert response.status_code == 200
    assert [r.body for r in server.requests] == [b"[1]", b"[1]"]


async def test_post_that_was_cut_off_is_not_repeated(make, http_server):
    async with http_server(None) as server, make() as client:
        with pytest.raises(errors.ConnectionFailedError):
            await client.post(server.url())
    assert len(server.requests) == 1


async def test_get_that_was_cut_off_is_repeated(make, http_server, answer):
    async with http_server(None, answer()) as server, make() as client:
        assert (await client.get(server.url())).status_code == 200


async def test_body_that_breaks_off_is_read_again(make, http_server, answer):
    torn = answer(body=b"whole").replace(b"content-length: 5", b"content-length: 9")

    def tear(_received) -> bytes:
        asyncio.get_running_loop().call_later(0.01, server.answers.append, None)
        return torn

    async with (
        http_server(tear, answer(body=b"whole")) as server,
        make(read_timeout_s=0.03) as client,
    ):
        assert (await client.get(server.url())).text == "whole"


async def test_refused_connection_is_tried_again_for_any_method(make, unused_port, sleeps):
    async with make(max_retries=2) as client:
        with pytest.raises(errors.ConnectionFailedError) as caught:
            await client.post(f"http://127.0.0.1:{unused_port}/")
    assert caught.value.attempts == 3
    assert len(sleeps) == 2


async def test_retry_after_is_honoured(make, http_server, answer, sleeps):
    async with http_server(answer(503, retry_after="7"), answer()) as server, make() as client:
        assert (await client.get(server.url())).status_code == 200
    assert sleeps == [7.0]


async def test_retry_after_beyond_the_deadline_is_not_waited_for(make, http_server, answer, sleeps):
    async with http_server(answer(503, retry_after="60")) as server, make() as client:
        assert (await client.get(server.url(), timeout_s=5)).status_code == 503
    assert sleeps == []


async def test_outage_spends_the_retry_budget(make, http_server, answer):
    settings = {"breaker_failures": 1_000, "retry_budget": 0.2, "max_retries": 2}
    async with http_server(answer(503)) as server, make(**settings) as client:
        for _ in range(50):
            await client.get(server.url())
    assert len(server.requests) == 60  # ten saved-up retries, and none earned


async def test_streaming_body_is_sent_once(make, http_server, answer):
    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    async with http_server(answer(503), answer()) as server, make() as client:
        assert (await client.put(server.url(), content=body())).status_code == 503
    assert [r.body for r in server.requests] == [b"once"]


async def test_open_breaker_sends_nothing_and_one_probe_closes_it(make, http_server, answer):
    now = [100.0]
    settings = {"max_retries": 0, "breaker_failures": 2, "breaker_reset_s": 30.0}
    answers = [answer(500), answer(500), answer()]
    async with http_server(*answers) as server, make(**settings, clock=lambda: now[0]) as client:
        for _ in range(2):
            await client.get(server.url())
        with pytest.raises(errors.CircuitOpenError) as caught:
            await client.get(server.url())
        assert (len(server.requests), caught.value.retry_after_s) == (2, 30.0)
        now[0] += 31
        for _ in range(2):
            assert (await client.get(server.url())).status_code == 200


async def test_only_one_probe_is_under_way(make, http_server, answer):
    now = [100.0]
    release = asyncio.Event()
    settings = {"max_retries": 0, "breaker_failures": 1, "breaker_reset_s": 30.0}
    async with (
        http_server(answer(500), release) as server,
        make(**settings, clock=lambda: now[0]) as client,
    ):
        await client.get(server.url())
        now[0] += 31
        probe = asyncio.create_task(client.get(server.url()))
        for _ in range(2):
            await server.arrivals.get()
        with pytest.raises(errors.CircuitOpenError):
            await client.get(server.url())
        release.set()
        with pytest.raises(errors.ConnectionFailedError):
            await probe


async def test_cancelled_probe_lets_the_next_one_through(make, http_server, answer):
    now = [100.0]
    never = asyncio.Event()
    settings = {"max_retries": 0, "breaker_failures": 1, "breaker_reset_s": 30.0}
    answers = [answer(500), never, answer()]
    async with http_server(*answers) as server, make(**settings, clock=lambda: now[0]) as client:
        await client.get(server.url())
        now[0] += 31
        probe = asyncio.create_task(client.get(server.url()))
        for _ in range(2):
            await server.arrivals.get()
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert (await client.get(server.url())).status_code == 200


async def test_deadline_covers_the_whole_call(make, http_server):
    async with http_server(asyncio.Event()) as server, make() as client:
        with pytest.raises(errors.DeadlineExceededError, match=r"longer than 0\.03 s"):
            await client.get(server.url(), timeout_s=0.03)


async def test_silence_is_a_read_timeout(make, http_server):
    async with (
        http_server(asyncio.Event()) as server,
        make(read_timeout_s=0.02, max_retries=0) as client,
    ):
        with pytest.raises(errors.CallTimeoutError, match="ReadTimeout"):
            await client.get(server.url())


async def test_full_pool_says_what_to_do(make, http_server):
    settings = {"max_connections": 1, "read_timeout_s": 0.02}
    async with http_server(asyncio.Event()) as server, make(**settings, max_retries=0) as client:
        results = await asyncio.gather(
            *(client.get(server.url()) for _ in range(2)), return_exceptions=True
        )
    assert any("HTTP_CLIENT__MAX_CONNECTIONS" in str(error) for error in results)


async def test_announced_length_over_the_limit_is_not_read(make, http_server, answer):
    async with http_server(answer(body=b"x" * 101)) as server, make() as client:
        with pytest.raises(errors.ResponseTooLargeError, match="100 bytes"):
            await client.get(server.url(), max_response_bytes=100)


async def test_chunked_body_over_the_limit_is_cut(make, http_server, answer):
    chunks = b"40\r\n" + b"x" * 64 + b"\r\n"
    endless = answer(body=chunks * 4, transfer_encoding="chunked")
    async with http_server(endless) as server, make(max_response_bytes=100) as client:
        with pytest.raises(errors.ResponseTooLargeError):
            await client.get(server.url())


async def test_compressed_bomb_is_not_unpacked(make, http_server, answer):
    bomb = gzip.compress(bytes(5_000_000))
    async with (
        http_server(answer(body=bomb, content_encoding="gzip")) as server,
        make(max_response_bytes=1_000_000) as client,
    ):
        assert len(bomb) < 10_000
        with pytest.raises(errors.ResponseTooLargeError):
            await client.get(server.url())


async def test_compressed_body_within_the_limit_is_unpacked(make, http_server, answer):
    packed = gzip.compress(b"text")
    async with (
        http_server(answer(body=packed, content_encoding="gzip")) as server,
        make() as client,
    ):
        assert (await client.get(server.url())).text == "text"


async def test_broken_compression_is_an_error(make, http_server, answer):
    async with (
        http_server(answer(body=b"nope", content_encoding="gzip")) as server,
        make() as client,
    ):
        with pytest.raises(errors.InvalidResponseError):
            await client.get(server.url())


async def test_request_id_and_trace_go_along(make, http_server):
    token = current_request.set(RequestContext("req-1", "a" * 32, "b" * 16))
    try:
        async with http_server() as server, make() as client:
            await client.get(server.url())
            await client.get(server.url(), headers={"X-Request-Id": "own"})
    finally:
        current_request.reset(token)
    first, second = (r.headers for r in server.requests)
    assert first["x-request-id"] == "req-1"
    assert first["traceparent"] == f"00-{'a' * 32}-{'b' * 16}-01"
    assert second["x-request-id"] == "own"


async def test_cookies_are_not_kept(make, http_server, answer):
    async with http_server(answer(set_cookie="sid=1")) as server, make() as client:
        await client.get(server.url())
        await client.get(server.url())
    assert "cookie" not in server.requests[1].headers


async def test_error_names_the_call_and_no_secret(make, http_server):
    async with http_server(None) as server, make(max_retries=0) as client:
        url = server.url("/items?token=s3cret").replace("//", "//user:s3cret@")
        with pytest.raises(errors.HttpClientError) as caught:
            await client.get(url)
    text = str(caught.value)
    assert text.startswith(f"stock: GET {server.url('/items')} failed: ")
    assert "s3cret" not in text


async def test_failed_call_is_logged_once_without_secrets(make, http_server, answer, logs):
    async with http_server(answer(503)) as server, make(max_retries=1) as client:
        await client.get(server.url("/items?token=s3cret"), headers={"X-Key": "s3cret"})
    (event,) = logs
    assert event.pop("duration_ms") >= 0
    assert event == {
        "event": "http_call_failed",
        "log_level": "warning",
        "client": "stock",
        "method": "GET",
        "url": server.url("/items"),
        "attempts": 2,
        "status": 503,
    }


async def test_successful_call_is_not_logged(make, http_server, logs, caplog):
    caplog.set_level("INFO")
    async with http_server() as server, make() as client:
        await client.get(server.url("/?token=s3cret"))
    assert logs == []
    assert "s3cret" not in caplog.text


async def test_invalid_header_is_not_repeated_in_the_error(make, http_server):
    async with http_server() as server, make() as client:
        with pytest.raises(errors.HttpClientError) as caught:
            await client.get(server.url(), headers={"X-Key": "s3cret\r\nX: y"})
    assert "s3cret" not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    ["/relative", "ftp://example.com/", "http://", "http://[::1", "http://a:port/", "ws://a/"],
)
async def test_what_is_no_http_url_is_refused(make, url):
    async with make() as client:
        with pytest.raises(errors.InvalidUrlError):
            await client.get(url)


async def test_url_outside_of_the_base_url_is_refused(make):
    async with make(base_url="http://127.0.0.1:1/") as client:
        with pytest.raises(errors.InvalidUrlError, match="another client"):
            await client.get("http://127.0.0.1:2/")


async def test_proxies_of_the_environment_are_ignored(make, http_server, unused_port, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port}")
    async with http_server() as server, make() as client:
        assert (await client.get(server.url())).status_code == 200


async def test_streamed_body_is_read_in_pieces(make, http_server, answer):
    async with (
        http_server(answer(503), answer(body=b"x" * 200_000)) as server,
        make() as client,
        client.stream("GET", server.url()) as response,
    ):
        parts = [part async for part in response.aiter_bytes()]
    assert b"".join(parts) == b"x" * 200_000
    assert len(parts) > 1


async def test_streamed_body_is_limited_too(make, http_server, answer):
    chunks = b"40\r\n" + b"x" * 64 + b"\r\n"
    endless = answer(body=chunks * 4, transfer_encoding="chunked")
    async with http_server(endless) as server, make(max_response_bytes=100) as client:
        with pytest.raises(errors.ResponseTooLargeError, match="stock: GET"):
            async with client.stream("GET", server.url()) as response:
                await response.aread()


async def test_streamed_body_has_the_deadline_of_its_call(make, http_server, answer):
    async with (
        http_server(answer(body=b"slow")) as server,
        make() as client,
        client.stream("GET", server.url(), timeout_s=0.5) as response,
    ):
        await asyncio.sleep(0.51)
        with pytest.raises(errors.DeadlineExceededError):
            await response.aread()


async def test_torn_streamed_body_is_an_error_of_the_client(make, http_server, answer):
    torn = answer(body=b"part").replace(b"content-length: 4", b"content-length: 9")
    async with http_server(torn) as server, make(read_timeout_s=0.02) as client:
        with pytest.raises(errors.CallTimeoutError, match="stock: GET"):
            async with client.stream("GET", server.url()) as response:
                await response.aread()
