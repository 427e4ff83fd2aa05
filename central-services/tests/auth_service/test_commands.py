"""The commands `auth ...`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from joserfc import jwk
from typer.testing import CliRunner, Result

from central_services.auth_service.commands import auth_app
from central_services.auth_service.sealing import Sealer, decode

from .conftest import EMAIL, KEY, copy_database


@pytest.fixture
def run(
    filled: tuple[Path, str, jwk.Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> object:
    """A function that runs a command on a database of its own."""
    url = copy_database(filled[0], tmp_path, "commands")
    for name, value in {
        "DATABASE__URL": url,
        "AUTH__ENCRYPTION_KEY": KEY,
        "AUTH__PASSWORD_HASH_MEMORY_KIB": "8",
        "AUTH__PASSWORD_HASH_PASSES": "1",
        "LOG_LEVEL": "WARNING",
    }.items():
        monkeypatch.setenv(f"CENTRAL_SERVICES_{name}", value)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(auth_app, arguments)

    return invoke


def test_keygen_prints_a_key_that_works() -> None:
    printed = CliRunner().invoke(auth_app, ["keygen"]).stdout.strip()
    assert Sealer(decode(printed))


def test_organisation_role_user_and_client_are_added(run) -> None:
    assert run("add-organisation", "new", "--name", "New").exit_code == 0
    assert run("set-role", "new", "clerk", "--permission", "orders:read").exit_code == 0
    options = ["--organisation", "new", "--name", "Bo", "--password", "quiet-Harbour-3119"]
    user = run("add-user", "bo@example.com", *options, "--role", "clerk")
    assert json.loads(user.stdout)["email"] == "bo@example.com"
    client = run("add-client", '{"name": "Shop", "redirect_uris": ["https://s.example/cb"]}')
    assert len(json.loads(client.stdout)["client_secret"]) == 43


def test_password_is_changed_when_it_is_good(run) -> None:
    weak = run("set-password", EMAIL, "--password", "short")
    assert (weak.exit_code, weak.stdout) == (1, "")
    changed = run("set-password", EMAIL.upper(), "--password", "quiet-Harbour-3119")
    assert json.loads(changed.stdout)["email"] == EMAIL


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["set-password", "x@example.com", "--password", "a-good-One-4711"], "no such user"),
        (["add-organisation", "acme", "--name", "A"], "The slug acme is in use."),
        (["add-organisation", "No Slug", "--name", "A"], "slug: String should match"),
        (["set-role", "nobody", "x"], "There is no organisation nobody."),
        (["add-client", "{}"], "name: Field required"),
        (["add-client", '{"name": "x"}'], "authorization_code needs redirect_uris."),
        (["rotate-keys"], "verifiers may not know the next ES256 key before"),
    ],
)
def test_mistake_ends_with_what_to_do_and_no_traceback(
    run, arguments: list[str], told: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert "Traceback" not in result.output


def test_compromised_keys_are_replaced_at_once(run) -> None:
    result = run("rotate-keys", "--compromised")
    assert (result.exit_code, result.stdout) == (0, "The next keys sign from now on.\n")
