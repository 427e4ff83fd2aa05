# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of `auth`, against a real issuer."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from central_services.cli import app
from central_services.core.config import ENV_PREFIX
from tests.auth_fixtures import Issuer

PREFIX = f"{ENV_PREFIX}CENTRAL_AUTH__"


def test_keys_of_the_issuer_are_shown(issuer: Issuer):
    done = CliRunner().invoke(app, ["auth", "keys"])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{list(issuer.keys)[-1]}\tES256\n"


def test_issuer_that_can_not_be_reached_is_said_in_a_line(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, unused_port: int
):
    monkeypatch.setenv(f"{PREFIX}ISSUER", f"http://127.0.0.1:{unused_port}")
    done = CliRunner().invoke(app, ["auth", "keys"])
    assert done.exit_code == 1
    assert "can't be checked" in done.stderr
    assert f"127.0.0.1 port {unused_port}" in done.stderr


def test_token_is_explained_or_what_is_wrong_with_it(issuer: Issuer):
    good = CliRunner().invoke(app, ["auth", "explain"], input=issuer.token("orders:read"))
    assert json.loads(good.stdout)["permissions"] == ["orders:read"]
    bad = CliRunner().invoke(app, ["auth", "explain"], input=issuer.token(aud="other"))
    assert bad.exit_code == 1
    assert "meant for others" in bad.stderr


def test_own_token_is_printed(issuer: Issuer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}CLIENT_ID", "me")
    monkeypatch.setenv(f"{PREFIX}CLIENT_SECRET", "secret")
    done = CliRunner().invoke(app, ["auth", "token", "urn:test:stock"])
    assert done.exit_code == 0, done.output
    assert done.stdout.count(".") == 2
    assert issuer.issued[0]["resource"] == "urn:test:stock"
