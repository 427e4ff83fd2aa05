# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A receipt proves one event, and any change to either shows."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from central_services.audit.checkpoint import CheckpointError, NoteVerifier
from central_services.clients.audit import verify_receipt

from .stand_in import StandIn

EVENTS: list[dict[str, Any]] = [
    {"id": f"e{number}", "data": {"n": number, "ratio": 0.5}} for number in range(300)
]


@pytest.fixture
def filled(service: StandIn) -> StandIn:
    service.events = {event["id"]: event for event in EVENTS}
    return service


@pytest.mark.parametrize("number", [0, 1, 255, 256, 299])
def test_receipt_proves_its_event(filled: StandIn, number: int):
    verifier = NoteVerifier([filled.signer.verification_key])
    proven = verify_receipt(filled.receipt(f"e{number}"), EVENTS[number], verifier)
    assert (proven.seq, proven.checkpoint.size) == (number, 300)


@pytest.mark.parametrize("change", [{"id": "e8"}, {"data": {"n": 7, "ratio": 0.25}}, {"more": 1}])
def test_changed_event_shows(filled: StandIn, change: dict[str, Any]):
    verifier = NoteVerifier([filled.signer.verification_key])
    event = copy.deepcopy(EVENTS[7]) | change
    with pytest.raises(CheckpointError, match="not what the log has"):
        verify_receipt(filled.receipt("e7"), event, verifier)


def test_every_changed_line_shows(filled: StandIn):
    verifier, text = NoteVerifier([filled.signer.verification_key]), filled.receipt("e7")
    lines = text.split("\n")
    refused = 0
    for number, line in enumerate(lines):
        for changed in ("", line[:-1], line[:-2] + "AA", line + "A"):
            if changed == line:
                continue
            other = "\n".join([*lines[:number], changed, *lines[number + 1 :]])
            with pytest.raises(CheckpointError):
                verify_receipt(other, EVENTS[7], verifier)
            refused += 1
    assert refused > 40


@pytest.mark.parametrize(
    "text", ["", "\n\n", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v1\nextra A\n\nx\n"]
)
def test_what_is_no_receipt_is_refused(filled: StandIn, text: str):
    with pytest.raises(CheckpointError):
        verify_receipt(text, EVENTS[0], NoteVerifier([filled.signer.verification_key]))


def test_receipt_of_a_shredded_event_says_so(filled: StandIn):
    lines = filled.receipt("e7").split("\n")
    without = "\n".join([lines[0], *lines[2:]])
    with pytest.raises(CheckpointError, match="shredded"):
        verify_receipt(without, EVENTS[7], NoteVerifier([filled.signer.verification_key]))
