"""`fleet doctor`: can this machine, this configuration and each source be worked with?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json, print_table
from ..errors import Exit

EXAMPLE = """\
[fleet]
name = "acme"
cache = ".fleet"

[[template]]
url = "https://github.com/slipway-platform/slipway.git"

[[source]]
type = "dir"
path = "projects"

[campaign]
waves = [1, 5, 25]
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print a fleet.toml to start from.")
    ] = False,
) -> None:
    """Check this machine, fleet.toml and each source."""
    if example:
        typer.echo(EXAMPLE, nl=False)
        return
    from ..doctor import examine  # noqa: PLC0415  # imports pydantic, which --example needs not

    checks = examine(Path(config))
    if json:
        print_json({"checks": [check.as_json() for check in checks]})
    else:
        rows = [("ok" if c.ok else "WRONG", c.name, c.text) for c in checks]
        print_table("", ["", "what", "found"], rows)
    raise typer.Exit(Exit.CLEAN if all(check.ok for check in checks) else Exit.FINDINGS)
