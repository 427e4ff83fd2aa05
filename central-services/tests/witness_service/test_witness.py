"""The witness: cosigns logs that only grow, and says no as c2sp.org/tlog-witness wants it."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from central_services.audit.checkpoint import Checkpoint, NoteSigner
from central_services.audit.merkle import EMPTY_ROOT, Frontier, Tree, leaf_hash
from central_services.kit.cosignatures import CosignatureVerifier, Cosigner, CosignerKeyError
from central_services.settings import Settings
from central_services.witness_service.app import build
from central_services.witness_service.commands import witness_app
from central_services.witness_service.errors import WitnessKeyError
from central_services.witness_service.service import make_cosigner

pytestmark = pytest.mark.anyio
ORIGIN = "example.com/log"


@dataclass
class Log:
    """A log in memory, which a test can fork."""

    signer: NoteSigner = field(default_factory=lambda: NoteSigner(ORIGIN, bytes(32)))
    leaves: list[bytes] = field(default_factory=list)

    def hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        assert level == 0, "these logs are small"
        return self.leaves[start : start + count]

    def grow(self, *entries: str) -> Log:
        self.leaves += [leaf_hash(entry.encode()) for entry in entries]
        return self

    def note(self) -> str:
        frontier = Frontier()
        for leaf in self.leaves:
            frontier.append(leaf)
        return self.signer.sign(Checkpoint(self.signer.name, frontier.size, frontier.root()))

    def request(self, old: int) -> str:
        proof = Tree(self, len(self.leaves)).consistency(old) if old else []
        lines = (b64encode(item).decode() for item in proof)
        return "\n".join([f"old {old}", *lines, "", self.note()])


@pytest.fixture
def settings(migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a witness that watches one log."""
    shutil.copy(migrated_file, tmp_path / "witness.db")
    url = f"sqlite:///{tmp_path / 'witness.db'}"
    monkeypatch.setenv("CENTRAL_SERVICES_DATABASE__URL", url)
    monkeypatch.setenv("CENTRAL_SERVICES_WITNESS__DEVELOPMENT_KEY_FILE", str(tmp_path / "w.key"))
    monkeypatch.setenv("CENTRAL_SERVICES_WITNESS__LOG_KEYS", Log().signer.verification_key)
    return Settings()


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a running witness."""
    app = build(settings)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://witness") as client,
    ):
        yield client


async def add(http: httpx2.AsyncClient, body: str) -> httpx2.Response:
    return await http.post("/add-checkpoint", content=body.encode())


async def test_growing_log_is_cosigned_with_the_witnesses_own_key(
    http: httpx2.AsyncClient,
) -> None:
    log, verifier = Log(), CosignatureVerifier((await http.get("/keys")).json()["keys"])
    old = 0
    for size in (1, 2, 7, 8, 20):
        log.grow(*map(str, range(len(log.leaves), size)))
        answer = await add(http, log.request(old))
        assert answer.status_code == 200, answer.text
        assert len(verifier.find(log.note() + answer.text)) == 1
        old = size


async def test_same_checkpoint_is_cosigned_again(http: httpx2.AsyncClient) -> None:
    log = Log().grow("a")
    await add(http, log.request(0))
    assert (await add(http, log.request(1))).status_code == 200


async def test_split_view_is_refused(http: httpx2.AsyncClient) -> None:
    assert (await add(http, Log().grow("a", "b").request(0))).status_code == 200
    same_size = Log().grow("a", "x")
    answer = await add(http, same_size.request(2))
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:slipway:witness:split-view"
    assert (await add(http, same_size.grow("c").request(2))).status_code == 422
    assert (await add(http, Log().grow("a", "b", "c").request(2))).status_code == 200


async def test_smaller_tree_is_refused_with_the_size_that_was_cosigned(
    http: httpx2.AsyncClient,
) -> None:
    await add(http, Log().grow("a", "b", "c").request(0))
    answer = await add(http, Log().grow("a", "b").request(0))
    assert (answer.status_code, answer.text) == (409, "3\n")
    assert answer.headers["content-type"].startswith("text/x.tlog.size")


async def test_what_was_cosigned_is_remembered_by_the_next_process(settings: Settings) -> None:
    for fork, status in (("b", 200), ("x", 409)):
        app = build(settings)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=app), base_url="http://witness"
            ) as http,
        ):
            body = Log().grow("a", fork).request(0 if fork == "b" else 2)
            assert (await add(http, body)).status_code == status


async def test_unknown_log_and_unknown_key(http: httpx2.AsyncClient) -> None:
    other = Log(NoteSigner("example.com/other", bytes(32))).grow("a")
    assert (await add(http, other.request(0))).status_code == 404
    forged = Log(NoteSigner(ORIGIN, bytes(range(32)))).grow("a")
    assert (await add(http, forged.request(0))).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 0",
        "old 00\n\n" + Log().grow("a").note(),
        "old x\n\n" + Log().grow("a").note(),
        "old 5\n\n" + Log().grow("a").note(),
        "old 0\nnot base64\n\n" + Log().grow("a").note(),
        "old 0\n\nno note",
        "old 0\n" + "A" * 44 + "\n\n" + Log().grow("a").note(),
        "old 0\n" + ("A" * 43 + "=\n") * 64 + "\n" + Log().grow("a").note(),
        "old 0\n\n" + Log().grow("a").note() + "x" * 70_000,
    ],
)
async def test_malformed_request_is_refused(http: httpx2.AsyncClient, body: str) -> None:
    answer = await add(http, body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:slipway:witness:malformed"


async def test_proof_where_there_is_nothing_to_prove_is_refused(http: httpx2.AsyncClient) -> None:
    body = "old 0\n" + "A" * 43 + "=\n\n" + Log().grow("a").note()
    assert (await add(http, body)).status_code == 422
    signer = Log().signer
    empty = signer.sign(Checkpoint(ORIGIN, 0, bytes(32)))
    assert (await add(http, f"old 0\n\n{empty}")).status_code == 422
    empty = signer.sign(Checkpoint(ORIGIN, 0, EMPTY_ROOT))
    assert (await add(http, f"old 0\n\n{empty}")).status_code == 200


async def test_log_of_a_list_is_watched_from_its_first_checkpoint_on(settings: Settings) -> None:
    log = Log(NoteSigner("example.com/listed", bytes(32))).grow("a")
    listing = FastAPI()

    @listing.get("/v1/log/keys")
    async def keys() -> dict[str, list[str]]:
        return {"keys": [log.signer.verification_key]}

    own = settings.witness.model_copy(update={"log_lists": ("http://audit", "http://audit")})
    app = build(settings.model_copy(update={"witness": own}))
    async with app.router.lifespan_context(app):
        directory = app.state.witness.directory
        await directory.http._client.aclose()
        directory.http._client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=listing))
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://witness") as http:
            assert (await add(http, log.request(0))).status_code == 200
            # Another key for a log that is known is not believed, whoever lists it.
            log.signer = NoteSigner("example.com/listed", bytes(range(32)))
            assert (await add(http, log.request(1))).status_code == 403
            other = Log(NoteSigner("example.com/nobody", bytes(32))).grow("a")
            assert (await add(http, other.request(0))).status_code == 404


def test_key_is_made_and_kept(settings: Settings) -> None:
    first, second = (make_cosigner(settings.witness) for _ in range(2))
    assert first.verification_key == second.verification_key
    printed = CliRunner().invoke(witness_app, ["keygen"]).stdout.strip()
    given = settings.witness.model_validate({"key": printed})
    assert make_cosigner(given).verification_key != first.verification_key
    with pytest.raises(WitnessKeyError, match="keygen"):
        make_cosigner(settings.witness.model_validate({"key": "short"}))


@pytest.mark.parametrize("text", ["", "w+00000000+AAAA", "w+xx+BAAA", "no key"])
def test_text_that_is_no_cosigners_key_is_refused(text: str) -> None:
    with pytest.raises(CosignerKeyError):
        CosignatureVerifier([text])
    with pytest.raises(CosignerKeyError):
        Cosigner("two words", bytes(32))
