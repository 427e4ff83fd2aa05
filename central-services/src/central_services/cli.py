# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The command line: serve, look at the configuration, export the API description.

A project adds commands in `commands.py`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from .audit.commands import audit_app
from .audit.forwarding_commands import add_forwarding_commands
from .clients.auth_commands import auth_commands
from .commands import app as project_commands
from .core.app import DISTRIBUTION, check_settings, service_version
from .core.config import ENV_PREFIX, InsecureSettingsError
from .core.database_commands import database_commands
from .core.settings_docs import describe, env_example, unknown_variables
from .jobs.command_line import add_job_commands
from .settings import Settings


def _fail(message: str) -> NoReturn:
    """End with a message for people, and exit code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _load_settings() -> Settings:
    """Return the settings, or end with one line for each variable that is wrong."""
    try:
        settings = Settings()
        check_settings(settings)
    except ValidationError as error:
        lines = [f"  {_variable(item['loc'])}: {item['msg']}" for item in error.errors()]
        _fail("The configuration is not valid:\n" + "\n".join(lines))
    except SettingsError as error:
        _fail(f"The configuration can't be read: {error}. Lists are a,b,c; mappings are JSON.")
    except ValueError as error:
        _fail(f"The configuration can't work: {error}.")
    return settings


def _variable(location: tuple[int | str, ...]) -> str:
    return ENV_PREFIX + "__".join(str(part) for part in location).upper()


app = typer.Typer(
    name=DISTRIBUTION,
    help="Run and inspect this service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")
add_job_commands(app, _load_settings)
app.add_typer(database_commands(_load_settings), name="db")
app.add_typer(audit_app, name="audit")
add_forwarding_commands(audit_app, _load_settings)
app.add_typer(auth_commands(_load_settings), name="auth")
app.add_typer(project_commands)


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"{DISTRIBUTION} {service_version()}")
        raise typer.Exit


@app.command()
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    reload: Annotated[bool, typer.Option(help="Restart when code changes (development).")] = False,
) -> None:
    """Serve the API until it is stopped."""
    settings = _load_settings()
    try:
        settings.require_secure()
    except InsecureSettingsError as error:
        _fail(str(error))
    from .core.database_commands import require_migrated  # noqa: PLC0415  # as below

    require_migrated(settings)
    import uvicorn  # noqa: PLC0415  # no other command needs the server

    uvicorn.run(
        f"{__package__}.main:app",
        host=host or settings.server.host,
        port=settings.server.port if port is None else port,
        workers=workers or settings.server.workers,
        reload=reload,
        root_path=settings.server.root_path,
        timeout_graceful_shutdown=settings.server.shutdown_timeout_s,
        access_log=False,  # the edge writes one structured line per request
        log_config=None,  # uvicorn's lines go through the project's own pipeline
        proxy_headers=False,  # SECURITY__TRUSTED_PROXIES decides whom to believe
        server_header=False,
    )


@app.command()
def openapi(
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
) -> None:
    """Print the OpenAPI description of the API as JSON."""
    _load_settings()
    from .main import app as service  # noqa: PLC0415  # builds the application

    text = json.dumps(service.openapi(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")


@config_app.command()
def check() -> None:
    """Validate the configuration as production would, without starting."""
    settings = _load_settings()
    for variable, likely in unknown_variables(Settings, os.environ).items():
        hint = f"; did you mean {likely}?" if likely else ""
        typer.echo(f"warning: {variable} configures nothing{hint}", err=True)
    problems = list(settings.insecure_settings())
    for problem in problems:
        label = "error" if settings.is_production else "before production"
        typer.echo(f"{label}: {problem.variable}: {problem.problem}. {problem.fix}", err=True)
    if problems and settings.is_production:
        raise typer.Exit(1)
    typer.echo(f"The configuration is valid for {settings.environment}.")


@config_app.command()
def show(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every setting with its value; secrets are masked."""
    rows = {doc.variable: doc.value for doc in describe(Settings, _load_settings())}
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(map(len, rows))
    for variable, value in rows.items():
        typer.echo(f"{variable:{width}}  {value}".rstrip())


@config_app.command("env-example")
def env_example_command(
    *,
    write: Annotated[bool, typer.Option("--write", help="Write .env.example.")] = False,
    verify: Annotated[bool, typer.Option("--check", help="Fail when it is stale.")] = False,
) -> None:
    """Print .env.example as the settings classes describe it."""
    text, path = env_example(Settings), Path(".env.example")
    if write:
        path.write_text(text, "utf-8")
    elif verify:
        if not path.is_file() or path.read_text("utf-8") != text:
            _fail(".env.example is stale: run `config env-example --write`.")
    else:
        typer.echo(text, nl=False)


def main() -> None:
    """Run the command line."""
    app(prog_name=DISTRIBUTION, args=sys.argv[1:])
