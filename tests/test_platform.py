"""The platform end to end: `central up`, a project that uses it, a login, what is allowed, refused and proven."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from booting import Service, serving
from central_home import Central, wait_until
from platform_logins import client_token, user_token
from rendering import Renderer, copy_project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("central")]

PREFIX = "ACME_ORDERS_"
AUDIENCE = "urn:slipway:acme-orders"


@pytest.fixture(scope="module")
def central() -> Iterator[Central]:
    central = Central()
    try:
        central("up", "--detach")
        yield central
    finally:
        central.close()
