"""The project's own commands: each function here becomes a command of the program."""

import json

import typer

app = typer.Typer(help="Commands of this project.")


@app.command()
def sample_order() -> None:
    """Print an order to try the API with; pipe it into `curl --json @- .../orders`."""
    line = {"sku": "TEA-1", "quantity": 2, "unit_price": 450}
    order = {"currency": "EUR", "lines": [line]}
    typer.echo(json.dumps(order, indent=2))
