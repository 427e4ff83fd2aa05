"""The HTTP face of the witness (c2sp.org/tlog-witness)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from ..api.problems import problem_responses
from .errors import (
    InconsistentError,
    MalformedRequestError,
    SplitViewError,
    StaleSizeError,
    UnknownLogError,
    UntrustedSignatureError,
)
from .requests import AddCheckpoint
from .service import Witness

router = APIRouter(tags=["witness"])

_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/plain": _TEXT}},
}


class WitnessKeys(BaseModel):
    """The keys of a witness."""

    keys: list[str] = Field(description="Verification keys (c2sp.org/signed-note).")


async def _get_witness(request: Request) -> Witness:
    witness: Witness = request.app.state.witness
    return witness


TheWitness = Annotated[Witness, Depends(_get_witness)]


def _responses() -> dict[int | str, dict[str, Any]]:
    errors = problem_responses(
        MalformedRequestError,
        UntrustedSignatureError,
        UnknownLogError,
        SplitViewError,
        InconsistentError,
    )
    errors[409]["content"]["text/x.tlog.size"] = _TEXT
    errors[409]["description"] += " Or the proof starts elsewhere: the body says from which size."
    return {**errors, 200: {"description": "Cosigned.", "content": {"text/plain": _TEXT}}}


@router.post(
    "/add-checkpoint",
    summary="Cosign a checkpoint",
    responses=_responses(),
    response_class=Response,
    openapi_extra=_BODY,
)
async def add_checkpoint(request: Request, witness: TheWitness) -> Response:
    """Cosign a checkpoint that extends the last one; the body is that of c2sp.org/tlog-witness."""
    try:
        line = await witness.add(AddCheckpoint.parse(await request.body()))
    except StaleSizeError as error:
        return Response(f"{error.size}\n", 409, media_type="text/x.tlog.size")
    return Response(line, media_type="text/plain")


@router.get("/keys", summary="Its keys")
async def keys(witness: TheWitness) -> WitnessKeys:
    """Return the keys that its cosignatures verify with."""
    return WitnessKeys(keys=[witness.cosigner.verification_key])
