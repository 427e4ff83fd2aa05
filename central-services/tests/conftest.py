"""Fixtures of this project."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker of tests that need a server known."""
    marker = "server(variable): it needs a server, which this environment variable names"
    config.addinivalue_line("markers", marker)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs a server that is not named; the tests of the repository name some."""
    items[:] = [
        item
        for item in items
        if all(os.environ.get(str(mark.args[0])) for mark in item.iter_markers("server"))
    ]
