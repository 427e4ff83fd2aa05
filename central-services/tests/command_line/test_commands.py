"""`central` without anything running; the root tests run the engines."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from central_services.command_line import env, up
from central_services.command_line import serve as serving
from central_services.command_line.app import build, main
from central_services.command_line.connect import client_of, declare
from central_services.command_line.context import CommandError
from central_services.command_line.identities import parse_urls
from central_services.command_line.plan import Plan, is_ready
from central_services.core.config import ENV_PREFIX
from central_services.kit.engines.home import Home
from central_services.kit.services import EngineName, Service, engines_of
from central_services.services import SERVICES
from central_services.settings import Settings

SAMPLE = Service(
    "sample",
    "Shows how.",
    8199,
    engines=(EngineName.POSTGRESQL, EngineName.VALKEY),
    exports=(("SAMPLE__URL", "{url}"),),
    own=(("SAMPLE__ISSUER", "{url}/"),),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test; the engines' user is never asked, since nothing starts."""
    monkeypatch.setenv(f"{ENV_PREFIX}ENGINES__HOME", str(tmp_path / "home"))
    monkeypatch.setattr("central_services.kit.engines.home.engine_user", lambda: None)
    return tmp_path / "home"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(), list(arguments), prog_name="central")


@pytest.fixture
def plan(folder: Path) -> Plan:
    home = Home(folder)
    home.make()
    return Plan(Settings(), home, [SAMPLE], SAMPLE.engines)


def test_every_command_says_what_it_does() -> None:
    listed = re.findall(r"^│ ([a-z]+) ", run("--help").stdout, re.MULTILINE)
    assert set(listed) >= {"up", "serve", "status", "doctor", "logs", "down", "reset", "env"}
    for name in listed:
        done = run(name, "--help")
        assert done.exit_code == 0
        assert len(done.stdout.splitlines()[3]) > 20, done.stdout


def test_expected_error_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["central", "up", "nothing"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: there is no service nothing: choose from all")


def test_invalid_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}ENGINES__PORTS", "some")
    error = run("status").exception
    assert isinstance(error, CommandError)
    assert f"{ENV_PREFIX}ENGINES__PORTS: Input should be" in str(error)


def test_status_of_nothing_is_not_ready() -> None:
    done = run("status", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"up": False, "pid": None, "ready": False, "units": []}
    assert "Nothing is up" in run("status").stdout


def test_down_of_nothing_says_so() -> None:
    assert run("down").stdout == "Nothing was up.\n"
    assert "There is nothing in" in run("reset", "--yes").stdout


def test_nothing_to_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "SERVICES", ())
    error = run("up").exception
    assert isinstance(error, CommandError)
    assert "--with valkey" in str(error)


def test_reset_asks(folder: Path) -> None:
    Home(folder).make()
    assert Home(folder).credentials()["nats"]
    done = CliRunner().invoke(build(), ["reset"], input="n\n")
    assert done.exit_code == 1
    assert (folder / "credentials.json").exists()


def test_logs_are_shown_by_name_and_end_where_asked(folder: Path) -> None:
    home = Home(folder)
    home.make()
    home.log("nats").write_text("one\ntwo\nthree\n", "utf-8")
    home.log("valkey").write_text("four\n", "utf-8")
    assert run("logs", "-n", "2").stdout == "nats   | two\nnats   | three\nvalkey | four\n"
    assert run("logs", "nats", "-n", "0").stdout == ""
    assert "there is no log of auth: there is nats, valkey" in str(run("logs", "auth").exception)


def test_doctor_names_a_port_that_was_taken(plan: Plan) -> None:
    port = plan.home.port("valkey", 0, free=True)
    with socket.create_server(("127.0.0.1", port)):
        done = run("doctor", "--json")
    assert done.exit_code == 1
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert not found["port of valkey"]["fine"]
    assert "taken by another program" in found["port of valkey"]["detail"]
    assert found["python"]["fine"]


def test_doctor_notices_credentials_that_others_can_read(plan: Plan) -> None:
    assert plan.engine_url(EngineName.VALKEY)
    (plan.home.path / "credentials.json").chmod(0o644)
    done = run("doctor")
    assert "FAIL credentials: mode 0644: chmod 600" in done.stdout


def test_project_gets_the_addresses_it_needs(plan: Plan) -> None:
    found = env.variables(plan, [SAMPLE])
    valkey = plan.engine_url(EngineName.VALKEY)
    assert found == {
        "SAMPLE__URL": plan.service_url(SAMPLE),
        "RATE_LIMIT__URL": valkey,
        "CACHE__URL": valkey,
    }


