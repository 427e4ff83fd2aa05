# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The certificate of a TLS server: valid, for its name, and for long enough."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import Field

from ...clients.errors import BlockedAddressError, HttpClientError
from ..errors import PermanentCheckError, TransientCheckError
from .base import CheckContext, CheckParameters, CheckResult


class CertificateParameters(CheckParameters):
    """Whose certificate, and how early to warn."""

    host: str = Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$", description="Host name."
    )
    port: int = Field(default=443, ge=1, le=65535)
    warn_days: int = Field(default=21, ge=1, le=365, description="Days before its end.")


class CertificateCheck:
    """Makes a TLS connection as the service's HTTP client does, and reads the certificate."""

    kind: ClassVar[str] = "tls_certificate"
    title: ClassVar[str] = "TLS certificate"
    parameters: ClassVar[type[CertificateParameters]] = CertificateParameters

    async def run(self, parameters: CertificateParameters, context: CheckContext) -> CheckResult:
        """Connect, and judge the certificate by its last day."""
        url = f"https://{parameters.host}:{parameters.port}/"
        try:
            # The HTTP answer does not matter, and a server that has none has a certificate too.
            async with context.http.stream(
                "HEAD", url, headers={"connection": "close"}, follow_redirects=False, max_retries=0
            ) as response:
                stream = response.extensions.get("network_stream")
                found: Any = stream.get_extra_info("ssl_object") if stream is not None else None
        except BlockedAddressError as error:
            raise PermanentCheckError(str(error)) from error
        except HttpClientError as error:
            invalid = _certificate_error(error)
            if invalid is None:
                raise TransientCheckError(str(error)) from error
            return CheckResult(
                ok=False, summary=f"not valid: {invalid}", facts={"invalid": invalid}
            )
        if found is None:
            raise PermanentCheckError("the connection's certificate can't be read")
        ends = datetime.fromtimestamp(
            ssl.cert_time_to_seconds(str(found.getpeercert()["notAfter"])), UTC
        )
        days = (ends - context.clock()).days
        ok = days >= parameters.warn_days
        return CheckResult(
            ok=ok,
            summary=f"valid until {ends:%Y-%m-%d}, {days} days",
            facts={"ends": ends.isoformat(), "ok": ok},
        )


def _certificate_error(error: BaseException | None) -> str | None:
    """Return why a certificate was refused, when that is what lies under an error."""
    seen = 0
    while error is not None and seen < 8:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None
