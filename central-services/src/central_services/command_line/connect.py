"""`central connect` and `central token`: a project is known to the services here, and can be tried out."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ..kit.identity import public_part
from .context import CommandError, JsonOption, print_json
from .env import show_variables, variables
from .plan import Plan
from .run import plan_of, program

TRYING = "central-token"
"""The client whose tokens `central token` prints."""

_LIMIT_S = 60.0

Organisation = Annotated[str, typer.Option(help="The tenant; made if there is none of that name.")]
Permissions = Annotated[
    list[str] | None, typer.Option("--permission", help="Such as orders:write; repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def connect(
        name: Annotated[str, typer.Argument(help="The project, as in acme-orders.")],
        *,
        organisation: Organisation = "development",
        permission: Permissions = None,
        prefix: Annotated[
            str | None,
            typer.Option(
                help="Prefix of the project's variables; by default its name, ACME_ORDERS_."
            ),
        ] = None,
        as_json: JsonOption = False,
    ) -> None:
        """Make a project known to the services here, and print its settings; they hold its key.

        `central connect acme-orders >> .env` in the project's folder is enough. A second time changes
        nothing but what is asked for anew.
        """
        client = client_of(name)
        plan, _ = plan_of("auth")
        key = plan.home.service_keys().of(f"project {client}")
        asked = {
            **_client(client, f"Project {client}", organisation, key),
            "permissions": sorted({*_granted(plan), *(permission or [])}),
            "audiences": [plan.service_url(one) for one in plan.services if one.lets_projects],
        }
        declare(plan, asked)
        start = f"{client.upper().replace('-', '_')}_" if prefix is None else prefix
        found = variables(plan, plan.services) | {
            "CENTRAL_AUTH__CLIENT_ID": client,
            "CENTRAL_AUTH__CLIENT_KEY": json.dumps(key),
        }
        named = {f"{start}{variable}": value for variable, value in found.items()}
        if as_json:
            print_json(named)
        else:
            show_variables(named)

    @app.command()
    def token(
        *,
        audience: Annotated[
            str, typer.Option(help="Whom it is for, as in urn:slipway:acme-orders.")
        ],
        permission: Permissions = None,
        organisation: Organisation = "development",
    ) -> None:
        """Print an access token to try a project or a service with, as who may do what is named here.

        As in `curl -H "Authorization: Bearer $(central token --audience urn:slipway:acme-orders
        --permission orders:read)" ...`
        """
        plan, auth = plan_of("auth")
        key = plan.home.service_keys().of(TRYING)
        asked = {
            **_client(TRYING, "central token", organisation, key),
            "permissions": sorted(permission or []),
            "audiences": [audience],
        }
        declare(plan, asked)
        typer.echo(asyncio.run(_token(plan.service_url(auth), key, audience)))


def client_of(name: str) -> str:
    """Return the id of a project's client.

    Raises:
        CommandError: It is no project's name.
    """
    client = name.lower().replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", client):
        raise CommandError(f"{name} is no project's name: write it as in acme-orders")
    return client


def _granted(plan: Plan) -> Sequence[str]:
    return [permission for one in plan.services for permission in one.lets_projects]


def _client(client: str, name: str, organisation: str, key: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": client,
        "name": name,
        "organisation": organisation,
        "auth_method": "private_key_jwt",
        "jwks": {"keys": [public_part(key)]},
        "grant_types": ["client_credentials"],
        "scopes": [],
    }


def declare(plan: Plan, asked: dict[str, Any]) -> None:
    """Let the auth service register a client, or change it to what is asked for.

    Raises:
        CommandError: It does not; its database has to be up.
    """
    (auth,) = [one for one in plan.services if one.name == "auth"]
    done = subprocess.run(  # noqa: S603  # our own program
        program(["auth", "declare-client", json.dumps(asked)]),
        cwd=plan.home.data / auth.name,
        env=plan.environment(auth),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1] if said else "it says nothing"
        raise CommandError(f"the auth service refuses, or is not up (`central up`): {reason}")


async def _token(issuer: str, key: dict[str, Any], audience: str) -> str:
    from pydantic import SecretStr  # noqa: PLC0415  # the others need none of these

    from ..clients.auth import CentralAuth, ServiceTokenError  # noqa: PLC0415  # as above
    from ..core.central_auth_settings import CentralAuthSettings  # noqa: PLC0415  # as above
    from ..core.config import HttpClientSettings  # noqa: PLC0415  # as above

    settings = CentralAuthSettings(
        issuer=issuer, client_id=TRYING, client_key=SecretStr(json.dumps(key))
    )
    auth = CentralAuth(settings, HttpClientSettings(), realm="central")
    try:
        return await auth.service_token(audience=audience)
    except ServiceTokenError as error:
        raise CommandError(f"{error}: is everything up (`central status`)?") from error
    finally:
        await auth.aclose()
