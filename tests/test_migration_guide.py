"""The guide "From ARQ or Celery to here": its three programs are run, and give the same results."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from combinations import ROOT
from processes import RunIn
from projects import prefix_of
from rendering import Renderer, copy_project, slug_of
from valkey_server import Valkey

pytestmark = pytest.mark.slow

GUIDE = ROOT / "docs/how-to/from-arq-or-celery.md"
RESULTS = [1190, {"order_id": "4711", "label": "L-4711-750"}]

ARQ = """
import asyncio, json, logging
from arq import create_pool
from arq.worker import Worker
from shop_arq import WorkerSettings

async def main():
    pool = await create_pool(WorkerSettings.redis_settings)
    jobs = [
        await pool.enqueue_job("price_with_vat", 1000, "DE"),
        await pool.enqueue_job("make_label", "4711", 750),
    ]
    settings = {k: v for k, v in vars(WorkerSettings).items() if not k.startswith("_")}
    worker = Worker(burst=True, handle_signals=False, **settings)
    await worker.main()
    print(json.dumps([await job.result(timeout=1) for job in jobs]))
    await worker.close()
    await pool.aclose()

asyncio.run(main())
"""

# The worker is Celery's own, in a thread of the process. So is the broker: Celery's for Redis needs a
# redis-py that is newer than ARQ allows, and both are in one environment.
CELERY = """
import json
from celery.contrib.testing.worker import start_worker
from shop_celery import app, make_label, price_with_vat

with start_worker(app, pool="solo", perform_ping_check=False, loglevel="ERROR"):
    results = [price_with_vat.delay(1000, "DE"), make_label.delay("4711", 750)]
    print(json.dumps([result.get(timeout=60) for result in results]))
"""

# The worker is the command of the service, beside this client.
HERE = """
import asyncio, json, sys
from PACKAGE.jobs.client import open_client
from PACKAGE.jobs.connecting import make_store
from PACKAGE.jobs.tasks import make_label, price_with_vat
from PACKAGE.settings import Settings

ENQUEUE

async def main():
    settings = Settings().jobs
    async with open_client(settings, lambda: make_store(settings)) as client:
        if sys.argv[1] == "enqueue":
            twice = [await order_placed("4711"), await order_placed("4711")]
            assert twice[0] == twice[1], "one label, however often the order is placed"
            return
        found = {job.task: job for job in await client.search()}
        print(json.dumps([
            await price_with_vat.result(found["price_with_vat"].id),
            (await make_label.result(found["make_label"].id)).model_dump(),
            found["price_with_vat"].attempt,
        ]))

asyncio.run(main())
"""


def programs() -> dict[str, str]:
    """Return the guide's code by its title."""
    found = re.findall(
        r'^```python title="(.+?)"\n(.*?)^```', GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert {title for title, _ in found} == {
        "shop_arq.py",
        "shop_celery.py",
        "tasks.py",
        "enqueue.py",
    }
    return dict(found)


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory, run_in: RunIn, uv: str) -> Path:
    """Return an interpreter that has ARQ and Celery, which no generated service has by default."""
    folder = tmp_path_factory.mktemp("migration")
    python, lock = folder / "before/bin/python", ROOT / "requirements/migration.txt"
    run_in(folder, uv, "venv", folder / "before", online=True)
    run_in(folder, uv, "pip", "sync", "--require-hashes", "--python", python, lock, online=True)
    return python


def last_line(text: str) -> Any:
    """Return what a program printed last."""
    return json.loads(text.strip().splitlines()[-1])


@pytest.mark.parametrize(("name", "script"), [("shop_arq", ARQ), ("shop_celery", CELERY)])
def test_program_before_the_move_runs(
    name: str, script: str, old_python: Path, tmp_path: Path, run_in: RunIn, valkey: Valkey
) -> None:
    folder = tmp_path / "before"
    folder.mkdir()
    (folder / f"{name}.py").write_text(programs()[f"{name}.py"])
    (folder / "play.py").write_text(script)
    url = valkey.url.replace("valkey:", "redis:", 1)
    environment: Any = {
        "SHOP_REDIS_URL": url,
        "SHOP_BROKER_URL": "memory://",
        "PYTHONPATH": ".",
    }
    done = run_in(folder, old_python, "play.py", **environment)
    assert last_line(done.stdout) == RESULTS


def test_program_after_the_move_gives_the_same_results_on_the_same_server(
    render: Renderer, tmp_path: Path, run_in: RunIn, valkey: Valkey
) -> None:
    project = copy_project(render("cookiecutter"), tmp_path / "project")
    slug, code = slug_of(project), programs()
    (project / f"src/{slug}/jobs/tasks.py").write_text(code["tasks.py"])
    script = HERE.replace("PACKAGE", slug).replace("ENQUEUE", code["enqueue.py"])
    (project / "play.py").write_text(script)
    settings: Any = {f"{prefix_of(project)}JOBS__URL": valkey.url}
    run_in(project, "python", "play.py", "enqueue", **settings)
    run_in(project, "python", "-m", slug, "worker", "--until-empty", **settings)
    *results, attempts = last_line(
        run_in(project, "python", "play.py", "results", **settings).stdout
    )
    assert (results, attempts) == (RESULTS, 2)