def test_env_prints_what_a_shell_reads() -> None:
    done = run("env", "--prefix", "ACME_", "--with", "nats", "--export")
    assert re.search(
        r"^export ACME_JOBS__URL=nats://central:\S+@127\.0\.0\.1:\d+$", done.stdout, re.MULTILINE
    )
    assert "ACME_JOBS__URL" in json.loads(
        run("env", "--prefix", "ACME_", "--with", "nats", "--json").stdout
    )


def test_identities_are_made_for_services_that_run_elsewhere() -> None:
    urls = [f"--url={name}=https://{name}.example.com" for name in ("auth", "audit")]
    found = json.loads(run("identities", *urls, "--json").stdout)
    assert set(found) == {"auth", "audit"}
    clients = json.loads(found["auth"][f"{ENV_PREFIX}AUTH__CLIENTS"])
    assert clients[1]["audiences"] == ["https://audit.example.com"]
    assert clients[2]["redirect_uris"] == ["https://audit.example.com/ui/callback"]
    shown = run("identities", *urls).stdout
    assert re.search(rf"^{ENV_PREFIX}CENTRAL_AUTH__CLIENT_KEY='\{{", shown, re.MULTILINE)
    for wrong in ("auth", "auth=auth.example.com"):
        with pytest.raises(CommandError, match="write NAME=URL"):
            parse_urls([wrong])


def test_service_is_told_whom_it_calls_and_as_whom(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"{ENV_PREFIX}CENTRAL_AUDIT__URL")
    home = Home(folder)
    home.make()
    both = Plan(Settings(), home, SERVICES, engines_of(SERVICES))
    found = both.environment(SERVICES[0])
    assert found[f"{ENV_PREFIX}CENTRAL_AUTH__CLIENT_ID"] == "central-auth"
    assert found[f"{ENV_PREFIX}CENTRAL_AUDIT__URL"] == both.service_url(SERVICES[1])
    assert f"{ENV_PREFIX}CENTRAL_AUDIT__ENABLED" not in found
    alone = Plan(Settings(), home, SERVICES[:1], engines_of(SERVICES))
    assert alone.environment(SERVICES[0])[f"{ENV_PREFIX}CENTRAL_AUDIT__ENABLED"] == "false"


def test_service_is_told_its_database_its_limits_and_its_address(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"{ENV_PREFIX}DATABASE__URL")
    found = plan.environment(SAMPLE)
    assert found[f"{ENV_PREFIX}DATABASE__URL"].endswith("/central_sample")
    assert found[f"{ENV_PREFIX}RATE_LIMIT__URL"] == plan.engine_url(EngineName.VALKEY)
    assert found[f"{ENV_PREFIX}SAMPLE__ISSUER"] == f"{plan.service_url(SAMPLE)}/"


def test_what_the_user_has_set_stays(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}DATABASE__URL", "postgresql://a:b@mine/x")
    assert plan.environment(SAMPLE)[f"{ENV_PREFIX}DATABASE__URL"] == "postgresql://a:b@mine/x"


def test_engine_elsewhere_is_a_unit_without_a_program(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}ENGINES__VALKEY", "valkey://:secret@far.example.com:6379/0")
    units = {
        unit.name: unit for unit in Plan(Settings(), plan.home, [SAMPLE], SAMPLE.engines).units()
    }
    assert units["valkey"].prepare is None
    assert units["valkey"].address == "far.example.com:6379"
    assert units["postgresql"].prepare is not None
    assert units["sample"].after == SAMPLE.engines


@pytest.mark.anyio
async def test_service_that_is_away_is_not_ready(unused_port: int) -> None:
    assert not await is_ready(f"http://127.0.0.1:{unused_port}")


def test_ports_of_services_can_be_given() -> None:
    assert serving.parse_ports([], [SAMPLE]) == {"sample": 8199}
    assert serving.parse_ports(["sample=0"], [SAMPLE]) == {"sample": 0}
    for wrong in ("sample", "sample=x", "other=1", "sample=70000"):
        with pytest.raises(CommandError, match="write NAME=PORT with a name of sample"):
            serving.parse_ports([wrong], [SAMPLE])


def test_project_is_connected_once_the_auth_service_was_started(folder: Path) -> None:
    error = run("connect", "acme_orders").exception
    assert str(error) == "auth was never started here: `central up` does that"


@pytest.mark.parametrize("name", ["", "1", "acme orders", "a/b", "x" * 70])
def test_what_is_no_projects_name_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="no project's name"):
        client_of(name)


def test_refusal_of_the_auth_service_is_passed_on(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no database here, so its command fails."""
    (folder := plan.home.data / "auth").mkdir(parents=True)
    auth = Service("auth", "Signs in.", 8101)
    there = Plan(plan.settings, plan.home, [auth], [])
    with pytest.raises(CommandError, match="the auth service refuses, or is not up"):
        declare(there, {"id": "acme-orders"})
    assert folder.is_dir()
