"""Uploads of a rendered service, judged with a real scanner, through real jobs."""

import io
import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clamd_server import MARKER, PROGRAM, Clamd, eicar
from processes import RunIn, clean_environment, rendered_python, show
from projects import prefix_of
from rendering import Renderer, slug_of

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)

PROCESS = """
import asyncio, json, sys
from dataclasses import asdict
from PACKAGE.jobs.client import open_client
from PACKAGE.jobs.running import consuming
from PACKAGE.jobs.connecting import make_store
from PACKAGE.jobs.worker import process_file_upload
from PACKAGE.settings import Settings

async def main():
    settings = Settings()
    connect = lambda: make_store(settings.jobs)
    async with open_client(settings.jobs, connect) as client:
        ids = {name: await process_file_upload.enqueue(name, name) for name in sys.argv[1:]}
        async with consuming(settings, client) as consumer:
            work = asyncio.create_task(consumer.run())
            found = {}
            for name, job_id in ids.items():
                found[name] = asdict(await process_file_upload.result(job_id, timeout_s=100))
                said = (await client.get(job_id)).progress
                found[name]["progress"] = said.note if said else ""
            consumer.stop()
            await work
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    """A running scanner."""
    if PROGRAM is None:
        pytest.skip("clamd is not installed: apt-get install clamav-daemon")
    server = Clamd()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def project(render: Renderer) -> Path:
    """A project with background jobs."""
    return render("cookiecutter", include_background_jobs=True)


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """The upload folder."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(project: Path, tmp_path: Path, uploads: Path) -> dict[str, Any]:
    """Settings that every test needs."""
    prefix = prefix_of(project)
    return {
        f"{prefix}JOBS__PATH": str(tmp_path / "jobs.db"),
        f"{prefix}MAIL__RECORDS_PATH": str(tmp_path / "mail.db"),
        f"{prefix}UPLOADS__FOLDER": str(uploads),
        f"{prefix}UPLOADS__QUARANTINE_FOLDER": str(tmp_path / "quarantine"),
        f"{prefix}UPLOADS__ALLOWED_TYPES": "image/*,text/plain,application/zip",
    }


def zipped(content: bytes) -> bytes:
    """Return an archive with a file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", content)
    return buffer.getvalue()


def process(project: Path, run_in: RunIn, settings: dict[str, Any], *names: str) -> dict[str, Any]:
    """Enqueue uploads, let a worker process them, and return the results."""
    code = PROCESS.replace("PACKAGE", slug_of(project))
    done = run_in(project, "python", "-c", code, *names, **settings)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_malware_is_found_wherever_it_hides_and_the_rest_passes(
    project: Path,
    run_in: RunIn,
    settings: dict[str, Any],
    uploads: Path,
    clamd: Clamd,
    way: str,
) -> None:
    files = {
        "clean.png": PNG + os.urandom(2_000_000),
        "clean.txt": b"nothing to see here\n",
        "clean.zip": zipped(b"nothing"),
        "eicar.txt": eicar(),
        "eicar.zip": zipped(eicar()),
        "marked.png": PNG + MARKER + bytes(500_000),
        "bomb.zip": zipped(bytes(20_000_000)),
    }
    for name, content in files.items():
        (uploads / name).write_bytes(content)
    url = clamd.url if way == "tcp" else clamd.unix_url
    scanned = settings | {f"{prefix_of(project)}UPLOADS__CLAMD_URL": url}
    found = process(project, run_in, scanned, *files)
    accepted = {name for name, result in found.items() if result["status"] == "accepted"}
    assert accepted == {"clean.png", "clean.txt", "clean.zip"}
    assert {path.name for path in uploads.iterdir()} == accepted
    assert all(found[name]["scanned"] for name in accepted)
    assert {name: r["reason"] for name, r in found.items() if r["reason"]} == {
        "eicar.txt": "malware",
        "eicar.zip": "malware",
        "marked.png": "malware",
        "bomb.zip": "archive_bomb",
    }
    assert found["eicar.zip"]["detail"].startswith("Slipway.Eicar")
    assert found["clean.png"]["progress"] == "scanning"
    for name in found.keys() - accepted:
        kept = Path(found[name]["quarantined_as"])
        assert kept.read_bytes() == files[name]
        assert json.loads(kept.with_suffix(".json").read_text())["reason"] == found[name]["reason"]


def test_commands_ask_the_scanner(
    project: Path, run_in: RunIn, settings: dict[str, Any], tmp_path: Path, clamd: Clamd
) -> None:
    chosen = settings | {f"{prefix_of(project)}UPLOADS__CLAMD_URL": clamd.url}
    command = ("python", "-m", slug_of(project), "uploads")
    assert "ClamAV" in run_in(project, *command, "scanner", **chosen).stdout
    file = tmp_path / "holiday.txt"
    file.write_bytes(eicar())
    done = run_in(project, *command, "check", "--json", str(file), check=False, **chosen)
    assert done.returncode == 2
    assert json.loads(done.stdout)["reason"] == "malware"
    assert file.exists()


def test_file_larger_than_the_scanner_takes_is_not_let_through(
    project: Path, run_in: RunIn, settings: dict[str, Any], tmp_path: Path, clamd: Clamd
) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(PNG + os.urandom(9_000_000))
    chosen = settings | {f"{prefix_of(project)}UPLOADS__CLAMD_URL": clamd.url}
    command = ("python", "-m", slug_of(project), "uploads", "check", str(file))
    done = run_in(project, *command, check=False, **chosen)
    assert done.returncode == 1, show(done)
    assert "clamd" in done.stderr


# Stops forever in the middle of a file, with its reason written and the file not yet moved.
STOPS = """
import asyncio, os, time
from PACKAGE.settings import Settings
from PACKAGE.uploads import UploadProcessor

def hang(*_, **__):
    print("here", flush=True)
    time.sleep(600)

os.rename = hang
asyncio.run(UploadProcessor(Settings().uploads).process("7", "eicar.txt"))
"""


def test_worker_killed_before_the_move_leaves_nothing_undecided(
    project: Path, run_in: RunIn, settings: dict[str, Any], uploads: Path, clamd: Clamd
) -> None:
    (uploads / "eicar.txt").write_bytes(eicar())
    chosen = settings | {f"{prefix_of(project)}UPLOADS__CLAMD_URL": clamd.url}
    code = STOPS.replace("PACKAGE", slug_of(project))
    with subprocess.Popen(
        [rendered_python(), "-c", code],
        cwd=project,
        env=clean_environment() | chosen,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as worker:
        assert worker.stdout
        while worker.stdout.readline() not in {b"here\n", b""}:
            pass
        assert worker.poll() is None
        worker.send_signal(signal.SIGKILL)
    assert (uploads / "eicar.txt").exists()
    results = [process(project, run_in, chosen, "eicar.txt")["eicar.txt"] for _ in range(2)]
    assert {**results[0], "progress": ""} == results[1], "the second is read from the quarantine"
    assert Path(results[0]["quarantined_as"]).read_bytes() == eicar()
