"""A realistic project: everything it adds has a place that is not the platform's, for years."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic
import yaml
from in_process import scripts_update
from processes import RunIn
from rendering import Renderer, commit_all, copy_project, slug_of, snapshot
from updating.ownership import load

pytestmark = pytest.mark.slow
ANSWERS = {"include_database": True, "ci_provider": "github"}

OWN = {
    "src/acme_orders/stock/__init__.py": '"""Stock: what is left."""\n\nfrom .endpoints import router\n\n__all__ = ["router"]\n',
    "src/acme_orders/stock/models.py": '"""The table of stock."""\n\nfrom sqlalchemy import String\nfrom sqlalchemy.orm import Mapped, mapped_column\n\nfrom ..core.database import Base\n\n\nclass StockRow(Base):\n    """How much there is of an article."""\n\n    __tablename__ = "stock"\n\n    sku: Mapped[str] = mapped_column(String(32), primary_key=True)\n    pieces: Mapped[int]\n',
    "src/acme_orders/stock/errors.py": '"""What can go wrong with stock."""\n\nfrom ..core.errors import NotFoundError\n\n\nclass UnknownArticleError(NotFoundError):\n    """There is no such article."""\n\n    title = "Unknown article"\n',
    "src/acme_orders/stock/endpoints.py": '"""The HTTP face of stock."""\n\nfrom __future__ import annotations\n\nfrom fastapi import APIRouter, Request\n\nfrom ..api.problems import problem_responses\nfrom ..core.database import ReadSession\nfrom .errors import UnknownArticleError\nfrom .models import StockRow\n\nrouter = APIRouter(prefix="/stock", tags=["stock"])\n\n\n@router.get("/{sku}", responses=problem_responses(UnknownArticleError, 422, 503))\nasync def pieces(sku: str, session: ReadSession, request: Request) -> int:\n    """Return how many pieces there are."""\n    row = await session.get(StockRow, sku)\n    if row is None:\n        raise UnknownArticleError(request.app.state.settings.stock_hint)\n    return row.pieces\n',
    "src/acme_orders/main.py": '"""The application."""\n\nfrom collections.abc import AsyncGenerator\nfrom contextlib import asynccontextmanager\n\nfrom fastapi import FastAPI\n\nfrom .api.health import HealthCheck\nfrom .core.app import build_app\nfrom .orders import router as orders\nfrom .settings import Settings\nfrom .stock import router as stock\n\n\nasync def stock_is_there() -> bool:\n    """Tell whether the stock can be asked."""\n    return True\n\n\n@asynccontextmanager\nasync def counter(app: FastAPI) -> AsyncGenerator[None]:\n    """Open what the stock needs."""\n    app.state.counter = 1\n    yield\n\n\ndef create_app() -> FastAPI:\n    """Return a new application."""\n    return build_app(\n        Settings(),\n        routers=[orders, stock],\n        lifespans=[counter],\n        checks=[HealthCheck("stock", stock_is_there)],\n    )\n\n\napp = create_app()\n',
    "tests/stock/__init__.py": "",
    "tests/stock/test_endpoints.py": '"""Stock over HTTP."""\n\nimport httpx2\nimport pytest\n\npytestmark = pytest.mark.anyio\n\n\nasync def test_unknown_article_is_a_problem_with_the_hint(client: httpx2.AsyncClient, article: str):\n    answer = await client.get(f"/stock/{article}")\n    assert answer.status_code == 404\n    assert answer.json()["title"] == "Unknown article"\n    assert answer.json()["detail"] == "Ask the warehouse."\n\n\nasync def test_stock_is_a_readiness_check(client: httpx2.AsyncClient):\n    assert "stock" in (await client.get("/health/ready")).text\n',
    "tests/conftest.py": '"""Fixtures of this project."""\n\nimport pytest\n\n\n@pytest.fixture\ndef article() -> str:\n    """An article that there is none of."""\n    return "TEA-1"\n',
    ".github/workflows/nightly.yml": "name: Nightly\non:\n  schedule:\n    - cron: '0 3 * * *'\npermissions: {}\njobs:\n  hello:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo hello\n",
    "docs/stock.md": "# Stock\n\nWhat is left.\n",
    "deploy/kubernetes/overlays/staging/kustomization.yaml": "resources:\n  - ../../base\n",
    "scripts/check-project": "#!/bin/sh\nexit 0\n",
}  # fmt: skip

ADDED = {
    "src/acme_orders/settings.py": ("", '\n    stock_hint: str = Field("Ask the warehouse.", description="What a caller is told who asks for nothing.")  # fmt: skip\n'),
    "src/acme_orders/commands.py": ("", '\n\n@app.command()\ndef count() -> None:\n    """Count the stock."""\n    typer.echo("counted")\n'),
    "pyproject.toml": ("dependencies = [\n", '  "anyio>=4",\n'),
    ".pre-commit-config.yaml": ("", "      - id: own\n        name: own\n        entry: uv run --frozen true\n        language: system\n        pass_filenames: false\n"),
    ".gitignore": ("# Tools\n", "stock.cache\n"),
    ".gitattributes": ("*.png binary\n", "*.parquet binary\n"),
    ".dockerignore": ("!LICENSE\n", "!stock.csv\n"),
    "deploy/compose.yaml": ("services:\n", "  warehouse:\n    image: example/warehouse:1\n\n"),
    "mkdocs.yml": ("  - Home: index.md\n", "  - Stock: stock.md\n"),
    "README.md": ("", "\n## Stock\n\nIt counts.\n"),
}  # fmt: skip
"""What goes into files that the template brought: after which line (the end without one), and what."""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.build(tmp_path_factory.mktemp("history") / "slipway")


def extend(project: Path) -> None:
    """Do what a team does in its first months, by AGENTS.md."""
    for name, text in OWN.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (project / "scripts/check-project").chmod(0o755)
    for name, (after, text) in ADDED.items():
        path = project / name
        before = path.read_text("utf-8")
        assert after in before, f"{name} has no {after!r} any more"
        path.write_text(before.replace(after, after + text, 1) if after else before + text, "utf-8")
    settings = project / "src/acme_orders/settings.py"
    text = settings.read_text("utf-8")
    settings.write_text(
        text.replace("from .core.config", "from pydantic import Field\n\nfrom .core.config")
    )


def live(project: Path, run_in: RunIn) -> None:
    """Run what the project added, and the checks of what it shares."""
    slug = slug_of(project)
    run_in(project, "ruff", "check", "src", "tests")
    run_in(project, "ruff", "format", "--check", "src", "tests")
    run_in(project, "python", "-m", slug, "config", "env-example", "--check")
    assert "counted" in run_in(project, "python", "-m", slug, "count").stdout
    assert "/stock/{sku}" in run_in(project, "python", "-m", slug, "openapi").stdout
    run_in(project, "python", "-m", slug, "db", "upgrade")
    run_in(project, "python", "-m", slug, "db", "check")
    done = run_in(project, "python", "-m", "pytest", "-q", "tests/stock", "tests/orders")
    assert " passed" in done.stdout
    compose = yaml.safe_load((project / "deploy/compose.yaml").read_text("utf-8"))
    assert {"app", "warehouse"} <= set(compose["services"])


def test_realistic_project_never_edits_a_managed_file_and_takes_three_releases(
    render: Renderer, history: Path, tmp_path: Path, run_in: RunIn
) -> None:
    made = render.copier(
        render.new_folder() / "p", str(history), vcs_ref=synthetic.first_release(), **ANSWERS
    )
    project = copy_project(made, tmp_path / "acme_orders")
    commit_all(project, "generated")
    before = snapshot(project)
    extend(project)
    run_in(project, "python", "-m", "acme_orders", "config", "env-example", "--write")
    run_in(project, "python", "-m", "acme_orders", "db", "upgrade")
    run_in(project, "python", "-m", "acme_orders", "db", "revision", "-m", "stock")
    live(project, run_in)
    commit_all(project, "our service")
    table, mine = load(project), snapshot(project)
    edited = [n for n in before if table.class_of(n) == "managed" and mine.get(n) != before[n]]
    assert edited == []
    for tag in synthetic.TAGS:
        outcome = scripts_update(project, to=tag)
        assert (outcome.conflicts, outcome.bent, outcome.deleted, outcome.kept) == ([], {}, [], [])
        commit_all(project, tag)
    after = snapshot(project)
    assert [n for n in OWN if after.get(n) != mine[n]] == []
    for name, (_, text) in ADDED.items():
        assert text in after[name][1].decode(), name
    live(project, run_in)
