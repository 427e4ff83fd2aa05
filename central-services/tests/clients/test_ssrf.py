# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""More than a thousand ways to lead a client inside; each ends before a connection is tried.

The corpus is generated: addresses of the IANA registries and of cloud metadata services, times the
ways to write them, to resolve to them, and to redirect to them. Names are resolved by a table and
connections are noted and, to public addresses only, answered by a server in this process, so no
test touches a network.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import parse_qs, quote, urlsplit

import httpcore2
import httpx2
import pytest

from central_services.clients.errors import (
    BlockedAddressError,
    HttpClientError,
    InvalidUrlError,
    RedirectError,
)
from central_services.clients.http import HttpClient
from central_services.clients.sockets import connect
from central_services.clients.ssrf import AddressPolicy, GuardedBackend
from central_services.clients.transport import BoundedTransport, guarded_transport
from central_services.core.config import HttpClientSettings
from central_services.utils.addresses import is_public_address

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("logs")]

PUBLIC = (
    "8.8.8.8",
    "1.1.1.1",
    "93.184.216.34",
    "151.101.1.140",
    "2606:4700::1111",
    "2a00:1450::8a",
)
INSIDE_4 = (  # noqa: SIM905  # as a list it would be a page long
    "127.0.0.1 10.0.0.1 172.16.0.1 192.168.0.1 169.254.169.254 169.254.170.2 100.64.0.1"
    " 100.100.100.200 0.0.0.0 168.63.129.16 192.0.0.192 192.0.2.1 198.18.0.1 203.0.113.9"
    " 224.0.0.1 240.0.0.1 255.255.255.255 192.88.99.1"
).split()
INSIDE_6 = (  # noqa: SIM905  # the same
    "::1 :: fe80::1 fc00::1 fd00:ec2::254 fd20:ce::254 fec0::1 ff02::1 100::1 100:0:0:1::1 2001:db8::1"
    " 2001:2::1 2001:10::1 3fff::1 5f00::1 2002:7f00:1::1 2001::7f00:1 64:ff9b:1::1"
).split()
LOCAL_NAMES = (  # noqa: SIM905  # the same
    "localhost localhost.localdomain db.localhost ip6-localhost metadata metadata.google.internal"
    " metadata.goog instance-data instance-data.ec2.internal printer.local nas.home.arpa"
    " kubernetes.default.svc api.default.svc.cluster.local metadata.tencentyun.com localtest.me"
    " app.lvh.me"
).split()
SCHEMES = ("file", "gopher", "ftp", "dict", "ldap", "tftp", "sftp", "jar", "data", "ws")


@dataclass
class Network:
    """A resolver and a connector (see `Resolver` and `Connector`) that stay in this process."""

    port: int
    names: dict[str, list[list[str]]] = field(default_factory=dict)  # the last answer stays
    attempts: list[str] = field(default_factory=list)

    async def resolve(self, host, port) -> list[IPv4Address | IPv6Address]:  # noqa: ARG002  # as in Resolver
        """Answer from the table; like the C library, read every old spelling of an address."""
        if host in self.names:
            answers = self.names[host]
            texts = answers.pop(0) if len(answers) > 1 else answers[0]
            return [ip_address(text) for text in texts]
        try:
            return [IPv4Address(socket.inet_aton(host.rstrip(".")))]
        except OSError:
            raise socket.gaierror(socket.EAI_NONAME, "unknown") from None

    async def connect(self, address, port, *, timeout_s, options):  # noqa: ARG002  # as in Connector
        self.attempts.append(str(address))
        if not is_public_address(address):
            raise httpcore2.ConnectError("noted")
        return await connect(IPv4Address("127.0.0.1"), self.port, timeout_s=1, options=None)

    @property
    def breaches(self) -> list[str]:
        return [text for text in self.attempts if not is_public_address(text)]


class NoPolicy(AddressPolicy):
    """What a client without a guard does: whatever it is told."""

    def check_host(self, host, port):  # noqa: ARG002  # as in AddressPolicy
        try:
            return ip_address(host)
        except ValueError:
            return None

    def check_answers(self, host, addresses):
        pass


