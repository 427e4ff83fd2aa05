"""The commands `auth ...`: keys, organisations, users, roles and clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import SecretStr, ValidationError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..audit import Action, AuditEvent, AuditLog
    from .dependencies import Parts
    from .service import IdentityService

T = TypeVar("T")

auth_app = typer.Typer(help="Administer the auth service.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Option(help="May be repeated.")]


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _run(work: Callable[[FastAPI], Awaitable[T]]) -> T:
    """Return what some work on the started service returns, or end with its error."""
    # Heavy imports, which no other command needs.
    from ..core.errors import ServiceError  # noqa: PLC0415  # see above
    from ..core.migrations import MigrationError  # noqa: PLC0415  # see above
    from ..settings import Settings  # noqa: PLC0415  # see above
    from ..utils.logging import printed_aside  # noqa: PLC0415  # see above
    from .app import build  # noqa: PLC0415  # see above
    from .keys import RotationTooEarlyError  # noqa: PLC0415  # see above

    async def main() -> T:
        settings = Settings()
        # The service forwards what its commands record, too.
        quiet = settings.central_audit.model_copy(update={"enabled": False})
        app = build(settings.model_copy(update={"central_audit": quiet}))
        async with app.router.lifespan_context(app):
            return await work(app)

    try:
        with printed_aside():
            return asyncio.run(main())
    except ValidationError as error:
        _fail("\n".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))
    except ServiceError as error:
        _fail(error.detail or error.title)
    except (MigrationError, RotationTooEarlyError, ValueError) as error:
        _fail(f"{error}")


def _administer(work: Callable[[Parts, IdentityService], Awaitable[T]]) -> T:
    """Return what some work in a transaction returns."""
    from .service import IdentityService  # noqa: PLC0415  # heavy

    async def main(app: FastAPI) -> T:
        parts: Parts = app.state.auth
        async with parts.database.transaction() as session:

            async def record(action: Action, *, target: str, data: dict[str, Any]) -> AuditEvent:
                audit: AuditLog = app.state.audit
                return await audit.record(action, target=target, data=data, session=session)

            return await work(parts, IdentityService(session, record, parts.clock))

    return _run(main)


def _show(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=2))


@auth_app.command()
def keygen() -> None:
    """Print a new encryption key, for AUTH__ENCRYPTION_KEY."""
    from .sealing import new_encryption_key  # noqa: PLC0415  # as above

    typer.echo(new_encryption_key())


@auth_app.command("rotate-keys")
def rotate_keys(
    *,
    compromised: Annotated[
        bool,
        typer.Option(help="At once, and refuse everything that the present keys signed."),
    ] = False,
) -> None:
    """Let the next signing keys sign; the present ones retire."""

    async def work(app: FastAPI) -> None:
        parts: Parts = app.state.auth
        await parts.ring.maintain(rotate=True, compromised=compromised)

    _run(work)
    typer.echo("The next keys sign from now on.")


@auth_app.command("add-organisation")
def add_organisation(
    slug: str, name: Annotated[str, typer.Option(help="Its name, for people.")]
) -> None:
    """Add an organisation (a tenant)."""
    from . import schemas  # noqa: PLC0415  # heavy

    async def work(_parts: Parts, service: IdentityService) -> dict[str, Any]:
        asked = schemas.OrganisationCreate(slug=slug, name=name)
        row = await service.create_organisation(asked)
        return {"id": str(row.id), "slug": row.slug}

    _show(_administer(work))


@auth_app.command("add-user")
def add_user(
    email: str,
    organisation: Annotated[str, typer.Option(help="The organisation's slug.")],
    name: Annotated[str, typer.Option(help="The user's name.")],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Asked for; better not an argument.")
    ],
    role: Names = None,
) -> None:
    """Add a user to an organisation."""
    from . import schemas  # noqa: PLC0415  # heavy

    async def work(parts: Parts, service: IdentityService) -> dict[str, Any]:
        asked = schemas.UserCreate(
            organisation=organisation, email=email, name=name, password=SecretStr(password)
        )
        parts.passwords.require_good(password, about=(email, name))
        row = await service.create_user(asked, await parts.passwords.hash(password))
        if role:
            await service.assign(row.id, role)
        return {"id": str(row.id), "email": row.email}

    _show(_administer(work))


@auth_app.command("set-password")
def set_password(
    email: str,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Asked for; better not an argument.")
    ],
) -> None:
    """Give a user another password; every session and token of theirs ends."""

    async def work(parts: Parts, service: IdentityService) -> dict[str, Any]:
        row = await service.user_of(email)
        parts.passwords.require_good(password, about=(row.email, row.name))
        await service.set_password(row.id, await parts.passwords.hash(password))
        return {"id": str(row.id), "email": row.email}

    _show(_administer(work))


@auth_app.command("set-role")
def set_role(organisation: str, name: str, permission: Names = None) -> None:
    """Add a role to an organisation, or change what it permits."""
    from . import schemas  # noqa: PLC0415  # heavy

    async def work(_parts: Parts, service: IdentityService) -> dict[str, Any]:
        asked = schemas.RolePut(permissions=permission or [])
        row = await service.put_role(organisation, name, asked.permissions)
        return {"name": row.name, "permissions": row.permissions}

    _show(_administer(work))


@auth_app.command("declare-client")
def declare_client(
    metadata: Annotated[
        str,
        typer.Argument(help="JSON, as for add-client; with an id, and keys instead of a secret."),
    ],
) -> None:
    """Register a client, or change it to what is declared here; as AUTH__CLIENTS does at each start."""
    from .declared_clients import DeclaredClients  # noqa: PLC0415  # heavy
    from .settings import check_clients  # noqa: PLC0415  # heavy

    async def work(app: FastAPI) -> None:
        parts: Parts = app.state.auth
        declared = check_clients((json.loads(metadata),))
        await DeclaredClients(parts.database, declared, app.state.audit, parts.clock).register()

    _run(work)
    typer.echo("Done.")


@auth_app.command("add-client")
def add_client(
    metadata: Annotated[
        str, typer.Argument(help='JSON, as in {"name": "Shop", "redirect_uris": ["https://..."]}.')
    ],
) -> None:
    """Register a client; prints its secret, which is shown this once."""
    from . import schemas  # noqa: PLC0415  # heavy

    async def work(_parts: Parts, service: IdentityService) -> dict[str, Any]:
        asked = schemas.ClientCreate.model_validate_json(metadata)
        row, secret = await service.register_client(asked)
        return {"client_id": row.id, "client_secret": secret}

    _show(_administer(work))
