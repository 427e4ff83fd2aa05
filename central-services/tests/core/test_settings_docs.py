# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The list of what can be configured, and what is made from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from central_services.core.config import ENV_PREFIX, PlatformSettings
from central_services.core.settings_docs import (
    MASK,
    describe,
    env_example,
    unknown_variables,
)
from central_services.settings import Settings


class Own(PlatformSettings):
    api_key: SecretStr | None = Field(None, description="Key of the parcel service.")
    greeting: str = Field("hello # world", description="What to say.")


def test_every_platform_setting_has_a_description() -> None:
    assert [doc.variable for doc in describe(PlatformSettings) if not doc.description] == []


def test_a_projects_own_setting_comes_last_and_is_marked() -> None:
    assert [(doc.variable, doc.own) for doc in describe(Own)][-2:] == [
        (f"{ENV_PREFIX}API_KEY", True),
        (f"{ENV_PREFIX}GREETING", True),
    ]


def test_a_secret_is_masked() -> None:
    values = Own(api_key=SecretStr("s3cr3t-value"))
    shown = [doc.value for doc in describe(Own, values) if doc.variable == f"{ENV_PREFIX}API_KEY"]
    assert shown == [MASK]


def test_a_default_is_shown_even_of_a_secret() -> None:
    class WithDefault(PlatformSettings):
        url: SecretStr = Field(SecretStr("sqlite:///own.db"), description="Where.")

    assert describe(WithDefault)[-1].value == "sqlite:///own.db"
    assert describe(WithDefault, WithDefault())[-1].value == MASK


def test_env_example_is_current() -> None:
    """When this fails: run `config env-example --write`."""
    path = Path(__file__).parents[2] / ".env.example"
    assert path.read_text("utf-8") == env_example(Settings)


def test_env_example_can_be_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = env_example(Own).splitlines()
    active = [line.removeprefix("#") for line in lines if line.startswith(f"#{ENV_PREFIX}")]
    (tmp_path / ".env").write_text("\n".join(active))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{ENV_PREFIX}ENVIRONMENT", "development")
    monkeypatch.delenv(f"{ENV_PREFIX}RATE_LIMIT__REQUESTS_PER_MINUTE")
    loaded = Own()
    assert loaded.greeting == "hello # world"
    assert loaded.rate_limit == PlatformSettings().rate_limit


def test_a_misspelt_variable_is_found_with_the_likeliest_name() -> None:
    found = unknown_variables(Own, {f"{ENV_PREFIX}LOG_LEVL": "INFO", "PATH": "/bin"})
    assert found == {f"{ENV_PREFIX}LOG_LEVL": f"{ENV_PREFIX}LOG_LEVEL"}
