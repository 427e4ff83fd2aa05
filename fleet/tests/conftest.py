"""Fixtures of the fleet tool's tests; what each does stands in its docstring."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from combinations import everything, load_manifest
from home import HOME_VARIABLE, move_home
from rendering import copy_template

from tests.fleets import Fleet, add_releases, clone_template


def pytest_configure(config: pytest.Config) -> None:
    """Move the home before git is started; workers share the controller's."""
    if HOME_VARIABLE not in os.environ:
        home = move_home()
        config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    tempfile.tempdir = None  # look at TMPDIR again


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return this checkout's template with three releases, the later ones as `fleets` says."""
    made = copy_template(tmp_path_factory.mktemp("template") / "slipway")
    add_releases(made)
    return made


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache of mirrors and renders that tests may start from."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def fleet(template: Path, shared_cache: Path, tmp_path: Path) -> Fleet:
    """Return an empty fleet over the template, whose renders are shared by all tests."""
    return Fleet(tmp_path, template, clone_template(shared_cache, tmp_path))


@pytest.fixture(scope="session")
def all_on() -> dict[str, Any]:
    """Return the answers that switch every feature on."""
    return everything(load_manifest(), on=True)
