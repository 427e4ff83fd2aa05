"""The logs as any C2SP client reads them (c2sp.org/tlog-tiles). Public: there are hashes only."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from ...api.problems import problem_responses
from ...kit.tenancy import as_tenant
from .. import schemas
from ..dependencies import AuditParts, Parts
from ..errors import UnknownLogError
from ..models import LogRow
from ..repository import EventRepository
from ..tree import TILE, bundle, parse_tile_path, tile

router = APIRouter(prefix="/v1/log", tags=["log"])

_CHECKPOINT = {"Cache-Control": "no-cache"}
_TILE = {"Cache-Control": "public, max-age=31536000, immutable"}
_MAX_LEVEL = 5
"""256**6 is more entries than there will be."""

Origin = Annotated[str, Path(max_length=255, pattern=r"^[A-Za-z0-9._/-]+$")]
TilePath = Annotated[str, Path(max_length=60, pattern=r"^[x0-9./p]+$")]
_ERRORS = problem_responses(UnknownLogError, 422)


def _of(media_type: str, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {**_ERRORS, 200: {"content": {media_type: {"schema": schema}}}}


_TEXT = _of("text/plain", {"type": "string"})
_BYTES = _of("application/octet-stream", {"type": "string", "format": "binary"})


async def _log(parts: Parts, origin: str) -> LogRow:
    async with parts.database.read() as session:
        log = await EventRepository(session).log_of(origin)
    if log is None:
        raise UnknownLogError("There is no such log.")
    return log


@router.get("/keys", summary="Keys")
async def get_keys(parts: AuditParts) -> schemas.LogKeys:
    """Return the keys that checkpoints and cosignatures verify with."""
    async with parts.database.read() as session:
        logs = await EventRepository(session).logs()
    return schemas.LogKeys(keys=[log.key for log in logs], witnesses=parts.witnesses.keys)


@router.get(
    "/{origin:path}/checkpoint", summary="Checkpoint", responses=_TEXT, response_class=Response
)
async def get_checkpoint(origin: Origin, parts: AuditParts) -> Response:
    """Return the newest checkpoint of a log; where there are witnesses, the newest they cosigned."""
    log = await _log(parts, origin)
    async with parts.database.read() as session:
        row = await EventRepository(session).checkpoint(
            log.tenant_id, cosigned=parts.witnesses.are_asked
        )
    if row is None:
        raise UnknownLogError("No checkpoint was cosigned yet.")
    return Response(row.note, 200, _CHECKPOINT, "text/plain")


@router.get(
    "/{origin:path}/tile/entries/{path:path}",
    summary="Bundle of entries",
    responses=_BYTES,
    response_class=Response,
)
async def get_bundle(origin: Origin, path: TilePath, parts: AuditParts) -> Response:
    """Return a bundle of entries: each is the SHA-256 of an event's salt and canonical JSON."""
    return await _tile(parts, origin, None, path)


@router.get(
    "/{origin:path}/tile/{level}/{path:path}",
    summary="Tile of hashes",
    responses=_BYTES,
    response_class=Response,
)
async def get_tile(
    origin: Origin,
    level: Annotated[int, Path(ge=0, le=63)],
    path: TilePath,
    parts: AuditParts,
) -> Response:
    """Return a tile of hashes."""
    return await _tile(parts, origin, level, path)


async def _tile(parts: Parts, origin: str, level: int | None, path: str) -> Response:
    found = parse_tile_path(path)
    if found is None or (level or 0) > _MAX_LEVEL:
        raise UnknownLogError("There is no such tile.")
    log = await _log(parts, origin)
    number, width = found
    if ((number * TILE + width) << (8 * (level or 0))) > log.size:
        raise UnknownLogError("The log has not got so far.")

    def read(session: Session) -> bytes | None:
        if level is None:
            return bundle(session, log.tenant_id, number, width)
        return tile(session, log.tenant_id, level, number, width)

    with as_tenant(log.tenant_id):
        async with parts.database.read() as session:
            content = await session.run_sync(read)
    if content is None:
        raise UnknownLogError("A part of the log is missing.")
    return Response(content, 200, _TILE, "application/octet-stream")
