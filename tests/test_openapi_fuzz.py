"""What a rendered project answers to requests made from its own API description, valid and not."""

from __future__ import annotations

from pathlib import Path

import pytest
from booting import serving_as_it_is
from fuzzing import fuzz
from projects import prefix_of

pytestmark = pytest.mark.slow

# Valid by the description, and yet refused on good grounds: a cursor that no list gave, an
# idempotency key that came with another order.
EXCLUDED_CHECKS = "positive_data_acceptance"
EXAMPLES = 30  # per operation and phase: some 600 requests, 9 s of CPU


def test_no_request_finds_a_server_error_or_an_answer_beside_the_description(
    default_project: Path, tmp_path: Path
) -> None:
    prefix = prefix_of(default_project)
    settings = {
        f"{prefix}ENVIRONMENT": "test",
        f"{prefix}RATE_LIMIT__REQUESTS_PER_MINUTE": "1000000",
    }
    with serving_as_it_is(default_project, **settings) as service:
        excluded = f"--exclude-checks={EXCLUDED_CHECKS}"
        fuzz(service.url, tmp_path, excluded, examples=EXAMPLES, log=service.log.read_text)
