# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Signed checkpoints (C2SP)."""

from __future__ import annotations

import pytest

from central_services.audit.checkpoint import (
    Checkpoint,
    CheckpointError,
    NoteSigner,
    NoteVerifier,
)
from central_services.audit.errors import AuditKeyError
from central_services.audit.merkle import EMPTY_ROOT

SIGNER = NoteSigner("example.com/log", bytes(range(32)))
NOTE = SIGNER.sign(Checkpoint("example.com/log", 7, EMPTY_ROOT))
VERIFIER = NoteVerifier([SIGNER.verification_key])


def test_signed_checkpoint_is_read_again() -> None:
    assert VERIFIER.open(NOTE) == Checkpoint("example.com/log", 7, EMPTY_ROOT)


def test_key_of_go_s_note_package_is_read() -> None:
    """The example keys of golang.org/x/mod/sumdb/note, and a note that they signed."""
    signer = NoteSigner.parse(
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    )
    public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert signer.verification_key == public
    assert signer.secret.endswith("+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")


@pytest.mark.parametrize("at", range(0, len(NOTE), 7))
def test_no_character_of_a_note_can_be_changed(at: int) -> None:
    changed = NOTE[:at] + ("A" if NOTE[at] != "A" else "B") + NOTE[at + 1 :]
    with pytest.raises(CheckpointError):
        VERIFIER.open(changed)


@pytest.mark.parametrize("text", ["", "x\n", "a\n1\nAAAA\n\n", NOTE[:-1], NOTE.replace("7", "07")])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        VERIFIER.open(text)


def test_checkpoint_of_another_key_is_refused() -> None:
    other = NoteSigner("example.com/log", bytes(32))
    with pytest.raises(CheckpointError, match="no trusted key"):
        NoteVerifier([other.verification_key]).open(NOTE)


@pytest.mark.parametrize("key", ["", "a+b+c", SIGNER.verification_key[:-4] + "AAA="])
def test_malformed_verification_key_is_refused(key: str) -> None:
    with pytest.raises(AuditKeyError):
        NoteVerifier([key])


@pytest.mark.parametrize("key", ["", "PRIVATE+KEY+x+y+z", SIGNER.verification_key])
def test_malformed_signing_key_is_refused(key: str) -> None:
    with pytest.raises(AuditKeyError, match="keygen"):
        NoteSigner.parse(key)
    with pytest.raises(AuditKeyError):
        NoteVerifier([])
