"""Commands of the program `central-services`, beside those that every project has; see also `central`."""

import typer

from .auth_service.commands import auth_app

app = typer.Typer(help="Commands of this project.")
app.add_typer(auth_app, name="auth")
