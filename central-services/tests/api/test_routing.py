# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The table of routes gives the answers of FastAPI's own router."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from starlette.routing import Route

from central_services.middleware.stack import LeanFastAPI

METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
PATHS = (
    "/things/7",
    "/things/x",
    "/things/7/",
    "/things/latest",
    "/things",
    "/things%0A",
    "/things/7%0A",
    "/thingsandmore",
    "/tenants/a/things",
    "/tenants/b/nested/3",
    "/outer/inside",
    "/outer/a/b.txt",
    "/mounted/page",
    "/after/mount",
    "/plain",
    "/openapi.json",
    "/nothing",
    "/",
    "//",
    "/%2F",
)


async def who() -> str:
    return "somebody"


async def page(scope, receive, send) -> None:
    await PlainTextResponse("page")(scope, receive, send)


def build(kind: type[FastAPI], prefix: str = "/outer", *, mounts: bool = True) -> FastAPI:
    things = APIRouter(prefix="/things")
    tenants = APIRouter(prefix="/tenants/{tenant}", dependencies=[Depends(who)])
    nested = APIRouter(prefix="/nested")
    outer = APIRouter()

    @things.get("/{number:int}")
    async def thing(number: int, request: Request, name: Annotated[str, Depends(who)]) -> str:
        shown = request.scope["route"].path, dict(request.path_params)
        return f"{number} {name} {shown} {request.url_for('thing', number=1)}"

    @things.post("/{number}", status_code=201)
    async def make(number: int) -> int:
        return number

    @things.get("/latest")
    async def latest() -> str:
        return "latest"

    @tenants.get("/things")
    async def of_tenant(tenant: str) -> str:
        return tenant

    @nested.get("/{number}")
    async def deep(tenant: str, number: int) -> str:
        return f"{tenant} {number}"

    @outer.get("/inside")
    async def inside() -> str:
        return "inside"

    @outer.get("/{path:path}")
    async def rest(path: str) -> str:
        return path

    @outer.websocket("/{path:path}")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    tenants.include_router(nested)
    app = kind(docs_url=None, redoc_url=None)
    app.router.routes.append(Route("/plain", lambda _: PlainTextResponse("plain")))
    app.include_router(things)
    app.include_router(tenants)
    app.include_router(outer, prefix=prefix)
    if mounts:
        app.mount("/mounted", page)

    @app.get("/after/mount")
    async def after() -> str:
        return "after"

    return app


@pytest.mark.parametrize("prefix", ["/outer", "/{tenant}/outer", ""])
@pytest.mark.parametrize("root", ["", "/base"])
def test_every_answer_is_that_of_the_router(root, prefix) -> None:
    plain, table = (
        TestClient(build(kind, prefix), "http://api", root_path=root, follow_redirects=False)
        for kind in (FastAPI, LeanFastAPI)
    )
    for method, path in product(METHODS, PATHS):
        expected, got = (client.request(method, root + path) for client in (plain, table))
        assert got.status_code == expected.status_code, (method, path)
        assert got.content == expected.content, (method, path)
        assert got.headers.get("location") == expected.headers.get("location"), (method, path)


def test_dependencies_can_be_replaced() -> None:
    app = build(LeanFastAPI)
    client = TestClient(app)
    assert "somebody" in client.get("/things/1").text
    app.dependency_overrides[who] = lambda: "nobody"
    assert "nobody" in client.get("/things/1").text


def test_a_route_that_is_added_later_is_found() -> None:
    app = build(LeanFastAPI)
    client = TestClient(app)
    assert client.get("/later").status_code == 404

    @app.get("/later")
    async def later() -> str:
        return "later"

    assert client.get("/later").status_code == 200


def test_websockets_are_left_to_the_router() -> None:
    with TestClient(build(LeanFastAPI)).websocket_connect("/outer/x") as socket:
        assert socket.receive_text() == "hello"


@pytest.mark.parametrize("mounts", [True, False])
def test_a_405_names_the_methods_of_every_route_of_the_path(mounts) -> None:
    got = TestClient(build(LeanFastAPI, mounts=mounts)).delete("/things/7")
    assert got.status_code == 405
    # With something mounted the table does not know all that could fit.
    assert got.headers["allow"] == ("GET" if mounts else "GET, POST")


@pytest.mark.parametrize("where", ["router", "include", "application"])
def test_a_router_that_limits_forms_is_passed_through(where) -> None:
    limits: Any = {"max_fields": 1}
    inner = APIRouter(prefix="/inner", form_limits=limits if where == "router" else None)

    @inner.get("/limits")
    async def limits_in_force(request: Request) -> dict[str, int]:
        return request.scope["fastapi"]["form_limits"]

    app = LeanFastAPI(form_limits=limits) if where == "application" else LeanFastAPI()
    app.include_router(inner, form_limits=limits if where == "include" else None)
    assert TestClient(app).get("/inner/limits").json() == limits


class Watched(APIRouter):
    """A router that remembers what it was asked."""

    async def __call__(self, scope, receive, send) -> None:
        scope["app"].state.asked.append(scope["path"])
        await super().__call__(scope, receive, send)


def test_the_router_is_asked_for_what_is_not_in_the_table() -> None:
    app = build(LeanFastAPI)
    app.router.__class__ = Watched
    app.state.asked = []
    client = TestClient(app)
    client.get("/things/7")
    client.get("/tenants/a/nested/3")
    assert app.state.asked == []
    client.get("/after/mount")
    assert app.state.asked == ["/after/mount"]
