# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Mail addresses: read strictly, domains as DNS spells them, UTF-8 kept where it must be."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InvalidEmailError

MAX_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
MAX_LOCAL_PART = 64
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>\Z")
# RFC 5322 dot-atom, with the UTF-8 of RFC 6531; quoted local parts are valid and nobody has one.
_LOCAL_PART = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
    r"(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+)*\Z"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
# Controls, line separators and what turns the direction of text around.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address with the name of whom it belongs to.

    Attributes:
        address: `local@domain`, the domain in ASCII (an IDN as its A-labels) and lower case.
        name: Name to show; may be empty.
    """

    address: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Mailbox:
        """Read `ann@example.com` or `Ann Smith <ann@example.com>`.

        Raises:
            InvalidEmailError: When it is not one address; the text does not repeat it.
        """
        if UNPRINTABLE.search(text):
            raise InvalidEmailError("an address has a line break or another control character")
        named = _NAMED.match(text.strip())
        name = named["name"].strip().strip('"').strip() if named else ""
        address = (named["address"] if named else text).strip()
        local, at, domain = address.rpartition("@")
        if not (at and _LOCAL_PART.match(local) and len(local.encode()) <= MAX_LOCAL_PART):
            raise InvalidEmailError("an address does not look like name@example.com")
        address = f"{local}@{_ascii_domain(domain)}"
        if len(address.encode()) > MAX_ADDRESS:
            raise InvalidEmailError(f"an address is longer than {MAX_ADDRESS} bytes")
        return cls(address, name)

    @property
    def domain(self) -> str:
        """The part after the at sign."""
        return self.address.rpartition("@")[2]

    @property
    def is_ascii(self) -> bool:
        """Whether servers without SMTPUTF8 (RFC 6531) can take it."""
        return self.address.isascii()


def _ascii_domain(domain: str) -> str:
    """Return a domain as DNS spells it.

    The standard library's codec follows IDNA 2003, which sends straße.de to strasse.de.
    """
    ascii_domain = domain.lower()
    if not domain.isascii():
        import idna  # noqa: PLC0415  # most domains are ASCII; its tables take a while to load

        try:
            ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise InvalidEmailError("the domain of an address is not a valid name") from None
    labels = ascii_domain.split(".")
    if not all(map(_LABEL.match, labels)) or labels[-1].isdigit() or len(ascii_domain) > 253:
        raise InvalidEmailError("the domain of an address is not a valid name")
    return ascii_domain
