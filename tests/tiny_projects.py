"""What tests of `scripts/update` do to a project of the tiny template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import UpdateError, scripts_update
from rendering import snapshot

PACKAGE = "src/acme_orders"
APP = f"{PACKAGE}/core/app.py"
Make = Callable[..., Path]


def append(path: Path, text: str = "# mine\n") -> None:
    with path.open("a") as file:
        file.write(text)


def refusal(project: Path, **wishes: object) -> str:
    before = snapshot(project)
    with pytest.raises(UpdateError) as refused:
        scripts_update(project, **wishes)  # type: ignore[arg-type]  # keywords of several types
    assert snapshot(project) == before
    return str(refused.value)