def answer(received) -> bytes:
    """Redirect to `to` with the status in the path, or answer 200."""
    parts = urlsplit(received.target)
    if not parts.path.startswith("/redirect/"):
        return b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    target = parse_qs(parts.query)["to"][0].encode("utf-8")
    status = parts.path.removeprefix("/redirect/").encode()
    return b"HTTP/1.1 %s X\r\nlocation: %s\r\ncontent-length: 0\r\n\r\n" % (status, target)


@pytest.fixture
async def network(http_server) -> AsyncIterator[Network]:
    async with http_server(answer) as server:
        yield Network(server.port, {"public.example": [["93.184.216.34"]]})


@asynccontextmanager
async def opened(network: Network, *, guard=True, **settings) -> AsyncGenerator[HttpClient]:
    settings = HttpClientSettings(max_retries=0, breaker_failures=1_000_000, **settings)
    if guard:
        transport = guarded_transport(settings, resolver=network.resolve, connector=network.connect)
    else:
        backend = GuardedBackend(NoPolicy(), resolver=network.resolve, connector=network.connect)
        transport = BoundedTransport(backend)
    async with HttpClient(settings, transport=transport) as client:
        yield client


def spellings(text: str) -> Iterator[str]:
    """Yield hosts that some parser reads as this IPv4 address."""
    a, b, c, d = text.split(".")
    number = int(IPv4Address(text))
    yield from (text, f"{text}.", f"{number}", f"{number:#x}", f"{number:#o}".replace("o", "0"))
    yield from (f"0X{number:08X}", f"0{number:#o}".replace("o", ""))
    yield ".".join(f"{int(part):#x}" for part in (a, b, c, d))
    yield ".".join(f"0{int(part):o}" for part in (a, b, c, d))
    yield ".".join(f"{int(part):05o}" for part in (a, b, c, d))
    yield f"0x{int(a):x}.0{int(b):o}.{c}.{d}"
    yield f"{a}.{b}.{number & 0xFFFF}"
    yield f"{a}.{number & 0xFFFFFF:#x}"
    yield text.replace(".", "%2e")
    yield text.translate({ord(str(n)): 0xFF10 + n for n in range(10)})
    yield text.replace(".", "\u3002")
    yield from (f"public.example@{text}", f"public.example:80@{text}", f"public.example%40@{text}")
    yield from (f"public.example\\@{text}", f"{text}:8080", f"{text}?@public.example")
    yield from (f"[::ffff:{text}]", f"[0:0:0:0:0:ffff:{number >> 16:x}:{number & 0xFFFF:x}]")
    yield from (f"[::{text}]", f"[::ffff:0:{text}]", f"[64:ff9b::{text}]", f"[64:ff9b:1::{text}]")
    yield f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]"
    yield f"[2001:0:{number >> 16:x}:{number & 0xFFFF:x}::1]"
    yield f"[2001:0:808:808:0:ffff:{~number >> 16 & 0xFFFF:x}:{~number & 0xFFFF:x}]"
    yield f"[2606:4700::5efe:{text}]"


def hostile(network: Network) -> Iterator[tuple[str, str]]:
    """Yield a kind and a URL; what the URL needs is put into the network's table."""
    for text in INSIDE_4:
        yield from (("spelling", f"http://{host}/") for host in spellings(text))
        dashed, number = text.replace(".", "-"), int(IPv4Address(text))
        for name in (f"{text}.nip.io", f"app-{dashed}.sslip.io", f"{number:08x}.nip.io"):
            network.names[name] = [[text]]
            yield "echoing name", f"http://{name}/"
    for text in INSIDE_6:
        for host in (text, text.upper(), IPv6Address(text).exploded, f"{text}%25eth0"):
            yield "spelling", f"http://[{host}]/"
    for position, text in enumerate((*INSIDE_4, *INSIDE_6)):
        answers: dict[str, list[str]] = {
            "alone": [text],
            "first": [text, "1.1.1.1"],
            "last": ["1.1.1.1", text],
        }
        for place, answer in answers.items():
            network.names[f"{place}-{position}.example"] = [answer]
            yield "resolved", f"http://{place}-{position}.example:8443/"
        network.names[f"rebinding-{position}.example"] = [["1.1.1.1"], [text]]
        yield "rebinding", f"http://rebinding-{position}.example/"
        host = f"[{text}]" if ":" in text else text
        for status in (301, 302, 303, 307, 308):
            target = quote(f"http://{host}/", safe="")
            yield "redirect", f"http://public.example/redirect/{status}?to={target}"
    for name in LOCAL_NAMES:
        network.names[name] = network.names[f"{name}."] = [["127.0.0.1"]]
        yield from (("name", f"http://{host}/") for host in (name, name.upper(), f"{name}."))
    yield from (("scheme", f"{scheme}://127.0.0.1/") for scheme in SCHEMES)


