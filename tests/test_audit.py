"""The audit trail's promises, on a rendered project: nothing changes unnoticed, nothing acknowledged is lost."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from combinations import ROOT
from processes import RunIn, clean_environment, rendered_python, run_in
from pymerkle import InmemoryTree, InvalidProof
from pymerkle.core import _inclusion_path_layout
from pymerkle.proof import InclusionProof
from rendering import Renderer, slug_of
from servers import PostgreSQL
from test_interpreters import INSTALLED

pytestmark = pytest.mark.slow
TRAILS = Path(__file__).with_name("audit_trails.py")
VERIFIER = Path(__file__).with_name("audit_verifier.py")
SEED = "20261122"


@pytest.fixture(scope="module")
def project(render: Renderer) -> Path:
    return render("cookiecutter", include_audit_logging=True)


def trails(project: Path, *arguments: object, timeout: float = 500) -> Any:
    """Run a command of audit_trails.py and return what it prints."""
    command = [str(TRAILS), slug_of(project), *map(str, arguments)]
    return json.loads(run_in(project, "python", *command, timeout=timeout).stdout)


# --- tampering -----------------------------------------------------------------------------------


def test_a_thousand_tamperings_are_all_found(project: Path, tmp_path: Path) -> None:
    found = trails(project, "tamper", tmp_path, 1000, SEED)
    assert found["missed"] == []
    assert sum(found["tampered"].values()) == 1000
    assert min(found["tampered"].values()) > 50, found["tampered"]


def test_a_thousand_clean_trails_raise_no_alarm(project: Path, tmp_path: Path) -> None:
    assert trails(project, "clean", tmp_path, 1000, SEED) == {"trails": 1000, "alarms": []}


def test_bits_flipped_anywhere_in_the_file_are_found_or_change_nothing(
    project: Path, tmp_path: Path
) -> None:
    found = trails(project, "flip_file_bits", tmp_path, 300, SEED)
    assert found["missed"] == []
    assert found["found"] > 50


# --- proofs --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proofs(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write proofs for sizes 1 to 130, 255 to 257, 65,535 to 65,537 and 10,000 sampled ones."""
    path = tmp_path_factory.mktemp("proofs") / "proofs.jsonl"
    counts = trails(project, "proofs", path, SEED)
    assert min(counts.values()) > 19_000
    return path


def read(proofs: Path) -> Iterator[Any]:
    with proofs.open() as lines:
        yield from map(json.loads, lines)


def test_pymerkle_accepts_every_inclusion_proof(proofs: Path) -> None:
    tree = InmemoryTree(algorithm="sha256")
    for number in range(65_537):
        tree.append_entry(str(number).encode())
    roots: dict[int, bytes] = {}
    checked = 0
    for kind, size, index, root_hex, _, path in read(proofs):
        if kind != "inclusion":
            continue  # its consistency proofs have another shape than those of RFC 6962
        root = bytes.fromhex(root_hex)
        if size <= 257 or size >= 65_535:
            roots.setdefault(size, tree.get_root(size))
            assert roots[size] == root, f"root of {size}"
        leaf = tree.get_leaf(index + 1)
        rule, _ = _inclusion_path_layout(index + 1, size)
        hashes = [leaf, *map(bytes.fromhex, path)]
        proof = InclusionProof("sha256", True, size, index + 1, rule, hashes)
        proof.verify(leaf, root, index=index + 1, size=size)
        checked += 1
    assert checked > 19_000
    with pytest.raises(InvalidProof):
        proof.verify(leaf, bytes(32))


def test_c2sp_client_accepts_every_proof_and_the_published_log(
    project: Path, run_in: RunIn, uv: str, proofs: Path, tmp_path: Path
) -> None:
    versions = sorted(v for v in INSTALLED if v not in {"3.10", "3.11"})
    if not versions:
        pytest.skip("aics-tlog needs Python 3.12, and none is installed")
    log = trails(project, "published", tmp_path, 700)
    environment, lock = tmp_path / "verifier", ROOT / "requirements/verifier.txt"
    python = environment / "bin/python"
    run_in(tmp_path, uv, "venv", "--python", INSTALLED[versions[0]], environment, online=True)
    run_in(tmp_path, uv, "pip", "sync", "--require-hashes", "--python", python, lock, online=True)
    shown = run_in(tmp_path, python, VERIFIER, proofs, tmp_path / "public", log["vkey"]).stdout
    found = json.loads(shown)
    assert found["proofs"]["refused"] == found["proofs"]["wrong_root"] == 0
    assert min(found["proofs"]["inclusion"], found["proofs"]["consistency"]) > 19_000
    tiles = found["tiles"]
    assert (tiles["signed"], tiles["origin"]) == ("", log["origin"])
    assert tiles["same_root"]
    assert tiles["proven"] == tiles["size"] == 700


