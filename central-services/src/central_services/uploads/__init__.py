# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Uploaded files: what they really are, and which of them may be used."""

from .errors import PermanentUploadError, TransientUploadError, UploadError
from .processing import ProcessedUpload, UploadProcessor

__all__ = [
    "PermanentUploadError",
    "ProcessedUpload",
    "TransientUploadError",
    "UploadError",
    "UploadProcessor",
]
