"""Requests and answers as Authlib sees them, without a web framework in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, OAuth2Request
from authlib.oauth2.rfc6749.requests import OAuth2Payload

from ..errors import FormError

MAX_FORM_BYTES = 32_768
_MAX_FIELDS = 50
_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "\\"}
# What a client may fill with its own words; these never get into an error's description.
_FREE = frozenset(
    {"state", "nonce", "login_hint", "claims", "ui_locales", "display", "registration"}
)

_REPEATED = frozenset({"resource", "audience"})  # RFC 8707 section 2, RFC 8693 section 2.1

# Authlib refuses requests to http:// URLs unless an environment variable is set. Whether https is
# required is a rule of the settings here (AUTH__ISSUER), which production enforces.
_URI = "https://authorization-server"


def parse_form(body: bytes | str) -> list[tuple[str, str]]:
    """Return the fields of a form or query.

    Raises:
        FormError: When it is no form, or too large.
    """
    if len(body) > MAX_FORM_BYTES:
        raise FormError("The form is too large.")
    try:
        text = body.decode("ascii") if isinstance(body, bytes) else body
        # RFC 6749 section 3.1: a parameter without a value is treated as if it were left out.
        return parse_qsl(text, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise FormError("The body is no form.") from None


class _Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib has no types
    """Parameters, each with all of its values."""

    def __init__(self, data: dict[str, str], lists: defaultdict[str, list[str]]) -> None:
        self._data, self._lists = data, lists

    @property
    def data(self) -> dict[str, str]:
        """The parameters."""
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        """The parameters, each with all of its values."""
        return self._lists


class OAuthRequest(OAuth2Request):  # type: ignore[misc]  # as above
    """A request to an OAuth endpoint.

    Attributes:
        fields: Its parameters in order; `resource` and `audience` may repeat.
        parameters: Its parameters by name.
        lists: The same, each with all of its values.
        proofs: Its DPoP headers (RFC 9449).
        jkt: The thumbprint of the key that it has proved to have.
    """

    def __init__(
        self,
        method: str,
        fields: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        proofs: Sequence[str] = (),
    ) -> None:
        super().__init__(method, _URI, headers=dict(headers))
        self.fields = fields
        self.proofs = proofs
        self.jkt: str | None = None
        self.parameters = dict(fields)
        self.lists: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in fields:
            self.lists[name].append(value)
        self.payload: Any = _Payload(self.parameters, self.lists)
        self.client: Any = None
        self.user: Any = None

    @property
    def args(self) -> dict[str, str]:
        """The parameters of a GET."""
        return self.parameters

    @property
    def form(self) -> dict[str, str]:
        """The parameters of a POST."""
        return self.parameters

    @property
    def resources(self) -> list[str]:
        """Whom the tokens are for (RFC 8707 section 2)."""
        return [value for name, value in self.fields if name == "resource"]

    def require_well_formed(self) -> None:
        """Refuse repeated parameters and characters that no parameter may have.

        Raises:
            InvalidRequestError: As RFC 6749 sections 3.1 and 3.2 ask.
            InvalidScopeError: When it is the scope.
        """
        for name, values in self.lists.items():
            if len(values) > 1 and name not in _REPEATED:
                raise InvalidRequestError("A parameter occurs more than once.")
            if name not in _FREE and not all(_PRINTABLE.issuperset(value) for value in values):
                # A malformed scope has a code of its own (RFC 6749 sections 4.1.2.1 and 5.2).
                wrong = InvalidScopeError if name == "scope" else InvalidRequestError
                raise wrong("A parameter has characters that it must not have.")


@dataclass(frozen=True, slots=True)
class OAuthAnswer:
    """What an OAuth endpoint answers.

    Attributes:
        status: HTTP status.
        body: Becomes JSON.
        headers: Further headers.
    """

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def error(self) -> str:
        """The error code, or an empty string."""
        return str(self.body.get("error", "")) if self.status >= 400 else ""