def test_canonical_json_is_that_of_another_implementation(
    project: Path, run_in: RunIn, tmp_path: Path
) -> None:
    import rfc8785  # noqa: PLC0415  # beside its only use

    chance = random.Random(SEED)
    values = [value(chance, 3) for _ in range(3000)]
    (tmp_path / "values.json").write_text(json.dumps(values))
    code = (
        f"import json, sys; from {slug_of(project)}.audit.canonical import canonical; "
        "print(json.dumps([canonical(v).hex() for v in json.load(open(sys.argv[1]))]))"
    )
    ours = json.loads(run_in(project, "python", "-c", code, tmp_path / "values.json").stdout)
    assert ours == [rfc8785.dumps(value).hex() for value in values]


def value(chance: random.Random, depth: int) -> Any:
    """Return a random JSON value."""
    letters = 'aZ0 "\\/\b\f\n\r\t\x01\x7f\xe9\u20ac\u2028\ufb33\U0001f600'
    text = "".join(chance.choices(letters, k=chance.randrange(6)))
    scalars = [
        None,
        True,
        False,
        text,
        chance.randrange(-(2**53) + 1, 2**53),
        chance.uniform(-1e3, 1e3),
        chance.choice((1, -1)) * 10 ** chance.uniform(-320, 308),
        float(chance.randrange(10**6)),
    ]
    if depth and chance.random() < 0.5:
        children = [value(chance, depth - 1) for _ in range(chance.randrange(4))]
        names = ("".join(chance.choices(letters, k=3)) for _ in children)
        return chance.choice((children, dict(zip(names, children, strict=False))))
    return chance.choice(scalars)


# --- durability ----------------------------------------------------------------------------------


