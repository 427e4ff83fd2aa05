"""Commands of the program `central-services`, beside those that every project has; see also `central`."""

import typer

app = typer.Typer(help="Commands of this project.")
