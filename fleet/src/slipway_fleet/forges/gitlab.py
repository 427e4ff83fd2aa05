"""GitLab's REST API, version 4."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from .http import ForgeClient
from .requests import NewRequest, RemoteRepository, Request, RequestState

_DRAFT = "Draft: "


class GitLab:
    """See `Forge`."""

    def __init__(
        self, api: str, token: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Take the API's address and a token."""
        self._client = ForgeClient(api, {"private-token": token} if token else {}, sleep=sleep)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def repositories(self, group: str) -> list[RemoteRepository]:
        """Return the projects of a group and its subgroups."""
        path = f"groups/{quote(group, safe='')}/projects"
        listed = self._client.get_pages(
            path, per_page=100, include_subgroups="true", with_shared="false"
        )
        return [
            RemoteRepository(
                slug=item["path_with_namespace"],
                url=item["http_url_to_repo"],
                branch=item.get("default_branch") or "",
                archived=bool(item.get("archived")),
                topics=tuple(item.get("topics") or ()),
            )
            for item in listed
        ]

    def find(self, slug: str, branch: str) -> Request | None:
        """Return the newest request from a branch, an open one first."""
        query: dict[str, str | int] = {"source_branch": branch, "state": "all", "per_page": 100}
        found = self._client.call("GET", f"{_project(slug)}/merge_requests", query=query).json()
        mine = [item for item in found if item["source_branch"] == branch]
        mine.sort(key=lambda item: (item["state"] == "opened", item["iid"]))
        return _request(mine[-1]) if mine else None

    def open(self, slug: str, new: NewRequest) -> Request:
        """Open a merge request, or bring the open one up to date."""
        there = self.find(slug, new.branch)
        title = (_DRAFT if new.draft else "") + new.title
        body: dict[str, Any] = {"title": title, "description": new.body}
        if there is not None and there.state == "open":
            path = f"{_project(slug)}/merge_requests/{there.number}"
            return _request(self._client.call("PUT", path, body=body).json())
        body |= {"source_branch": new.branch, "target_branch": new.base}
        body |= {"remove_source_branch": True, "labels": ",".join(new.labels)}
        return _request(
            self._client.call("POST", f"{_project(slug)}/merge_requests", body=body).json()
        )

    def close_request(self, slug: str, number: int) -> None:
        """Close a merge request without merging it."""
        path = f"{_project(slug)}/merge_requests/{number}"
        self._client.call("PUT", path, body={"state_event": "close"})


def _project(slug: str) -> str:
    return f"projects/{quote(slug, safe='')}"


def _request(item: dict[str, Any]) -> Request:
    states: dict[str, RequestState] = {"opened": "open", "merged": "merged"}
    state = states.get(item["state"], "closed")
    draft = bool(item.get("draft") or str(item.get("title", "")).startswith(_DRAFT))
    return Request(item["iid"], item["web_url"], state, draft)