def benign(network: Network) -> Iterator[str]:
    """Yield URLs that must work; one refused is a false alarm."""
    for position, text in enumerate(PUBLIC):
        host = f"[{text}]" if ":" in text else text
        yield from (f"http://{host}/", f"http://{host}:8080/a?b=c", f"http://user:pw@{host}/")
        for name in (
            f"api-{position}.example",
            f"10-0-0-{position}.hosting.example",
            f"n{position}",
        ):
            network.names[name] = [[text], [text, "8.8.4.4"]]
            yield from (f"http://{name}/", f"http://{name.upper()}:81/")
        for status in (301, 302, 303, 307, 308):
            target = quote(f"http://{host}/", safe="")
            yield f"http://public.example/redirect/{status}?to={target}"
    for text in PUBLIC[:4]:
        yield from (f"http://[::ffff:{text}]/", f"http://[64:ff9b::{text}]/")
        for name in (f"{text}.nip.io", f"app-{text.replace('.', '-')}.sslip.io"):
            network.names[name] = [[text]]
            yield f"http://{name}/"
    for name in ("xn--bcher-kva.example", "a_b.example", "1.2.3.example", "local.example"):
        network.names[name] = network.names[f"{name}."] = [["8.8.8.8"]]
        yield from (f"http://{name}/", f"http://{name}./")
    yield "http://b\u00fccher.example/"
    for text in INSIDE_4:
        yield f"http://public.example/?next=http://{text}/#@{text}"


async def run(client: HttpClient, network: Network, kind: str, url: str) -> tuple[str, list[str]]:
    """Call a URL, twice where the second answer is the hostile one.

    Returns:
        The name of the error, and which addresses were tried.
    """
    network.attempts.clear()
    async with AsyncExitStack() as stack:
        if kind == "rebinding":
            # A connection that is being read can't be reused, so the name is asked again.
            await stack.enter_async_context(client.stream("GET", url))
            assert network.attempts.pop() == "1.1.1.1"
        try:
            await client.get(url)
        except HttpClientError as error:
            return type(error).__name__, list(network.attempts)
    return "", list(network.attempts)


async def test_every_hostile_url_is_refused_before_a_connection_is_tried(network):
    refused = (BlockedAddressError, InvalidUrlError, RedirectError)
    names = {cls.__name__ for base in refused for cls in (base, *base.__subclasses__())}
    wrong, number = [], 0
    async with opened(network) as client:
        for kind, url in hostile(network):
            error, attempts = await run(client, network, kind, url)
            number += 1
            # The redirecting host itself is public, and its connection may be a pooled one.
            allowed = ([], ["93.184.216.34"]) if kind == "redirect" else ([],)
            if error not in names or attempts not in allowed:
                wrong.append((kind, url, error, attempts))
    assert wrong == []
    assert number >= 1_000


async def test_without_the_guard_the_same_urls_get_inside(network):
    inside, number = 0, 0
    async with opened(network, guard=False) as client:
        for kind, url in hostile(network):
            await run(client, network, kind, url)
            number += 1
            inside += bool(network.breaches)
    assert inside >= 0.8 * number


async def test_every_benign_url_reaches_a_public_address(network):
    wrong, number = [], 0
    for url in benign(network):
        network.attempts.clear()
        async with opened(network) as client:
            response = await client.get(url)
        number += 1
        if response.status_code != 200 or not network.attempts or network.breaches:
            wrong.append((url, response.status_code, list(network.attempts)))
    assert wrong == []
    assert number >= 100


async def test_name_is_resolved_once_and_kept_in_the_request(network, http_server):
    network.names["once.example"] = [["1.1.1.1"], ["127.0.0.1"]]
    async with opened(network) as client:
        response = await client.get("http://once.example/")
    assert network.attempts == ["1.1.1.1"]
    assert response.request.headers["host"] == "once.example"


