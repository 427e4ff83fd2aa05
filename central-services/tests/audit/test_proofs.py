# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Proofs that a third party checks with the verification key alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from central_services.audit import AuditLog
from central_services.audit.checkpoint import CheckpointError, NoteVerifier
from central_services.audit.errors import NotRecordedError
from central_services.audit.proofs import check_proof, prove, publish
from central_services.audit.schema import connect
from central_services.audit.trail import Trail

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ids(audit: AuditLog) -> list[str]:
    events = (audit.record("order.seen", target=f"order:{number}") for number in range(300))
    found = [event.id for event in await asyncio.gather(*events)]
    audit.sealer.seal()
    return found


@pytest.fixture
def trail(audit: AuditLog) -> Iterator[Trail]:
    with closing(connect(audit.file, read_only=True)) as connection:
        yield Trail(connection)


async def test_proof_needs_nothing_but_the_key(
    audit: AuditLog, ids: list[str], trail: Trail
) -> None:
    verifier = NoteVerifier([audit.secrets.signer.verification_key])
    for seq in (0, 255, 256, 299):
        proven = check_proof(prove(trail, ids[seq]), verifier)
        assert (proven.seq, proven.checkpoint.size) == (seq, 300)
        assert proven.record is not None
        assert proven.record["id"] == ids[seq]


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("record", "order.seen", "order.sent"),
        ("entry", '"seq":9', '"seq":8'),
        ("proof", "index 9", "index 8"),
        ("proof", "@v1", "@v2"),
        ("proof", "300", "301"),
        ("proof", "index", "number"),
        ("entry", "{", ""),
    ],
)
async def test_changed_proof_proves_nothing(
    audit: AuditLog, ids: list[str], trail: Trail, part: str, old: str, new: str
) -> None:
    bundle = json.loads(prove(trail, ids[9]))
    bundle[part] = bundle[part].replace(old, new, 1)
    with pytest.raises(CheckpointError):
        check_proof(json.dumps(bundle), audit.secrets.verifier)


async def test_event_that_is_not_sealed_has_no_proof_yet(audit: AuditLog, trail: Trail) -> None:
    with pytest.raises(NotRecordedError, match="there is no event"):
        prove(trail, "nowhere")
    with pytest.raises(NotRecordedError, match="nothing"):
        publish(trail, audit.settings.path)
    event = await audit.record("order.seen", target="order:1")
    with pytest.raises(NotRecordedError, match="not sealed yet"):
        prove(trail, event.id)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


async def test_published_log_is_that_of_a_tiled_log(
    audit: AuditLog, ids: list[str], trail: Trail, tmp_path: Path
) -> None:
    publish(trail, tmp_path / "public")
    assert files_in(tmp_path / "public") == {
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    }
    bundle = (tmp_path / "public/tile/entries/001.p/44").read_bytes()
    length = int.from_bytes(bundle[:2], "big")
    first = bundle[2 : 2 + length]
    tile = (tmp_path / "public/tile/0/001.p/44").read_bytes()
    assert json.loads(first)["seq"] == 256
    assert tile[:32] == sha256(b"\x00" + first).digest()
    assert (
        audit.secrets.verifier.open((tmp_path / "public/checkpoint").read_text("utf-8")).size == 300
    )
    publish(trail, tmp_path / "public")
