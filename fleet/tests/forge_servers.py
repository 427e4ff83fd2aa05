"""GitHub and GitLab on 127.0.0.1, as far as the fleet talks to them: real HTTP, pages, rate limits."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 3
"""Items on a page, so that a handful of repositories has several."""


class FakeForge:
    """A server with repositories and requests. Use it as a context."""

    def __init__(self) -> None:
        self.repositories: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        self.answers_first: list[tuple[int, dict[str, str], object]] = []
        self.token = "s3cret-token"
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Print nothing."""

            def handle_any(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                owner.calls.append((self.command, self.path, dict(self.headers)))
                status, headers, data = owner.answer(self.command, self.path, body, self.headers)
                text = json.dumps(data).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815  # names of http.server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(
        self, method: str, path: str, body: dict[str, Any], headers: Any
    ) -> tuple[int, dict[str, str], object]:
        if self.answers_first:
            return self.answers_first.pop(0)
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if self.token not in {given, headers.get("private-token")}:
            return 401, {}, {"message": "Bad credentials"}
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        return self.route(method, parts.path, query, body)

    def route(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, str], object]:
        raise NotImplementedError

    def page(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], object]:
        number = int(query.get("page", "1"))
        some = self.repositories[(number - 1) * PAGE : number * PAGE]
        more = number * PAGE < len(self.repositories)
        link = {"link": f'<{self.url}{path}?page={number + 1}>; rel="next"'} if more else {}
        return 200, link, some


class FakeGitHub(FakeForge):
    """What `GitHub` asks for."""

    def add(self, name: str, url: str, **more: Any) -> None:
        """Add a repository of the organisation acme."""
        item = {"full_name": f"acme/{name}", "clone_url": url, "default_branch": "main"}
        self.repositories.append(item | more)

    def route(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, str], object]:
        if path == "/orgs/acme/repos":
            return self.page(path, query)
        _, _, owner, name, kind, *rest = path.split("/")
        slug = f"{owner}/{name}"
        mine = [r for r in self.requests if r["slug"] == slug]
        if method == "GET":
            branch = query["head"].partition(":")[2]
            return 200, {}, [r for r in mine if r["head"]["ref"] == branch]
        if kind == "issues":
            return 200, {}, []
        if method == "POST":
            if any(r["head"]["ref"] == body["head"] and r["state"] == "open" for r in mine):
                return 422, {}, {"message": "A pull request already exists"}
            made = {
                "slug": slug,
                "number": len(self.requests) + 1,
                "state": "open",
                "merged_at": None,
            }
            made |= {"head": {"ref": body["head"]}, "draft": body["draft"]}
            made |= {"html_url": f"{self.url}/{slug}/pull/{made['number']}"}
            self.requests.append(made | {"title": body["title"], "body": body["body"]})
            return 201, {}, self.requests[-1]
        found = next(r for r in mine if r["number"] == int(rest[0]))
        found.update(body)
        return 200, {}, found


class FakeGitLab(FakeForge):
    """What `GitLab` asks for."""

    def add(self, name: str, url: str, **more: Any) -> None:
        """Add a project of the group acme/services."""
        item = {"path_with_namespace": f"acme/services/{name}", "http_url_to_repo": url}
        self.repositories.append(item | {"default_branch": "main"} | more)

    def route(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, str], object]:
        if path == "/groups/acme%2Fservices/projects":
            return self.page(path, query)
        _, _, quoted, _, *rest = path.split("/")
        slug = unquote(quoted)
        mine = [r for r in self.requests if r["slug"] == slug]
        if method == "GET":
            return 200, {}, [r for r in mine if r["source_branch"] == query["source_branch"]]
        if method == "POST":
            made = {"slug": slug, "iid": len(self.requests) + 1, "state": "opened"} | body
            made["web_url"] = f"{self.url}/{slug}/-/merge_requests/{made['iid']}"
            self.requests.append(made)
            return 201, {}, made
        found = next(r for r in mine if r["iid"] == int(rest[0]))
        found.update(body)
        if body.get("state_event") == "close":
            found["state"] = "closed"
        return 200, {}, found


Forges = Callable[[], FakeForge]