async def test_next_address_is_tried_when_one_does_not_answer(network):
    tried = []

    async def refuse_first(address, port, *, timeout_s, options):
        tried.append(str(address))
        if len(tried) == 1:
            raise httpcore2.ConnectTimeout("silent")
        return await connect(IPv4Address("127.0.0.1"), network.port, timeout_s=1, options=None)

    network.names["two.example"] = [["1.1.1.1", "8.8.8.8"]]
    backend = GuardedBackend(AddressPolicy(), resolver=network.resolve, connector=refuse_first)
    async with httpx2.AsyncClient(transport=BoundedTransport(backend)) as client:
        assert (await client.get("http://two.example/")).status_code == 200
    assert tried == ["1.1.1.1", "8.8.8.8"]


ALLOWED = ("db.internal", "*.svc.cluster.local", "10.1.0.0/16", "[fd12::7]", "127.0.0.1")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("db.internal", "10.9.9.9"),
        ("DB.internal.", "10.9.9.9"),
        ("stock.svc.cluster.local", "100.64.3.2"),
        ("elsewhere.example", "10.1.2.3"),
        ("10.1.255.255", "10.1.255.255"),
        ("[fd12::7]", "fd12::7"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
async def test_listed_hosts_and_networks_may_be_called(network, host, address):
    network.names[host.lower()] = [[address]]
    async with opened(network, allowed_internal_hosts=ALLOWED) as client:
        with pytest.raises(HttpClientError, match="noted"):
            await client.get(f"http://{host}/")
    assert network.attempts == [address]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("xdb.internal", "10.9.9.9"),
        ("a.db.internal", "10.9.9.9"),
        ("svc.cluster.local", "100.64.3.2"),
        ("evil-svc.cluster.local", "100.64.3.2"),
        ("elsewhere.example", "10.2.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("127.1", "127.0.0.1"),
        ("db.internal", "169.254.169.254"),
        ("db.internal", "100.100.100.200"),
        ("db.internal", "fd00:ec2::254"),
        ("db.internal", "fe80::1"),
        ("stock.svc.cluster.local", "168.63.129.16"),
    ],
)
async def test_neighbours_of_listed_hosts_are_refused(network, host, address):
    network.names[host] = [[address]]
    async with opened(network, allowed_internal_hosts=ALLOWED) as client:
        with pytest.raises(BlockedAddressError):
            await client.get(f"http://{host}/")
    assert network.attempts == []


@pytest.mark.parametrize("entry", ["*", "http://db", "db:5432", "10.0.0.1/8", "1.2.3", "", "a b"])
def test_entry_that_is_no_host_is_refused_with_advice(entry):
    with pytest.raises(ValueError, match="is not a host: write"):
        AddressPolicy([entry])


def test_ports_can_be_limited():
    policy = AddressPolicy(allowed_ports=(443,))
    with pytest.raises(BlockedAddressError, match="port 22"):
        policy.check_host("example.com", 22)
    assert policy.check_host("example.com", 443) is None


async def test_unix_sockets_are_refused():
    with pytest.raises(BlockedAddressError):
        await GuardedBackend(AddressPolicy()).connect_unix_socket("/var/run/docker.sock")


async def test_slow_resolver_is_a_connect_timeout():
    async def never(host, port):
        await asyncio.Event().wait()

    backend = GuardedBackend(AddressPolicy(), resolver=never)
    with pytest.raises(httpcore2.ConnectTimeout, match="resolving"):
        await backend.connect_tcp("example.com", 80, 0.01)


async def test_unknown_name_is_a_connect_error(network):
    async with opened(network) as client:
        with pytest.raises(HttpClientError, match=r"unknown\.example can't be resolved"):
            await client.get("http://unknown.example/")


async def test_own_httpx2_client_sees_an_error_of_httpx2(network):
    transport = guarded_transport(HttpClientSettings(), connector=network.connect)
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
        with pytest.raises(httpx2.HTTPError, match="ALLOWED_INTERNAL_HOSTS") as caught:
            await client.get("http://127.0.0.1/")
    assert isinstance(caught.value, BlockedAddressError)
    assert caught.value.request.url.host == "127.0.0.1"
