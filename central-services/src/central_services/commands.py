"""Commands of the program `central-services`, beside those that every project has; see also `central`."""

import typer

from .audit_service.commands import audit_service_app
from .auth_service.commands import auth_app
from .clients.auth_commands import auth_commands
from .settings import Settings
from .witness_service.commands import witness_app

app = typer.Typer(help="Commands of this project.")
# Each project has `auth keys`, `explain` and `token`; here they stand beside those of the service of that name.
auth_app.add_typer(auth_commands(Settings))
app.add_typer(auth_app, name="auth")
app.add_typer(audit_service_app, name="audit-service")
app.add_typer(witness_app, name="witness")
