# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from {{ cookiecutter.project_slug }}.cli import app
from {{ cookiecutter.project_slug }}.core import config
from {{ cookiecutter.project_slug }}.core.app import DISTRIBUTION
from {{ cookiecutter.project_slug }}.core.config import ENV_PREFIX

PACKAGE = config.__name__.partition(".")[0]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_version_names_the_distribution() -> None:
    assert run("--version").stdout.startswith(f"{DISTRIBUTION} ")


def test_config_check_accepts_the_defaults_in_development() -> None:
    result = run("config", "check")
    assert result.exit_code == 0
    assert "before production" in result.stderr


def test_config_check_refuses_insecure_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}ENVIRONMENT", "production")
    result = run("config", "check")
    assert result.exit_code == 1
    assert f"{ENV_PREFIX}SECURITY__ALLOWED_HOSTS" in result.stderr


def test_config_check_warns_of_a_misspelt_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}LOG_LEVL", "INFO")
    assert f"did you mean {ENV_PREFIX}LOG_LEVEL" in run("config", "check").stderr


def test_a_wrong_value_is_one_line_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}SERVER__PORT", "eighty")
    result = run("config", "show")
    assert result.exit_code == 1
    assert f"{ENV_PREFIX}SERVER__PORT: Input should be a valid integer" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECURITY__TRUSTED_PROXIES", "my-proxy"),
        ("SECURITY__ALLOWED_ORIGINS", "app.example.com"),
        ("SECURITY__ALLOWED_HOSTS", "api.*.example.com"),
        ("RATE_LIMIT__ROUTES", '{"orders": 3}'),
        ("RATE_LIMIT__URL", "localhost:6379"),
        ("RATE_LIMIT__URL", "http://cache.example:6379"),
        ("RATE_LIMIT__URL", "redis://cache.example:port"),
        ("HTTP_CLIENT__ALLOWED_INTERNAL_HOSTS", "10.0.0.0/99"),
    ],
)
def test_config_check_refuses_what_cannot_work(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}{variable}", value)
    result = run("config", "check")
    assert result.exit_code == 1
    assert "can't work" in result.stderr
    assert "Traceback" not in result.output


def test_config_show_masks_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}SENTRY__DSN", "https://s3cr3t@sentry.example/1")
    for form in ([], ["--json"]):
        result = run("config", "show", *form)
        assert result.exit_code == 0
        assert "s3cr3t" not in result.output
        assert "**********" in result.output


def test_config_show_prints_json() -> None:
    assert json.loads(run("config", "show", "--json").stdout)[f"{ENV_PREFIX}LOG_LEVEL"] == "INFO"


def test_env_example_is_written_and_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("config", "env-example", "--check").exit_code == 1
    assert run("config", "env-example", "--write").exit_code == 0
    assert run("config", "env-example", "--check").exit_code == 0
    assert run("config", "env-example").stdout == Path(".env.example").read_text("utf-8")


def test_openapi_is_printed_or_written(tmp_path: Path) -> None:
    target = tmp_path / "openapi.json"
    assert run("openapi", "--output", str(target)).exit_code == 0
    assert json.loads(target.read_text("utf-8")) == json.loads(run("openapi").stdout)


def test_serve_refuses_insecure_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}ENVIRONMENT", "production")
    result = run("serve")
    assert result.exit_code == 1
    assert "refusing to start" in result.stderr


def test_serve_answers_and_stops_cleanly(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", PACKAGE, "serve", "--port", str(port)]
    source = str(Path(__file__).parents[1] / "src")
    environment = {**os.environ, "PYTHONPATH": source}
    server = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert server.poll() is None, "the server ended before it answered"
                time.sleep(0.05)  # not listening yet
    finally:
        server.send_signal(signal.SIGTERM)
        _output, errors = server.communicate(timeout=15)
    assert b"Traceback" not in errors
    assert server.returncode in (0, -signal.SIGTERM)
