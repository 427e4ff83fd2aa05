# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Addresses: what is one, and how it is spelt for the wire."""

import pytest

from central_services.mail.addresses import Mailbox
from central_services.mail.errors import InvalidEmailError


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("ann@example.com", "ann@example.com", ""),
        ("Ann Smith <ann@EXAMPLE.com>", "ann@example.com", "Ann Smith"),
        ('"Smith, Ann" <ann+x@example.com>', "ann+x@example.com", "Smith, Ann"),
        ("ann@straße.de", "ann@xn--strae-oqa.de", ""),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp", ""),
        ("o'brien@example.co.uk", "o'brien@example.co.uk", ""),
    ],
)
def test_address_is_read(text: str, address: str, name: str) -> None:
    assert Mailbox.parse(text) == Mailbox(address, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@example..com",
        "ann@-example.com",
        "ann@127.0.0.1",
        ".ann@example.com",
        "ann@example.com, bob@example.com",
        "ann@example.com\r\nBcc: bob@example.com",
        "Ann\n <ann@example.com>",
        "Ann <ann@example.com> <bob@example.com>",
        "ann@example.com>",
        "ann bob@example.com",
        "ann@exa\u202emple.com",
        "a" * 65 + "@example.com",
        "ann@" + "a" * 64 + ".com",
        "ann@" + "a." * 130 + "com",
        "ann@\u2028example.com",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidEmailError) as error:
        Mailbox.parse(text)
    assert "ann" not in str(error.value).replace("an address", "")


def test_address_knows_its_domain_and_whether_every_server_takes_it() -> None:
    assert Mailbox.parse("ann@exämple.com").domain == "xn--exmple-cua.com"
    assert Mailbox.parse("ann@exämple.com").is_ascii
    assert not Mailbox.parse("änn@example.com").is_ascii
