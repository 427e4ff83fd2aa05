"""The project's own commands: each function here becomes a command of the program."""

import typer

app = typer.Typer(help="Commands of this project.")


@app.command()
def routes() -> None:
    """List the endpoints that the service answers."""
    from .main import app as service

    for path, operations in sorted(service.openapi()["paths"].items()):
        for method in sorted(operations):
            typer.echo(f"{method.upper():7} {path}")
