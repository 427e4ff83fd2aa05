"""The log: receipts that verify offline, tiles that any client reads, and a witness that has seen it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import httpx2
import pytest

from central_services.audit.canonical import canonical
from central_services.audit.checkpoint import CheckpointError, NoteVerifier
from central_services.audit.merkle import Frontier, leaf_hash
from central_services.audit.tlog_proof import TlogProof
from central_services.audit_service.receipts import check_receipt
from central_services.audit_service.tree import parse_tile_path
from central_services.kit.cosignatures import Cosigner

from .conftest import SOURCE, Harness, Start, make_event

pytestmark = pytest.mark.anyio
LOG = "/v1/log/central-services/events/acme"


async def fill(audit: Harness, count: int) -> list[dict[str, Any]]:
    """Store events, in batches, and seal them."""
    events = [make_event(number) for number in range(count)]
    for at in range(0, count, 100):
        assert (await audit.send(*events[at : at + 100])).status_code == 200
        await audit.sealed()
    return events


async def keys(audit: Harness) -> list[str]:
    found: list[str] = (await audit.http.get("/v1/log/keys")).json()["keys"]
    return found


async def test_receipts_verify_with_the_event_and_the_public_key_alone(audit: Harness) -> None:
    events = await fill(audit, 300)
    vkeys = await keys(audit)
    found = await audit.receipts(*(event["id"] for event in events))
    assert len(found["receipts"]) == 300
    for event in events:
        text = found["receipts"][event["id"]]
        proven = check_receipt(text, event, log_keys=vkeys, witness_keys=[])
        assert proven.checkpoint.size >= 300


async def test_entry_is_the_hash_of_salt_and_canonical_event(audit: Harness) -> None:
    (event,) = await fill(audit, 1)
    receipt = (await audit.receipts("event-0"))["receipts"]["event-0"]
    assert receipt.startswith("c2sp.org/tlog-proof@v1\nextra ")
    salt = b64decode(receipt.split("\n")[1].removeprefix("extra "))
    entry = sha256(salt + canonical(event)).digest()
    bundle = (await audit.http.get(f"{LOG}/tile/entries/000.p/1")).content
    assert bundle == b"\x00\x20" + entry


@pytest.mark.parametrize("change", ["event", "salt", "index", "path", "root"])
async def test_receipt_of_which_anything_was_changed_proves_nothing(
    audit: Harness, change: str
) -> None:
    events = await fill(audit, 5)
    text = (await audit.receipts("event-2"))["receipts"]["event-2"]
    vkeys = await keys(audit)
    event, lines = dict(events[2]), text.split("\n")
    if change == "event":
        event["subject"] = "order:99"
    elif change == "salt":
        lines[1] = "extra " + "A" * 43 + "="
    elif change == "index":
        lines[2] = "index 1"
    elif change == "path":
        lines[3] = lines[4]
    else:
        at = lines.index("", 3) + 3
        lines[at] = "A" * 43 + "="
    with pytest.raises(CheckpointError):
        check_receipt("\n".join(lines), event, log_keys=vkeys, witness_keys=[])


async def test_receipt_of_another_sender_is_unknown_to_who_only_writes(audit: Harness) -> None:
    await fill(audit, 1)
    body = {"ids": ["event-0"], "source": SOURCE}
    other = await audit.post("/v1/receipts", body, "audit:write", sub="shop", client_id="shop")
    assert other.json() == {"receipts": {}, "pending": [], "unknown": ["event-0"]}
    reader = await audit.post("/v1/receipts", body, "audit:read", sub="shop", client_id="shop")
    assert list(reader.json()["receipts"]) == ["event-0"]


async def test_tiles_make_up_the_tree_that_the_checkpoint_signs(audit: Harness) -> None:
    await fill(audit, 520)
    note = (await audit.http.get(f"{LOG}/checkpoint")).text
    checkpoint = NoteVerifier(await keys(audit)).open(note)
    assert (checkpoint.origin, checkpoint.size) == ("central-services/events/acme", 520)
    leaves, entries = [], []
    for name, width in (("000", 256), ("001", 256), ("002.p/8", 8)):
        tile = (await audit.http.get(f"{LOG}/tile/0/{name}")).content
        bundle = (await audit.http.get(f"{LOG}/tile/entries/{name}")).content
        leaves += [tile[at : at + 32] for at in range(0, len(tile), 32)]
        entries += [bundle[at + 2 : at + 34] for at in range(0, len(bundle), 34)]
        assert len(tile) == 32 * width
    assert leaves == [leaf_hash(entry) for entry in entries]
    frontier, nodes = Frontier(), b""
    for leaf in leaves:
        nodes += b"".join(digest for _, _, digest in frontier.append(leaf))
    assert frontier.root() == checkpoint.root
    assert (await audit.http.get(f"{LOG}/tile/1/000.p/2")).content == nodes
    answer = await audit.http.get(f"{LOG}/tile/0/000")
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint/x",
        "tile/0/002",
        "tile/0/002.p/9",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/x000/001",
        "tile/0/1",
        "tile/9/000",
        "tile/entries/003",
    ],
)
async def test_what_the_log_has_not_is_not_found(audit: Harness, path: str) -> None:
    await fill(audit, 3)
    answer = await audit.http.get(f"{LOG}/{path}")
    assert answer.status_code == 404
    assert (await audit.http.get("/v1/log/nobody/checkpoint")).status_code == 404


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("000", (0, 256)),
        ("x001/x234/067", (1234067, 256)),
        ("x001/234.p/8", (1234, 8)),
        ("x000/001", None),
        ("00", None),
        ("001/002", None),
        ("000.p/08", None),
        ("000.p/x", None),
    ],
)
def test_path_of_a_tile(path: str, found: tuple[int, int] | None) -> None:
    assert parse_tile_path(path) == found


@pytest.mark.parametrize(
    "text", ["", "c2sp.org/tlog-proof@v1\n\n", "c2sp.org/tlog-proof@v1\nextra !\n\n"]
)
def test_text_that_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        TlogProof.parse(text)


# --- a witness -----------------------------------------------------------------------------------


@asynccontextmanager
async def witnessed(start: Start, witness: StubbornWitness) -> AsyncGenerator[Harness]:
    """Start the service with a witness that it reaches without a network."""
    async with start(witnesses=("http://witness",)) as audit:
        transport = httpx2.ASGITransport(app=witness)
        http = audit.parts.witnesses._http
        await http._client.aclose()
        http._client = httpx2.AsyncClient(transport=transport)
        yield audit


class StubbornWitness:
    """A witness that answers what a test says; it counts."""

    def __init__(self, cosigner: Cosigner) -> None:
        self.cosigner = cosigner
        self.answers: list[tuple[int, str, str]] = []
        self.bodies: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"").decode()
        status, kind, text = 200, "text/plain", ""
        if scope["path"] == "/keys":
            text = f'{{"keys": ["{self.cosigner.verification_key}"]}}'
        else:
            self.bodies.append(body)
            if self.answers:
                status, kind, text = self.answers.pop(0)
            else:
                signed = body.partition("\n\n")[2].rpartition("\n\n")[0] + "\n"
                text = self.cosigner.cosign(signed, 1_790_000_000)
        headers = [(b"content-type", kind.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})


async def test_receipts_wait_for_the_witness_and_carry_its_cosignature(start: Start) -> None:
    witness = StubbornWitness(Cosigner("witness.example.com/w1", bytes(range(32))))
    witness.answers = [(503, "text/plain", "")] * 3
    async with witnessed(start, witness) as audit:
        (event,) = await fill(audit, 1)
        text = (await audit.receipts("event-0"))["receipts"]["event-0"]
        published = (await audit.http.get("/v1/log/keys")).json()
        assert published["witnesses"] == [witness.cosigner.verification_key]
        proven = check_receipt(
            text, event, log_keys=published["keys"], witness_keys=published["witnesses"]
        )
        assert [item.name for item in proven.cosignatures] == ["witness.example.com/w1"]
        note = (await audit.http.get(f"{LOG}/checkpoint")).text
        assert note.count("\u2014 ") == 2


async def test_witness_that_knows_more_is_given_the_proof_it_needs(start: Start) -> None:
    witness = StubbornWitness(Cosigner("w", bytes(32)))
    async with witnessed(start, witness) as audit:
        await fill(audit, 3)
        await audit.receipts("event-2")
        await audit.send(make_event(3))
        witness.answers = [(409, "text/x.tlog.size", "2\n")]
        await audit.receipts("event-3")
        assert witness.bodies[-1].startswith("old 2\n")


async def test_cosignature_of_somebody_else_is_no_cosignature(start: Start) -> None:
    witness = StubbornWitness(Cosigner("w", bytes(32)))
    stranger = Cosigner("w", bytes(range(32)))
    async with witnessed(start, witness) as audit:
        witness.answers = [(200, "text/plain", stranger.cosign("x\n", 1))]
        await fill(audit, 1)
        await audit.parts.witnesses.catch_up()
        text = (await audit.receipts("event-0"))["receipts"]["event-0"]
        assert "\u2014 w " in text
        assert stranger.cosign("x\n", 1).strip() not in text
