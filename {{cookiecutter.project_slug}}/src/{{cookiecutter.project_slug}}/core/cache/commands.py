# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The command line of the cache: ask the server, read the counters, forget values."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from ..app import build_cache
from ..config import PlatformSettings
from .client import CacheClient
from .counters import FIELDS, NamespaceStats
from .namespace import Namespace

T = TypeVar("T")


def cache_commands(load_settings: Callable[[], PlatformSettings]) -> typer.Typer:
    """Return the commands.

    Args:
        load_settings: Returns the settings, or ends the program with a message.
    """
    app = typer.Typer(help="Look at the cache.", no_args_is_help=True)

    @app.command()
    def ping() -> None:
        """Ask the cache server whether it is there."""
        cache = _shared_cache(load_settings())
        seconds = _run(cache, cache.check)
        typer.echo(f"The cache server answered in {seconds * 1000:.1f} ms.")

    @app.command()
    def stats(
        *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
    ) -> None:
        """Show what all processes of this version did with the cache, up to 5 s ago."""
        cache = _shared_cache(load_settings())
        reported = _run(cache, cache.reported)
        namespaces = _by_namespace(reported)
        if as_json:
            typer.echo(json.dumps({"errors": reported.get("errors", 0), "namespaces": namespaces}))
            return
        typer.echo(f"{'namespace':24}" + "".join(f"{field:>10}" for field in (*FIELDS, "hit %")))
        for name, counts in sorted(namespaces.items()):
            ratio = NamespaceStats(**counts).hit_ratio
            cells = "".join(f"{count:>10,}" for count in counts.values())
            typer.echo(f"{name:24}{cells}{ratio * 100:>10.1f}")
        typer.echo(f"operations that failed: {reported.get('errors', 0):,}")

    @app.command()
    def clear(
        namespace: Annotated[
            str | None, typer.Argument(help="Only this one; name, or name:version.")
        ] = None,
        *,
        yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    ) -> None:
        """Forget all values of this service, environment and version, or those of one namespace.

        Every value is loaded again when it is next asked for: think of what that does to a
        database at this time of day.
        """
        cache = _shared_cache(load_settings())
        what = f"namespace {namespace}" if namespace else "everything"
        if not yes:
            typer.confirm(f"Forget {what} in the cache of this service?", abort=True)
        if namespace is None:
            typer.echo(f"Forgot {_run(cache, cache.clear):,} keys.")
            return
        space = _namespace(namespace)

        async def delete() -> None:
            await cache.delete_namespace(space)

        _run(cache, delete)
        typer.echo(f"Forgot {what}.")

    return app


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _shared_cache(settings: PlatformSettings) -> CacheClient:
    """Return the cache, or end: what a running process keeps can't be reached from here."""
    cache = build_cache(settings)
    if not cache.shared:
        _fail(
            "The cache lives inside each process of the service: set CACHE__URL to share it, "
            "or restart the service to clear it."
        )
    return cache


def _run(cache: CacheClient, work: Callable[[], Awaitable[T]]) -> T:
    """Return what asking the server yields, or end with the kind of error; its text can hold a URL."""

    async def ask() -> T:
        try:
            await cache.check()
            result = await work()
        finally:
            await cache.aclose()
        if cache.stats().errors:
            message = "it refused the command"
            raise RuntimeError(message)
        return result

    try:
        return asyncio.run(ask())
    except Exception as error:  # noqa: BLE001  # the edge: a command ends with a message
        _fail(f"The cache server could not be asked: {type(error).__name__}. Check CACHE__URL.")


def _namespace(text: str) -> Namespace[Any]:
    name, _, version = text.partition(":")
    try:
        return Namespace(name, object, version=int(version or 1))
    except ValueError as error:
        _fail(f"{text}: {error}")


def _by_namespace(reported: dict[str, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, count in reported.items():
        space_id, _, field = name.rpartition(":")
        if space_id and field in FIELDS:
            found.setdefault(space_id, dict.fromkeys(FIELDS, 0))[field] = count
    return found
