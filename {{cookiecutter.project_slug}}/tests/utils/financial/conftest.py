# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How thoroughly the properties of money are tested."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal, Inexact, Rounded, localcontext

import pytest
from hypothesis import settings

# For a longer look: pytest tests/utils/financial --hypothesis-profile thorough
settings.register_profile("thorough", max_examples=2_000, deadline=None)


@pytest.fixture(scope="package", autouse=True)
def hostile_decimal_context() -> Iterator[None]:
    """Run every test here under a decimal context in which arithmetic with `Decimal` fails."""
    with localcontext(Context(prec=1, traps=[Inexact, Rounded])):
        with pytest.raises(Inexact):
            Decimal("1.1") + Decimal("2.2")
        yield
