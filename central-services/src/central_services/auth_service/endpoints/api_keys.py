"""API keys: made, listed and revoked. They are verified at `/auth/verify` and `/oauth2/introspect`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from .. import schemas
from ..models import ApiKeyRow
from .identities import ERRORS, ApiKeys, Limit

router = APIRouter(prefix="/api-keys", tags=["API keys"])


def _shown(row: ApiKeyRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in schemas.ApiKey.model_fields}


@router.post("", status_code=201, summary="Make an API key", responses=ERRORS)
async def create_api_key(
    body: schemas.ApiKeyCreate, service: ApiKeys, response: Response
) -> schemas.NewApiKey:
    """Make an API key of the caller's own, or, as an admin, of an organisation.

    Its text is shown this once.
    """
    response.headers["Cache-Control"] = "no-store"
    row, key = await service.create(body)
    return schemas.NewApiKey(**_shown(row), key=key)


@router.get("", summary="List API keys", responses=ERRORS)
async def list_api_keys(
    service: ApiKeys, limit: Limit = 20, cursor: UUID | None = None
) -> schemas.ApiKeyPage:
    """List API keys by id: the caller's own, or, for an admin, all that they administer."""
    rows = await service.page(after=cursor, limit=limit + 1)
    items = [schemas.ApiKey(**_shown(row)) for row in rows[:limit]]
    more = len(rows) > limit
    return schemas.ApiKeyPage(items=items, next_cursor=str(items[-1].id) if more else None)


@router.delete("/{key_id}", status_code=204, summary="Revoke an API key", responses=ERRORS)
async def revoke_api_key(key_id: UUID, service: ApiKeys) -> None:
    """Refuse a key from now on, and every token that it was exchanged for."""
    await service.revoke(key_id)
