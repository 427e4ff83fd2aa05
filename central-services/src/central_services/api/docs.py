# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The documentation page: Swagger UI from this very server, with no inline script.

Nothing comes from another origin and nothing is inline, so that the page works under a strict
Content-Security-Policy and in a network without internet access. Every address in it is relative,
which keeps it working behind a proxy that strips a path prefix.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from html import escape
from importlib import resources

from fastapi import APIRouter, FastAPI, Request, Response

from ..core.errors import NotFoundError

_TYPES = {"css": "text/css", "js": "text/javascript", "png": "image/png"}
_ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$TITLE</title>
<link rel="icon" type="image/png" href="docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/assets/start.js"></script>
</body>
</html>
"""

_START = b"""SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  filter: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""

router = APIRouter(prefix="/docs", include_in_schema=False)


@lru_cache(maxsize=8)
def _asset(name: str) -> tuple[bytes, str]:
    """Return an asset and its entity tag."""
    if name == "start.js":
        content = _START
    else:
        content = resources.files("fastapi_swagger.resources").joinpath(name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@router.get("")
async def docs_page(request: Request) -> Response:
    """Show the API and let the reader try it."""
    page = _PAGE.replace("$TITLE", escape(str(request.app.title)))
    return Response(page, media_type="text/html", headers={"cache-control": "no-cache"})


@router.get("/assets/{name}")
async def docs_asset(name: str, request: Request) -> Response:
    """Serve one file of Swagger UI."""
    if name not in (*_ASSETS, "start.js"):
        raise NotFoundError
    content, tag = _asset(name)
    headers = {"etag": tag, "cache-control": "public, max-age=3600"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)


def install_docs(app: FastAPI) -> None:
    """Serve `/docs`."""
    app.include_router(router)
