"""The migration guides, carried out on a small project of each kind they are for."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from combinations import ROOT
from in_process import scripts_update
from processes import RunIn
from rendering import TAG, Renderer, commit_all, git, snapshot
from updating.ownership import load

pytestmark = pytest.mark.slow
GUIDE = ROOT / "docs/how-to/migrate-a-fastapi-project.md"

ASK = """
import json, sys
from fastapi.testclient import TestClient
from {module} import app
with TestClient(app, base_url="http://localhost") as client:
    answers = [client.get(path) for path in json.loads(sys.argv[1])]
print(json.dumps([[a.status_code, a.json()] for a in answers]))
"""

PLAIN = {
    "app/__init__.py": "",
    "app/main.py": """\
import os

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from app.items import router

app = FastAPI(title="Shop")
app.add_middleware(CORSMiddleware, allow_origins=["*"])
app.include_router(router)
app.state.greeting = os.getenv("GREETING", "hello")
""",
    "app/items.py": """\
from fastapi import APIRouter, HTTPException, Request

router = APIRouter(prefix="/items")
ITEMS = {1: "tea", 2: "mug"}


@router.get("/{item_id}")
async def item(item_id: int, request: Request) -> dict[str, str]:
    if item_id not in ITEMS:
        raise HTTPException(404, "no such item")
    return {"name": ITEMS[item_id], "greeting": request.app.state.greeting}
""",
    "requirements.txt": "fastapi\nuvicorn\n",
    "README.md": "# Shop\n",
    "tests/test_items.py": "# the old tests\n",
}

MODELS = """\
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
"""
REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = "a1b2c3"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_items"),
    )


def downgrade() -> None:
    op.drop_table("items")
"""
LAYERED = {
    "app/__init__.py": "",
    "app/main.py": """\
from fastapi import FastAPI

from app.api.items import router

app = FastAPI()
app.include_router(router, prefix="/api/v1")
""",
    "app/api/__init__.py": "",
    "app/api/deps.py": """\
from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.db.session import SessionLocal


def get_db() -> Iterator[Session]:
    with SessionLocal() as session:
        yield session
""",
    "app/api/items.py": """\
from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy.orm import Session

from app.api.deps import get_db
from app.crud.items import get_item
from app.schemas.items import ItemOut

router = APIRouter(prefix="/items")


@router.get("/{item_id}", response_model=ItemOut)
def item(item_id: int, db: Session = Depends(get_db)):
    found = get_item(db, item_id)
    if found is None:
        raise HTTPException(404, "no such item")
    return found
""",
    "app/crud/__init__.py": "",
    "app/crud/items.py": """\
from sqlalchemy.orm import Session

from app.models.items import Item


def get_item(db: Session, item_id: int) -> Item | None:
    return db.query(Item).filter(Item.id == item_id).first()
""",
    "app/schemas/__init__.py": "",
    "app/schemas/items.py": "from pydantic import BaseModel\n\n\nclass ItemOut(BaseModel):\n    id: int\n    name: str\n",
    "app/models/__init__.py": "",
    "app/models/items.py": MODELS,
    "app/db/__init__.py": "",
    "app/db/session.py": """\
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

SessionLocal = sessionmaker(create_engine("sqlite:///shop.db"))
""",
    "alembic/versions/a1b2c3_items.py": REVISION,
}

# --- what the tables of the guide make of them ---------------------------------------------------

