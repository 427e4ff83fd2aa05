# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The cache inside the application, and its commands."""

from __future__ import annotations

import json

import pytest
from fastapi import APIRouter
from typer.testing import CliRunner, Result

from {{ cookiecutter.project_slug }}.cli import app
from {{ cookiecutter.project_slug }}.core.cache import Cache, Namespace, cached
from {{ cookiecutter.project_slug }}.core.config import ENV_PREFIX

WORDS = Namespace("words", str)


def router(calls: list[str]) -> APIRouter:
    """Return endpoints that cache, by hand and by decorator."""
    found = APIRouter()

    @found.get("/words/{word}")
    async def by_hand(word: str, cache: Cache) -> str:
        async def load() -> str:
            calls.append(word)
            return word.upper()

        return await cache.get_or_set(WORDS, word, load)

    @found.get("/again/{word}")
    @cached(WORDS)
    async def by_decorator(word: str, cache: Cache) -> str:
        calls.append(word)
        return word * 2

    return found


@pytest.mark.anyio
async def test_endpoints_share_the_applications_cache(serve) -> None:
    calls: list[str] = []
    async with serve(routers=[router(calls)]) as client:
        answers = [(await client.get(path)).json() for path in ("/words/a", "/again/a") * 3]
        checks = (await client.get("/health/ready")).json()["checks"]
    assert answers == ["A", "aa"] * 3
    assert calls == ["a", "a"]
    assert "cache" not in checks, "in process there is nothing to ask"


@pytest.mark.anyio
async def test_a_cache_server_that_is_down_degrades_the_service_only(serve, dead) -> None:
    calls: list[str] = []
    async with serve(routers=[router(calls)], cache={"url": dead}) as client:
        answers = [await client.get("/words/a") for _ in range(3)]
        ready = await client.get("/health/ready")
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(calls) == 3
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert "cache" in ready.json()["degraded"]
    assert ready.json()["checks"]["cache"]["detail"] in {"refused", "unreachable", "error"}


@pytest.mark.anyio
async def test_the_description_does_not_mention_the_cache(serve) -> None:
    async with serve(routers=[router([])]) as client:
        operation = (await client.get("/openapi.json")).json()["paths"]["/words/{word}"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["word"]


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["cache", *arguments], input=answer)


@pytest.mark.parametrize("command", [["ping"], ["stats"], ["clear", "--yes"]])
def test_commands_say_that_a_cache_in_process_can_not_be_reached(command: list[str]) -> None:
    result = run(*command)
    assert result.exit_code == 1
    assert "set CACHE__URL" in result.stderr


@pytest.mark.parametrize("command", [["ping"], ["stats"], ["clear", "--yes"]])
def test_commands_say_that_the_server_is_down_without_its_password(
    monkeypatch: pytest.MonkeyPatch, dead: str, command: list[str]
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}CACHE__URL", dead.replace("://", "://:s3cr3t@"))
    result = run(*command)
    assert result.exit_code == 1
    assert "could not be asked: ConnectionError" in result.stderr
    assert "s3cr3t" not in result.output
    assert "Traceback" not in result.output


def test_nothing_is_forgotten_without_a_yes(monkeypatch: pytest.MonkeyPatch, dead: str) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}CACHE__URL", dead)
    result = run("clear", answer="n\n")
    assert result.exit_code == 1
    assert "Aborted" in result.output
    assert "could not be asked" not in result.output, "it was not even asked"


@pytest.mark.parametrize("url", ["localhost:6379", "http://cache.example:6379"])
def test_config_check_refuses_a_url_that_names_no_server(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}CACHE__URL", url)
    result = CliRunner().invoke(app, ["config", "check"])
    assert result.exit_code == 1
    assert "cache.url names no server" in result.stderr


def test_secrets_of_the_cache_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}CACHE__URL", "valkey://:s3cr3t@cache.example:6379/0")
    monkeypatch.setenv(f"{ENV_PREFIX}CACHE__SIGNING_KEY", "s3cr3t" * 8)
    shown = CliRunner().invoke(app, ["config", "show", "--json"]).stdout
    assert "s3cr3t" not in shown
    assert json.loads(shown)[f"{ENV_PREFIX}CACHE__URL"] == "**********"
