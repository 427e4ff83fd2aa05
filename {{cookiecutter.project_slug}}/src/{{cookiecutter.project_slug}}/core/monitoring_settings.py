# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of scheduled tasks."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, SecretStr

from .sections import Section


class MonitoringSettings(Section):
    """Scheduled tasks: where they are kept, how often they may run, and how they tell."""

    presets_path: Path = Field(
        default=Path("data/presets.json"),
        description="File that keeps the tasks; their history goes beside it. Not used with a database.",
    )
    scheduler: bool = Field(
        default=True, description="Let workers schedule; with several, each run happens once."
    )
    notifications: bool = Field(
        default=True, description="false tells nobody anything, whatever the tasks say."
    )
    min_interval_s: int = Field(
        default=60, ge=1, description="Seconds that must lie between two runs of a task."
    )
    max_tasks: int = Field(default=100, ge=1, le=10_000, description="Tasks that may be kept.")
    failures_before_alarm: int = Field(
        default=3, ge=1, description="Failed runs in a row after which the admins are told."
    )
    check_timeout_s: float = Field(
        default=60.0, gt=0, description="Seconds that a check may take, retries included."
    )
    attempts: int = Field(
        default=3, ge=1, le=10, description="Attempts at what may work in a moment."
    )
    backoff_s: float = Field(
        default=1.0, ge=0, description="Seconds before the second attempt; doubled, with jitter."
    )
    history_runs: int = Field(
        default=200, ge=10, le=10_000, description="Runs of each task that are remembered."
    )
    slack_webhook_url: SecretStr | None = Field(
        default=None, description="Incoming webhook of a Slack channel."
    )
    teams_webhook_url: SecretStr | None = Field(
        default=None, description="Workflow URL of a Microsoft Teams channel."
    )
    webhook_url: SecretStr | None = Field(
        default=None, description="URL that takes each notification as JSON."
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="Signs what goes there (HMAC-SHA256, X-Signature)."
    )
    secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='Secrets that checks ask for by name, as JSON: {"inventory": "token"}.',
    )
    ui_password: SecretStr | None = Field(
        default=None, description="Password of the page; without one it does not start."
    )
    ui_port: int = Field(default=8501, ge=0, le=65535, description="Port of the page.")
    ui_attempts: int = Field(
        default=5, ge=1, description="Wrong passwords after which the page waits."
    )
    ui_wait_s: float = Field(default=60.0, gt=0, description="Seconds that it then waits.")
    ui_session_s: float = Field(
        default=28_800.0, gt=0, description="Seconds after which the password is asked for again."
    )

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        password = self.ui_password.get_secret_value() if self.ui_password else None
        yield (
            "MONITORING__UI_PASSWORD",
            password is not None and len(password) < 12,
            "the password of the page can be guessed",
            "Use at least 12 characters, from a password generator.",
        )
        for name in ("slack_webhook_url", "teams_webhook_url", "webhook_url"):
            url: SecretStr | None = getattr(self, name)
            yield (
                f"MONITORING__{name.upper()}",
                url is not None and not url.get_secret_value().startswith("https://"),
                "notifications are not encrypted",
                "Use the https:// form.",
            )
