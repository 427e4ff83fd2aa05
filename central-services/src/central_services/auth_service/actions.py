"""The actions of the auth service that the audit trail keeps. No event holds a secret."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel

from ..audit import ACTIONS, Action, DataClass, OcsfClass, Sensitivity


class _Data(BaseModel, extra="forbid"):
    """Base of the events' data."""


class LoginData(_Data):
    """A login, or why there was none."""

    email: Annotated[str, Sensitivity.CONFIDENTIAL] = ""
    why: Literal["", "password", "locked", "disabled", "unknown", "unverified", "limit"] = ""


class ClientData(_Data):
    """What a client did."""

    client_id: str
    grant_type: str = ""
    scope: str = ""
    why: str = ""


class FamilyData(_Data):
    """A family of tokens that was revoked."""

    client_id: str
    why: str


class ChangeData(_Data):
    """Which field of something changed; never its value."""

    fields: list[str] = []


class KeyData(_Data):
    """A signing key and the one that it follows."""

    alg: str
    old: str


_CONTROLS = ("PCI DSS 10.2.1.4", "SOC 2 CC6.1", "ISO 27001 A.8.15 b")


def _action(name: str, title: str, schema: type[BaseModel], uid: int, activity: int) -> Action:
    return ACTIONS.register(
        Action(
            name,
            title,
            schema,
            data_class=DataClass.SECURITY,
            ocsf=OcsfClass(uid, activity),
            controls=_CONTROLS,
        )
    )


# OCSF: 3002 is Authentication, 3001 Account Change, 3005 User Access Management, 6003 API Activity.
LOGGED_IN = _action("login.succeeded", "Somebody logged in", LoginData, 3002, 1)
LOGIN_REFUSED = _action("login.refused", "A login was refused", LoginData, 3002, 1)
LOGGED_OUT = _action("login.ended", "Somebody logged out", _Data, 3002, 2)
SESSION_REVOKED = _action("session.revoked", "A session was ended", _Data, 3002, 2)
CONSENT_GIVEN = _action("consent.given", "A user let a client act", ClientData, 3005, 1)
CONSENT_REFUSED = _action("consent.refused", "A user refused a client", ClientData, 3005, 2)
TOKEN_ISSUED = _action("token.issued", "A client got tokens", ClientData, 3002, 3)
TOKEN_REFUSED = _action("token.refused", "A client got no tokens", ClientData, 3002, 3)
TOKEN_REVOKED = _action("token.revoked", "A client revoked a token", ClientData, 3002, 2)
REUSE_DETECTED = _action(
    "token.reuse_detected", "A spent code or refresh token came again", FamilyData, 3002, 99
)
USER_CREATED = _action("user.created", "A user was added", ChangeData, 3001, 1)
USER_CHANGED = _action("user.changed", "A user was changed", ChangeData, 3001, 99)
PASSWORD_CHANGED = _action("user.password_changed", "A password was changed", _Data, 3001, 3)
USER_DELETED = _action("user.deleted", "A user was deleted", ChangeData, 3001, 6)
ORGANISATION_CREATED = _action(
    "organisation.created", "An organisation was added", ChangeData, 6003, 1
)
ROLE_CHANGED = _action("role.changed", "A role was added or changed", ChangeData, 3005, 1)
ROLE_DELETED = _action("role.deleted", "A role was deleted", ChangeData, 3005, 2)
ROLES_ASSIGNED = _action("user.roles_assigned", "A user got other roles", ChangeData, 3005, 1)
CLIENT_CREATED = _action("client.created", "A client was registered", ChangeData, 6003, 1)
CLIENT_CHANGED = _action("client.changed", "A client was changed", ChangeData, 6003, 3)
MAIL_ASKED = _action("user.mail_asked", "Somebody asked for a link by mail", LoginData, 3001, 4)
MAIL_LINK_REFUSED = _action("user.mail_link_refused", "A mailed link was refused", _Data, 3001, 4)
EMAIL_VERIFIED = _action("user.email_verified", "An address was verified", _Data, 3001, 99)
API_KEY_CREATED = _action("api_key.created", "An API key was made", ChangeData, 3001, 1)
API_KEY_REVOKED = _action("api_key.revoked", "An API key was revoked", ChangeData, 3001, 6)
KEY_ROTATED = _action("signing_key.rotated", "Another key signs tokens", KeyData, 6003, 3)
