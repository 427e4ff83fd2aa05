"""The project's own commands, as the program runs them."""

import json

from typer.testing import CliRunner

from {{ cookiecutter.project_slug }}.cli import app


def test_sample_order_is_one_that_the_api_takes() -> None:
    result = CliRunner().invoke(app, ["sample-order"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["currency"] == "EUR"