PLAIN_MOVED = {
    "src/shop/items/__init__.py": '"""Items."""\n\nfrom .endpoints import router\n\n__all__ = ["router"]\n',
    "src/shop/items/endpoints.py": '"""The HTTP face of items."""\n\n'
    + PLAIN["app/items.py"]
    .replace("async def item(item_id: int, request: Request) -> dict[str, str]:\n",
             'async def item(item_id: int, request: Request) -> dict[str, str]:\n    """Return an item."""\n')
    .replace('raise HTTPException(404, "no such item")', 'raise HTTPException(404, "no such item")')
    .replace("request.app.state.greeting", "request.app.state.settings.greeting"),
    "src/shop/settings.py": '"""Settings of the shop."""\n\nfrom typing import ClassVar\n\nfrom pydantic import Field\n\n'
    "from .core.config import PlatformSettings\n\n\nclass Settings(PlatformSettings):\n"
    '    """Settings of this service, on top of the platform\'s."""\n\n    app_name: ClassVar[str] = "Shop"\n\n'
    '    greeting: str = Field("hello", description="What an item says.")\n',
}  # fmt: skip
MAIN = '''\
"""The application."""

from fastapi import FastAPI

from .core.app import build_app
from .items import router as items
from .settings import Settings


def create_app() -> FastAPI:
    """Return a new application."""
    return build_app(Settings(), routers=[items])


app = create_app()
'''
LAYERED_MOVED = {
    "src/shop/items/__init__.py": PLAIN_MOVED["src/shop/items/__init__.py"],
    "src/shop/items/models.py": '''\
"""The table of items."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import Base


class Item(Base):
    """An item."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
''',
    "src/shop/items/schemas.py": '''\
"""The shapes of items."""

from pydantic import BaseModel


class ItemOut(BaseModel):
    """An item as callers see it."""

    id: int
    name: str
''',
    "src/shop/items/endpoints.py": '''\
"""The HTTP face of items."""

from fastapi import APIRouter, HTTPException

from ..core.database import ReadSession
from .models import Item
from .schemas import ItemOut

router = APIRouter(prefix="/api/v1/items")


@router.get("/{item_id}")
async def item(item_id: int, session: ReadSession) -> ItemOut:
    """Return an item."""
    found = await session.get(Item, item_id)
    if found is None:
        raise HTTPException(404, "no such item")
    return ItemOut(id=found.id, name=found.name)
''',
    "src/shop/migrations/a1b2c3_items.py": f'"""Items."""\n\n{REVISION}',
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def ask(
    run_in: RunIn, project: Path, module: str, paths: list[str], pythonpath: str
) -> list[list[object]]:
    """Return status and body of each path, asked of the application itself."""
    code = ASK.format(module=module)
    done = run_in(project, "python", "-c", code, json.dumps(paths), PYTHONPATH=pythonpath)
    answers: list[list[object]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def render_over(render: Renderer, project: Path, *, include_database: bool = False) -> None:
    """Carry out steps 1 and 2 of the guide."""
    rendered = render.copier(
        render.new_folder() / "rendered",
        project_slug="shop",
        project_name="Shop",
        vcs_ref=TAG,
        include_database=include_database,
    )
    git(project, "mv", "app", "legacy")
    own = {
        name: (project / name).read_bytes() for name in ("README.md",) if (project / name).is_file()
    }
    shutil.copytree(rendered, project, dirs_exist_ok=True)
    for name, content in own.items():
        (project / name).write_bytes(content)


def finish(project: Path, run_in: RunIn) -> None:
    """Carry out steps 4 and 5: without the example, clean, and open to updates."""
    for path in ("src/shop/orders", "tests/orders", "legacy"):
        shutil.rmtree(project / path)
    (project / "src/shop/migrations/0001_orders.py").unlink(missing_ok=True)
    tasks = project / "src/shop/jobs/tasks.py"
    docstring, _, _ = tasks.read_text("utf-8").partition("\n\n")
    tasks.write_text(f"{docstring}\n", "utf-8")
    for name in ("requirements.txt", "tests/test_items.py"):
        (project / name).unlink(missing_ok=True)
    run_in(project, "python", "-m", "shop", "config", "env-example", "--write")
    run_in(project, "ruff", "check", "--fix", ".")
    run_in(project, "ruff", "format", ".")
    commit_all(project, "on the template")
    before = snapshot(project)
    outcome = scripts_update(project)
    assert outcome.is_empty, "\n".join(outcome.lines())
    assert snapshot(project) == before
    assert {load(project).class_of(name) for name in before} == {"managed", "merged", "owned"}


def test_plain_project_answers_as_before(render: Renderer, run_in: RunIn, tmp_path: Path) -> None:
    project, paths = tmp_path / "shop", ["/items/1", "/items/2"]
    write(project, PLAIN)
    commit_all(project, "years of work")
    before = ask(run_in, project, "app.main", paths, ".")
    render_over(render, project)
    write(project, PLAIN_MOVED | {"src/shop/main.py": MAIN})
    finish(project, run_in)
    assert ask(run_in, project, "shop.main", paths, "src") == before
    missing = ask(run_in, project, "shop.main", ["/items/3"], "src")
    assert missing[0][0] == 404
    assert "# Shop" in (project / "README.md").read_text()


def test_layered_project_keeps_its_rows_and_its_revision(
    render: Renderer, run_in: RunIn, tmp_path: Path
) -> None:
    project, paths = tmp_path / "shop", ["/api/v1/items/1"]
    write(project, LAYERED)
    with sqlite3.connect(tmp_path / "shop/shop.db") as database:
        database.execute(
            "CREATE TABLE items (id INTEGER NOT NULL, name VARCHAR(50) NOT NULL, CONSTRAINT pk_items PRIMARY KEY (id))"
        )
        database.execute("INSERT INTO items VALUES (1, 'tea')")
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('a1b2c3')")
    database.close()
    (project / ".gitignore").write_text("*.db\n")
    commit_all(project, "years of work")
    before = ask(run_in, project, "app.main", paths, ".")
    render_over(render, project, include_database=True)
    write(project, LAYERED_MOVED | {"src/shop/main.py": MAIN})
    shutil.rmtree(project / "alembic")
    finish(project, run_in)
    url = f"sqlite:///{project}/shop.db"
    run_in(project, "python", "-m", "shop", "db", "upgrade", SHOP_DATABASE__URL=url)
    run_in(project, "python", "-m", "shop", "db", "check", SHOP_DATABASE__URL=url)
    code = ASK.format(module="shop.main")
    done = run_in(project, "python", "-c", code, json.dumps(paths), SHOP_DATABASE__URL=url)
    assert json.loads(done.stdout.splitlines()[-1]) == before == [[200, {"id": 1, "name": "tea"}]]


@pytest.mark.parametrize("project", [PLAIN, LAYERED], ids=["plain", "layered"])
def test_guide_names_every_place_of_the_project(project: dict[str, str]) -> None:
    """A folder of the old layout that the guide does not mention would be left behind."""
    text = GUIDE.read_text("utf-8")
    folders = {name.rpartition("/")[0] for name in project} - {"", "app", "tests"}
    assert [folder for folder in folders if f"{folder}/" not in text] == []
