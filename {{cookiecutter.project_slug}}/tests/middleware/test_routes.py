# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The shorter way to a route gives the answers of FastAPI's own."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse

from {{ cookiecutter.project_slug }}.api.routing import PrefixRouter
from {{ cookiecutter.project_slug }}.middleware.security import add_security_middleware
from {{ cookiecutter.project_slug }}.middleware.stack import LeanFastAPI

REQUESTS = [
    ("GET", "/things/7"),
    ("GET", "/things/x"),
    ("GET", "/things/7/"),
    ("GET", "/things"),
    ("HEAD", "/things/7"),
    ("POST", "/things/7"),
    ("DELETE", "/things/7"),
    ("GET", "/thingsandmore"),
    ("GET", "/tenants/a/things"),
    ("GET", "/tenants/b/nested/3"),
    ("GET", "/outer/inside"),
    ("GET", "/mounted/page"),
    ("GET", "/files/a/b.txt"),
    ("GET", "/probes/live"),
    ("GET", "/probes/dead"),
    ("GET", "/nothing"),
    ("OPTIONS", "/things/7"),
]


async def who() -> str:
    return "somebody"


def build(kind: type[FastAPI], *, catch_all: bool = False) -> FastAPI:
    async def page(_scope, _receive, send) -> None:
        await PlainTextResponse("page")({"type": "http"}, _receive, send)

    probes = PrefixRouter(prefix="/probes")
    things = APIRouter(prefix="/things")
    tenants = APIRouter(prefix="/tenants/{tenant}", dependencies=[Depends(who)])
    nested = APIRouter(prefix="/nested")
    outer = APIRouter()

    @probes.get("/live")
    async def live() -> str:
        return "alive"

    @things.get("/{number}")
    async def thing(number: int, request: Request, name: Annotated[str, Depends(who)]) -> str:
        return f"{number} {name} {request.scope['route'].path} {request.url_for('thing', number=1)}"

    @things.post("/{number}", status_code=201)
    async def make(number: int) -> int:
        return number

    @tenants.get("/things")
    async def of_tenant(tenant: str) -> str:
        return tenant

    @nested.get("/{number}")
    async def deep(tenant: str, number: int) -> str:
        return f"{tenant} {number}"

    @outer.get("/inside")
    async def inside() -> str:
        return "inside"

    @outer.get("/{path:path}", include_in_schema=False)
    async def rest(path: str) -> str:
        return path

    tenants.include_router(nested)
    app = kind(docs_url=None, redoc_url=None)
    app.include_router(probes)
    for router in (things, tenants):
        app.include_router(router)
    app.include_router(outer, prefix="" if catch_all else "/outer")
    app.mount("/mounted", page)
    add_security_middleware(app, enable_rate_limiting=False)
    return app


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize("root", ["", "/base"])
def test_every_answer_is_fastapis_own(call, lines, method, path, root) -> None:
    answers = [
        call(build(kind), root + path, method, root_path=root, raw_path=b"/", server=("api", 80))
        for kind in (FastAPI, LeanFastAPI)
    ]
    plain, lean = ((a.status, a.body, a.headers.get("location")) for a in answers)
    if plain[0] < 400:
        assert lean == plain
    assert lean[0] == plain[0]


def test_dependencies_can_be_replaced(call, lines) -> None:
    app = build(LeanFastAPI)
    assert b"somebody" in call(app, "/things/1", server=("api", 80)).body
    app.dependency_overrides[who] = lambda: "nobody"
    assert b"nobody" in call(app, "/things/1", server=("api", 80)).body


def test_a_route_that_is_added_later_is_found(call, lines) -> None:
    app = build(LeanFastAPI)
    assert call(app, "/later").status == 404

    @app.get("/later")
    async def later() -> str:
        return "later"

    assert call(app, "/later").status == 200


def test_the_description_and_the_order_of_its_paths_stay(lines) -> None:
    plain, lean = build(FastAPI), build(LeanFastAPI)
    lean.build_middleware_stack()
    assert lean.openapi()["paths"].keys() == plain.openapi()["paths"].keys()


def test_a_route_for_everything_does_not_hide_the_platforms(call, lines) -> None:
    app = build(LeanFastAPI, catch_all=True)
    assert call(app, "/probes/live").body == b'"alive"'
    assert call(app, "/anything/else").body == b'"anything/else"'
    assert call(app, "/openapi.json").headers["content-type"] == "application/json"


def test_the_projects_routes_are_tried_first() -> None:
    app = build(LeanFastAPI)
    app.build_middleware_stack()
    routers = [getattr(route, "original_router", None) for route in app.router.routes]
    assert isinstance(routers[0], APIRouter)
    assert routers[0].prefix == "/things"
