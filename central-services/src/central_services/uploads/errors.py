# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Why an upload could not be processed; one that was refused is a result, not an error."""

from __future__ import annotations


class UploadError(Exception):
    """Base of what processing an upload raises."""


class TransientUploadError(UploadError):
    """It may work later: the scanner is away, or the file changed while it was read."""


class PermanentUploadError(UploadError):
    """It will never work: there is no such file, or it is not a file inside the upload folder."""
