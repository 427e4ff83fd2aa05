"""Money of a rendered project: the standard's own table, every locale, a long look at the properties."""

import json
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from processes import RunIn
from rendering import Renderer, slug_of


@pytest.fixture(scope="module")
def project(render: Renderer) -> Path:
    """Return a project with money."""
    return render("cookiecutter", include_financial=True)


TABLE = """
import json
from acme_orders.utils.financial import _iso4217 as table
print(json.dumps([
    table.PUBLISHED,
    {code: digits for digits, codes in table.ACTIVE.items() for code in codes.split()},
    sorted(table.WITHOUT_MINOR_UNIT),
]))
"""


def test_currencies_are_list_one_of_the_standard(project: Path, run_in: RunIn) -> None:
    published, active, without = json.loads(run_in(project, "python", "-c", TABLE).stdout)
    standard = ET.fromstring((resources.files("iso4217") / "table.xml").read_text("utf-8"))
    assert published == standard.attrib["Pblshd"]
    entries = standard.iter("CcyNtry")
    pairs = {(entry.findtext("Ccy"), entry.findtext("CcyMnrUnts")) for entry in entries}
    listed = {code: units for code, units in pairs if code and units}
    assert active == {code: int(units) for code, units in listed.items() if units != "N.A."}
    assert without == sorted(code for code, units in listed.items() if units == "N.A.")


IMPORTED = """
import sys
import acme_orders.main
assert "acme_orders.utils.financial" not in sys.modules, "nobody asked for it"
import acme_orders.utils.financial as financial
assert "babel" not in sys.modules, "nothing was written for people yet"
assert financial.format_audit_amount(1, "EUR") == "EUR 1.00"
assert "babel" in sys.modules
"""


def test_babel_is_imported_when_an_amount_is_first_written_for_people(
    project: Path, run_in: RunIn
) -> None:
    run_in(project, "python", "-c", IMPORTED)


def test_examples_of_the_page_are_true(project: Path, run_in: RunIn) -> None:
    shown = run_in(project, "python", "-m", "doctest", "-v", "docs/platform/money.md").stdout
    assert "0 failed" in shown or "Test passed" in shown
    assert shown.count("Trying:") >= 15


PAYMENT = """
import pathlib, re
page = pathlib.Path("docs/platform/money.md").read_text("utf-8")
(example,) = re.findall("```python\\n(.*?)```", page, re.S)
exec(example)
from fastapi.testclient import TestClient
from acme_orders.core.app import build_app
from acme_orders.settings import Settings
with TestClient(build_app(Settings(), routers=[router])) as client:
    first, again = (client.post("/payments/p-1") for _ in range(2))
assert first.status_code == 200, first.text
assert first.json() == again.json()
"""


def test_payment_of_the_page_is_in_a_trail_that_verifies(
    render: Renderer, run_in: RunIn, tmp_path: Path
) -> None:
    project = render("cookiecutter", include_financial=True, include_audit_logging=True)
    trail = str(tmp_path)
    audit = ("python", "-m", "acme_orders", "audit")
    run_in(project, "python", "-c", PAYMENT, ACME_ORDERS_AUDIT__PATH=trail)
    run_in(project, *audit, "verify", ACME_ORDERS_AUDIT__PATH=trail)
    found = run_in(project, *audit, "search", ACME_ORDERS_AUDIT__PATH=trail).stdout
    assert found.count('"financial.transaction_recorded"') == 1
    assert found.count("customer-17") == 1
    assert "user-3" not in found, "people are shown when asked for only"


LOCALES = """
from babel.localedata import locale_identifiers
from acme_orders.utils.financial import Money, format_audit_amount, parse_money
amounts = [
    Money.from_minor_units(units, code)
    for code in ("EUR", "JPY", "KWD", "CLF")
    for units in (0, 1, -1, 999, 1000, -100000, 123456789, -10**20 + 7)
]
names = locale_identifiers()
for name in names:
    for amount in amounts:
        text = format_audit_amount(amount, locale=name)
        assert parse_money(text, locale=name) == amount, (name, text)
        assert text.startswith(amount.currency + " "), (name, text)
print(len(names))
"""


@pytest.mark.slow
def test_amount_in_every_locale_is_read_back(project: Path, run_in: RunIn) -> None:
    assert int(run_in(project, "python", "-c", LOCALES).stdout) > 500


@pytest.mark.slow
def test_money_is_the_exact_rational_model_on_a_long_look(project: Path, run_in: RunIn) -> None:
    assert slug_of(project) == "acme_orders"
    arguments = ["tests/utils/financial", "-q", "--hypothesis-profile", "thorough"]
    done = run_in(project, "python", "-m", "pytest", *arguments, "-p", "no:cacheprovider")
    assert " passed" in done.stdout
