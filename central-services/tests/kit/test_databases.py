"""Databases of services."""

import pytest

from central_services.kit.databases import create_database, database_url
from central_services.kit.supervision.unit import UnitError


@pytest.mark.parametrize(
    ("server", "wanted"),
    [
        ("postgresql://a:b@db:5432/platform", "postgresql://a:b@db:5432/platform_auth"),
        ("postgresql://a:b@db", "postgresql://a:b@db/central_auth"),
        ("postgresql://a@db/x?sslmode=require", "postgresql://a@db/x_auth?sslmode=require"),
    ],
)
def test_each_service_has_a_database_beside_the_one_that_was_given(
    server: str, wanted: str
) -> None:
    assert database_url(server, "auth") == wanted


def test_server_that_is_away_is_an_error_that_names_the_database(unused_port: int) -> None:
    server = f"postgresql://a:b@127.0.0.1:{unused_port}/central"
    with pytest.raises(UnitError, match="database central_auth can't be made"):
        create_database(server, database_url(server, "auth"))
