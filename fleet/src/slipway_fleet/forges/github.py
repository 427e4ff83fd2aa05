"""GitHub's REST API, version 2022-11-28."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .http import ForgeClient
from .requests import NewRequest, RemoteRepository, Request, RequestState


class GitHub:
    """See `Forge`."""

    def __init__(
        self, api: str, token: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Take the API's address and a token."""
        headers = {
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        if token:
            headers["authorization"] = f"Bearer {token}"
        self._client = ForgeClient(api, headers, sleep=sleep)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def repositories(self, group: str) -> list[RemoteRepository]:
        """Return the repositories of an organisation."""
        listed = self._client.get_pages(f"orgs/{group}/repos", per_page=100, type="all")
        return [
            RemoteRepository(
                slug=item["full_name"],
                url=item["clone_url"],
                branch=item.get("default_branch") or "",
                archived=bool(item.get("archived")),
                topics=tuple(item.get("topics") or ()),
            )
            for item in listed
        ]

    def find(self, slug: str, branch: str) -> Request | None:
        """Return the newest request from a branch, an open one first."""
        owner = slug.partition("/")[0]
        query: dict[str, str | int] = {"head": f"{owner}:{branch}", "state": "all", "per_page": 100}
        found = self._client.call("GET", f"repos/{slug}/pulls", query=query).json()
        # The filter is ignored by GitHub when the branch is gone, so the answer is looked at again.
        mine = [item for item in found if item["head"]["ref"] == branch]
        mine.sort(key=lambda item: (item["state"] == "open", item["number"]))
        return _request(mine[-1]) if mine else None

    def open(self, slug: str, new: NewRequest) -> Request:
        """Open a pull request, or bring the open one up to date."""
        there = self.find(slug, new.branch)
        body: dict[str, Any] = {"title": new.title, "body": new.body}
        if there is not None and there.state == "open":
            path = f"repos/{slug}/pulls/{there.number}"
            return _request(self._client.call("PATCH", path, body=body).json())
        body |= {"head": new.branch, "base": new.base, "draft": new.draft}
        made = _request(self._client.call("POST", f"repos/{slug}/pulls", body=body).json())
        if new.labels:
            path = f"repos/{slug}/issues/{made.number}/labels"
            self._client.call("POST", path, body={"labels": list(new.labels)})
        return made

    def close_request(self, slug: str, number: int) -> None:
        """Close a pull request without merging it."""
        self._client.call("PATCH", f"repos/{slug}/pulls/{number}", body={"state": "closed"})


def _request(item: dict[str, Any]) -> Request:
    state: RequestState = "open" if item["state"] == "open" else "closed"
    if item.get("merged_at"):
        state = "merged"
    return Request(item["number"], item["html_url"], state, bool(item.get("draft")))
