# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Connections against real loopback servers, with and without TLS."""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import IPv4Address

import httpcore2
import pytest

from central_services.clients.errors import ConnectionFailedError
from central_services.clients.http import HttpClient
from central_services.clients.sockets import connect
from central_services.clients.transport import guarded_transport
from central_services.core.config import HttpClientSettings

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("logs")]

LOOPBACK = IPv4Address("127.0.0.1")
LIMITS = HttpClientSettings(allowed_internal_hosts=("127.0.0.1",), max_retries=0)


@pytest.fixture
async def echo(listen):
    """Port of a server that sends back what it gets, and closes when it gets an end."""

    async def handle(reader, writer):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()

    async with listen(handle) as port:
        yield port


@pytest.fixture
def anonymous_tls():
    """Contexts of a client and a server that encrypt without certificates, and the names asked for."""
    names: list[str | None] = []
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("aNULL:@SECLEVEL=0")
        contexts.append(context)
    contexts[1].sni_callback = lambda _socket, name, _context: names.append(name)
    return (*contexts, names)


async def test_large_bodies_go_both_ways(echo):
    stream = await connect(LOOPBACK, echo, timeout_s=1, options=None)
    sent = bytes(3_000_000)
    writing = asyncio.create_task(stream.write(sent, 5))
    got = 0
    while got < len(sent):
        got += len(await stream.read(65_536, 5))
    await writing
    await stream.aclose()


async def test_reader_that_is_slow_makes_the_other_side_wait(echo):
    stream = await connect(LOOPBACK, echo, timeout_s=1, options=None)
    with pytest.raises(httpcore2.WriteTimeout):
        await stream.write(bytes(20_000_000), 0.03)
    await stream.aclose()


async def test_silence_is_a_read_timeout(echo):
    stream = await connect(LOOPBACK, echo, timeout_s=1, options=None)
    with pytest.raises(httpcore2.ReadTimeout):
        await stream.read(1, 0.01)
    await stream.aclose()


async def test_closed_connection_takes_no_more(echo):
    stream = await connect(LOOPBACK, echo, timeout_s=1, options=None)
    await stream.aclose()
    with pytest.raises(httpcore2.WriteError):
        await stream.write(b"late", 1)


async def test_port_that_nobody_listens_on_is_a_connect_error(unused_port):
    with pytest.raises(httpcore2.ConnectError, match=f"port {unused_port}"):
        await connect(LOOPBACK, unused_port, timeout_s=1, options=None)


async def test_server_name_of_the_url_is_used_with_a_vetted_address(http_server, anonymous_tls):
    client_side, server_side, names = anonymous_tls

    async def resolve(host, port):
        return [LOOPBACK]

    transport = guarded_transport(LIMITS, resolver=resolve, ssl_context=client_side)
    async with (
        http_server(ssl_context=server_side) as server,
        HttpClient(LIMITS, transport=transport) as client,
    ):
        response = await client.get(f"https://stock.example:{server.port}/")
    assert response.text == "ok"
    assert names == ["stock.example"]
    assert server.requests[0].headers["host"] == f"stock.example:{server.port}"


async def test_server_without_a_certificate_is_refused(http_server, anonymous_tls):
    async with http_server(ssl_context=anonymous_tls[1]) as server, HttpClient(LIMITS) as client:
        with pytest.raises(ConnectionFailedError, match=r"TLS with 127\.0\.0\.1: "):
            await client.get(f"https://127.0.0.1:{server.port}/")
    assert server.requests == []


async def test_server_that_does_not_speak_tls_is_refused(echo):
    async with HttpClient(LIMITS) as client:
        with pytest.raises(ConnectionFailedError, match=r"TLS with 127\.0\.0\.1: "):
            await client.get(f"https://127.0.0.1:{echo}/")
