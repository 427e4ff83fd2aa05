"""GitHub and GitLab over HTTP: which repositories there are, and merge or pull requests."""

from .github import GitHub
from .gitlab import GitLab
from .requests import Forge, NewRequest, RemoteRepository, Request, forge_for

__all__ = ["Forge", "GitHub", "GitLab", "NewRequest", "RemoteRepository", "Request", "forge_for"]
