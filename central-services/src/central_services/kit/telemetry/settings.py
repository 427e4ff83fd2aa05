"""Settings of telemetry."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, SecretStr, field_validator

from ...core.sections import Section


class TelemetrySettings(Section):
    """Where traces and metrics go; without an address nothing is recorded, and nothing is imported."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^?#]*[^?#/]$",
        description="A collector's OTLP/HTTP address, as http://127.0.0.1:4318; unset, telemetry is off.",
    )
    headers: SecretStr | None = Field(
        default=None,
        description="Headers for the collector, as name=value,name=value: its credentials.",
    )
    sample_ratio: float = Field(
        default=0.1, ge=0, le=1, description="Share of the traces that are recorded, by their id."
    )
    metrics_interval_s: float = Field(
        default=60.0, gt=0, description="Seconds between two exports of metrics."
    )

    @field_validator("headers")
    @classmethod
    def _pairs(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse what is no list of pairs, without repeating it."""
        if value is not None and not all(
            name.strip() and equals for name, equals, _ in _split(value)
        ):
            raise ValueError("write name=value,name=value")
        return value

    @property
    def header_pairs(self) -> dict[str, str]:
        """The headers by name."""
        pairs = _split(self.headers) if self.headers else ()
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        yield (
            "TELEMETRY__ENDPOINT",
            self.headers is not None and not (self.endpoint or "").startswith("https://"),
            "the collector's credentials would travel unencrypted",
            "Set it to an https:// address, or leave TELEMETRY__HEADERS out.",
        )


def _split(headers: SecretStr) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in headers.get_secret_value().split(",")]
