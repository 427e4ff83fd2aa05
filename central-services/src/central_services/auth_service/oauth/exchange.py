"""Token exchange (RFC 8693): a service acts for a user at the next one; an API key becomes a token.

Nothing gets wider: scopes, roles and permissions are at most those of what is exchanged and of what
its subject may do now, the token lives no longer, and it ends with what it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from authlib.oauth2.rfc6749 import (
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from ..actions import TOKEN_ISSUED
from ..client_metadata import TOKEN_EXCHANGE
from ..tokens import AccessClaims
from .clients import Client
from .dpop import InvalidProofError
from .grants import CLIENT_METHODS
from .requests import OAuthRequest
from .token_endpoints import Presented, find_active

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # the name of a type
JWT = "urn:ietf:params:oauth:token-type:jwt"
API_KEY = "urn:slipway:params:oauth:token-type:api-key"

_MAX_ACTORS = 5
_REFUSED = "The subject token is not valid, or not one that this client may exchange."


class ExchangeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no types
    """Exchanges an access token or an API key for an access token."""

    GRANT_TYPE = TOKEN_EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    request: OAuthRequest
    server: Any

    def validate_token_request(self) -> None:
        """Refuse what section 2.1 does not allow; how it is refused is section 2.2.2."""
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(TOKEN_EXCHANGE):
            raise UnauthorizedClientError("The client may not exchange tokens.")
        form = self.request.form
        if form.get("requested_token_type", ACCESS_TOKEN) not in {ACCESS_TOKEN, JWT}:
            raise InvalidRequestError("The only requested_token_type is an access token.")
        if not form.get("subject_token"):
            raise InvalidRequestError("subject_token is missing.")
        if ("actor_token" in form) != ("actor_token_type" in form):
            raise InvalidRequestError("actor_token and actor_token_type go together.")

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the exchanged token."""
        client, call = self.request.client, self.server.call
        subject = self._subject(client)
        claims = self._key_claims(subject) if subject.holder else self._token_claims(subject)
        scope, audiences = self._scope(client, subject), self._audiences(client, subject)
        cnf = self._binding(client, subject)
        about = {**{name: value for name, value in claims.items() if name != "sub"}, **cnf}
        ends = subject.claims.expires_at if subject.claims else _key_end(subject)
        access = call.mint.access_token(
            subject=claims["sub"],
            client_id=client.client_id,
            scope=scope,
            audiences=audiences,
            now=call.now,
            more=about,
            until=ends,
        )
        data = {"client_id": client.client_id, "grant_type": TOKEN_EXCHANGE, "scope": scope}
        call.note(TOKEN_ISSUED, f"subject:{claims['sub']}", data)
        issued = int(call.now.timestamp())
        return (
            200,
            {
                "access_token": access,
                "issued_token_type": ACCESS_TOKEN,
                "token_type": "DPoP" if cnf else "Bearer",
                "expires_in": min(call.settings.access_token_s, ends - issued),
                "scope": scope,
            },
            self.TOKEN_RESPONSE_HEADER,
        )

    def _subject(self, client: Client) -> Presented:
        """Return what is exchanged, once the client may do that."""
        form, kind = self.request.form, self.request.form.get("subject_token_type")
        if kind not in {ACCESS_TOKEN, JWT, API_KEY}:
            raise InvalidRequestError("subject_token_type is missing, or not supported.")
        found = find_active(self.server.call, form["subject_token"])
        if found is None or (found.holder is not None) != (kind == API_KEY):
            raise InvalidRequestError(_REFUSED)
        if found.holder is not None:
            if "actor_token" in form:
                raise InvalidRequestError("Nobody acts for an API key.")
            return found
        if found.claims is None or self.request.auth_method == "none":
            raise InvalidRequestError(_REFUSED)
        if found.client_id not in {client.client_id, *client.row.may_act_for}:
            raise InvalidRequestError(_REFUSED)
        return found

    def _binding(self, client: Client, subject: Presented) -> dict[str, Any]:
        """Return what binds the token to a key: one from a bound token is bound too."""
        cnf: dict[str, Any] = self.server.bind(self.request, client)
        before = subject.claims.claims.get("cnf") if subject.claims else None
        # Another client acts with its own key; the same one has the key already.
        if before and (not cnf or (subject.client_id == client.client_id and cnf["cnf"] != before)):
            raise InvalidProofError("The subject token is bound to a key: send a DPoP proof.")
        return cnf

    def _key_claims(self, subject: Presented) -> dict[str, Any]:
        holder = subject.holder
        if holder is None:
            raise InvalidRequestError(_REFUSED)
        return {
            "sub": holder.subject,
            "org": holder.organisation,
            "permissions": list(holder.permissions),
            "api_key": str(holder.key.id),
        }

    def _token_claims(self, presented: Presented) -> dict[str, Any]:
        """Return whom the new token is about: what the old one said, and what still holds."""
        found = presented.claims
        if found is None:
            raise InvalidRequestError(_REFUSED)
        said = found.claims
        claims = {"sub": found.subject, "act": self._actors(found)}
        if presented.family is None:
            kept = {"api_key": said.get("api_key"), "org": said.get("org")}
            held = presented.origin.permissions if presented.origin else self._own(found.subject)
            return {**claims, **kept, "permissions": _both(said.get("permissions"), held)}
        user = self.server.call.store.subject(presented.family.user_id)
        if user is None:
            raise InvalidRequestError(_REFUSED)
        return {
            **claims,
            "org": user.organisation,
            "roles": _both(said.get("roles"), user.roles),
            "permissions": _both(said.get("permissions"), user.permissions),
            "auth_time": said.get("auth_time"),
            "authorization": found.family,
        }

    def _own(self, client_id: str) -> Sequence[str]:
        """Return what a client's own tokens permit now."""
        row = self.server.call.store.client(client_id)
        return row.permissions if row else []

    def _actors(self, subject: AccessClaims) -> Mapping[str, Any] | None:
        """Return who acts, and for whom before (section 4.1); None when nobody acts for another."""
        client_id, before = self.request.client.client_id, subject.claims.get("act")
        actor = self._actor()
        if subject.client_id == client_id and actor is None:
            return before if isinstance(before, Mapping) else None
        chain: dict[str, Any] = {"sub": actor or client_id}
        if isinstance(before, Mapping):
            chain["act"] = before
        if _depth(chain) > _MAX_ACTORS:
            raise InvalidRequestError("Too many have acted for each other.")
        return chain

    def _actor(self) -> str | None:
        """Return who acts by their own token: the client only, which has authenticated."""
        form = self.request.form
        if "actor_token" not in form:
            return None
        if form["actor_token_type"] not in {ACCESS_TOKEN, JWT}:
            raise InvalidRequestError("actor_token_type is not supported.")
        found = find_active(self.server.call, form["actor_token"])
        client_id: str = self.request.client.client_id
        if found is None or found.claims is None or found.claims.subject != client_id:
            raise InvalidRequestError("The actor token is not the client's own.")
        return client_id

    def _scope(self, client: Client, subject: Presented) -> str:
        """Return what is asked for, at most what the subject token and the client have."""
        held = subject.claims.scope.split() if subject.claims else []
        allowed = [name for name in held if name in client.row.scopes]
        asked = (self.request.form.get("scope") or "").split() or allowed
        if not set(allowed).issuperset(asked):
            raise InvalidScopeError("The scope is more than the subject token's.")
        return " ".join(dict.fromkeys(asked))

    def _audiences(self, client: Client, subject: Presented) -> list[str]:
        """Return whom the token is for (sections 2.1 and 2.2.2).

        A token that was not for this service does not become one: its own API administers.
        """
        settings = self.server.call.settings
        known = list(client.row.audiences or [settings.audience])
        if subject.claims is not None and settings.issuer not in subject.claims.audiences:
            known = [name for name in known if name != settings.issuer]
        fields = self.request.fields
        asked = [value for name, value in fields if name in {"resource", "audience"}] or known
        if not asked or not set(known).issuperset(asked):
            raise OAuth2Error("The client may not ask for this target.", error="invalid_target")
        return list(dict.fromkeys(asked))


def _depth(chain: object) -> int:
    return 1 + _depth(chain.get("act")) if isinstance(chain, Mapping) else 0


def _both(said: object, held: Sequence[str]) -> list[str]:
    """Return what a token said and still holds."""
    return [name for name in said if name in held] if isinstance(said, list) else []


def _key_end(subject: Presented) -> int:
    return int(subject.holder.key.expires_at.timestamp()) if subject.holder else 0