def test_event_is_acknowledged_only_after_fsync(project: Path, tmp_path: Path) -> None:
    """Read the system calls of twenty events: written, synchronised, and only then acknowledged."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: scripts/test installs it where it may")
    trace = tmp_path / "trace"
    calls = "trace=write,pwrite64,fsync,fdatasync"
    argv = [strace, "-f", "-y", "-s", "64", "-e", calls, "-o", trace]
    argv += [rendered_python(), TRAILS, slug_of(project), "one_by_one", tmp_path / "trail", "20"]
    run_in(project, *map(str, argv))
    history: list[str] = []
    acknowledged = 0
    for line in trace.read_text(errors="replace").splitlines():
        if '"ACK ' in line:
            events = " ".join(history)
            assert re.search(r"write [^s]*sync", events), f"event {acknowledged}: {events}"
            assert events.rindex("sync") > events.rindex("write"), events
            history = []
            acknowledged += 1
        elif "trail.db-wal>" in line or "resumed" in line:
            call = re.search(r"(p?write(?:64)?|f(?:data)?sync)", line)
            done = line.rstrip().endswith("unfinished ...>") is False
            if call and done:
                history.append("sync" if "sync" in call[1] else "write")
    assert acknowledged == 21


def stop_after(count: int, project: Path, *arguments: object) -> list[tuple[str, str]]:
    """Record under load, kill the process after some lines, and return them as (word, id)."""
    command = [rendered_python(), TRAILS, slug_of(project), *arguments]
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=project,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = []
    with process, process.stdout:
        for line in process.stdout:
            said.append(line.split())
            if len(said) == count:
                os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it ended by itself"
    # A line that was being written when the process died is not an acknowledgement.
    return [(parts[0], parts[1]) for parts in said if len(parts) == 2 and len(parts[1]) == 36]


def test_no_acknowledged_event_is_lost_by_fifty_kills(project: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    folder = tmp_path / "trail"
    acknowledged: list[str] = []
    anchor = tmp_path / "anchor"
    prefix = slug_of(project).upper()

    def audit(*arguments: str | Path) -> str:
        command = ("python", "-m", slug_of(project), "audit", *arguments)
        path: dict[str, Any] = {f"{prefix}_AUDIT__PATH": str(folder)}
        return run_in(project, *command, **path).stdout

    for number in range(50):
        said = stop_after(chance.randrange(1, 400), project, "under_load", folder, 32)
        acknowledged += [event_id for _, event_id in said]
        if number == 25:
            anchor.write_text(audit("checkpoint"))
    assert len(set(acknowledged)) == len(acknowledged) > 2000
    # Whatever was stored and not sealed when the last process died is sealed by the next one.
    audit("drop-expired")
    shown = audit("search", "--limit", "0")
    stored = {json.loads(line)["id"] for line in shown.splitlines()}
    assert set(acknowledged) <= stored
    report = audit("verify", "--json", "--anchor", anchor)
    assert json.loads(report)["findings"] == []


@pytest.fixture(scope="module")
def with_database(render: Renderer) -> Path:
    return render("cookiecutter", include_audit_logging=True, include_database=True)


def migrated(project: Path, url: str) -> str:
    variable: dict[str, Any] = {f"{slug_of(project).upper()}_DATABASE__URL": url}
    run_in(project, "python", "-m", slug_of(project), "db", "upgrade", **variable)
    return url


@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize(("engine", "kills"), [("sqlite", 50), ("postgresql", 15)])
def test_event_is_recorded_exactly_when_its_change_is_kept(
    request: pytest.FixtureRequest, with_database: Path, tmp_path: Path, engine: str, kills: int
) -> None:
    """Kill the process again and again while changes commit and roll back."""
    url = f"sqlite:///{tmp_path / 'data/orders.db'}"
    if engine == "postgresql":
        url = request.getfixturevalue("postgresql").create("audit_kills")
    migrated(with_database, url)
    chance = random.Random(SEED)
    kept: set[str] = set()
    undone: set[str] = set()
    for _ in range(kills):
        count = chance.randrange(1, 60)
        said = stop_after(count, with_database, "in_transactions", tmp_path / "trail", url, 8)
        kept |= {event_id for word, event_id in said if word == "ACK"}
        undone |= {event_id for word, event_id in said if word == "UNDONE"}
    found = trails(with_database, "settle", tmp_path / "trail", url)
    assert min(len(kept), len(undone)) > kills
    assert kept <= found["events"].keys(), "an acknowledged event is missing"
    assert not undone & found["events"].keys(), "an undone change was recorded"
    assert sorted(found["orders"]) == sorted(found["events"].values())
    assert found["findings"] == []


@pytest.mark.xdist_group("postgresql")
def test_postgresql_refuses_to_change_what_waits(
    with_database: Path, postgresql: PostgreSQL
) -> None:
    migrated(with_database, postgresql.create("audit_rules"))
    row = "INSERT INTO audit_outbox (id, record, code, relayed) VALUES ('1', '{}', '', false)"
    postgresql.sql(row, "audit_rules")
    for statement in (
        "DELETE FROM audit_outbox",
        "TRUNCATE audit_outbox",
        "UPDATE audit_outbox SET record = 'x', relayed = true",
        "UPDATE audit_outbox SET relayed = false",
    ):
        with pytest.raises(AssertionError, match="append-only"):
            postgresql.sql(statement, "audit_rules")
    postgresql.sql("UPDATE audit_outbox SET relayed = true", "audit_rules")
    postgresql.sql("DELETE FROM audit_outbox", "audit_rules")


@pytest.mark.xdist_group("postgresql")
def test_service_whose_role_may_do_no_more_than_documented_records_and_relays(
    with_database: Path, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    migrated(with_database, postgresql.create("audit_role"))
    postgresql.create_role("service")
    page = (with_database / "docs/platform/audit.md").read_text("utf-8")
    (documented,) = re.findall(r"`(GRANT [^`]* ON audit_outbox)`", page)
    for grant in (
        documented,
        "GRANT USAGE ON SEQUENCE audit_outbox_n_seq",
        "GRANT SELECT, INSERT, UPDATE ON orders",
        "GRANT SELECT ON alembic_version",
    ):
        postgresql.sql(f"{grant} TO service", "audit_role")
    url = postgresql.url("audit_role", "service")
    said = stop_after(40, with_database, "in_transactions", tmp_path / "trail", url, 4)
    found = trails(with_database, "settle", tmp_path / "trail", url)
    assert {event_id for word, event_id in said if word == "ACK"} <= found["events"].keys()
    assert found["findings"] == []
    for statement in (
        "UPDATE audit_outbox SET record = 'x'",
        "TRUNCATE audit_outbox",
        "ALTER TABLE audit_outbox DISABLE TRIGGER ALL",
        "DROP TABLE audit_outbox",
    ):
        with pytest.raises(AssertionError, match=r"permission denied|must be owner"):
            postgresql.sql(f"SET ROLE service; {statement}", "audit_role")


# --- erasure -------------------------------------------------------------------------------------


def test_a_hundred_erased_people_are_in_no_file_and_every_proof_holds(
    project: Path, tmp_path: Path
) -> None:
    found = trails(project, "shred", tmp_path / "trail", 100)
    assert {"trail.db", "trail.db-wal", "subject-keys.db"} <= set(found["files"])
    assert found["in_files"] == []
    assert found["erased_readable"] == []
    assert found["kept_readable"] == 100
    assert found["valid_proofs"] == found["proofs"] == 200
    assert found["findings"] == []


def test_the_byte_search_finds_what_is_not_encrypted(project: Path, tmp_path: Path) -> None:
    """Look for something that stands in clear, so that a search that finds nothing says something."""
    trails(project, "shred", tmp_path / "trail", 1)
    assert b"auth.login_failed" in (tmp_path / "trail/trail.db").read_bytes()
