# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of uploaded files."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from .sections import CommaList, Section


class UploadsSettings(Section):
    """Where uploaded files lie, and which of them are accepted."""

    folder: str = Field(
        default="data/uploads", description="Folder of uploads; no other file is ever read."
    )
    quarantine_folder: str = Field(
        default="data/quarantine", description="Where refused files go, each with its reason."
    )
    max_bytes: int = Field(default=26_214_400, ge=1, description="Largest file in bytes.")
    allowed_types: CommaList = Field(
        default=(
            "application/pdf",
            "image/gif",
            "image/jpeg",
            "image/png",
            "image/webp",
            "text/plain",
        ),
        description="Media types accepted, found from the content; image/* covers all images.",
    )
    max_archive_bytes: int = Field(
        default=268_435_456, ge=1, description="Most bytes that an archive may unpack to."
    )
    max_archive_ratio: int = Field(
        default=100, ge=2, description="Most times its own size that an archive may unpack to."
    )
    max_archive_entries: int = Field(
        default=2_000, ge=1, description="Most files that an archive may hold."
    )
    clamd_url: str | None = Field(
        default=None,
        description="clamd, as in tcp://127.0.0.1:3310 or unix:///run/clamav/clamd.ctl; off without.",
    )
    clamd_timeout_s: float = Field(
        default=60.0, gt=0, description="Seconds for one scan; after them the job is tried again."
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Refuse a quarantine that uploads could reach, and a scanner that is no address."""
        uploads, quarantine = (Path(p).absolute() for p in (self.folder, self.quarantine_folder))
        if quarantine.is_relative_to(uploads) or uploads.is_relative_to(quarantine):
            msg = "FOLDER and QUARANTINE_FOLDER must not lie inside each other"
            raise ValueError(msg)
        if self.clamd_url and not self.clamd_url.startswith(("tcp://", "unix:///")):
            msg = "CLAMD_URL starts with tcp:// or unix:///"
            raise ValueError(msg)
        return self
