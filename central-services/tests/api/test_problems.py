# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Errors in the API description."""

from __future__ import annotations

from fastapi import FastAPI

from central_services.api.problems import problem_responses
from central_services.core.errors import ConflictError, NotFoundError


class SoldOutError(ConflictError):
    """There is none left.

    This line is for developers.
    """

    title = "Sold out"
    type = "https://example.com/problems/sold-out"


def test_error_is_described_by_its_first_line_and_an_example():
    response = problem_responses(SoldOutError)[409]
    assert response["description"] == "There is none left."
    example = response["content"]["application/problem+json"]["examples"]["SoldOut"]
    assert example["value"] == {
        "type": "https://example.com/problems/sold-out",
        "title": "Sold out",
        "status": 409,
    }


def test_errors_of_one_status_share_its_entry():
    response = problem_responses(422, SoldOutError, ConflictError)[409]
    assert list(response["content"]["application/problem+json"]["examples"]) == [
        "SoldOut",
        "Conflict",
    ]


def test_description_has_no_other_error_format():
    app = FastAPI()

    @app.get("/items/{number}", responses=problem_responses(NotFoundError, 422))
    async def item(number: int) -> int:
        return number

    document = app.openapi()
    responses = document["paths"]["/items/{number}"]["get"]["responses"]
    assert set(responses) == {"200", "404", "422", "default"}
    assert all(
        list(response["content"]) == ["application/problem+json"]
        for status, response in responses.items()
        if status != "200"
    )
    assert "HTTPValidationError" not in str(document)
