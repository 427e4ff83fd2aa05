"""The cookiecutter side as its users test it: through pytest-cookies' `cookies` fixture."""

from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException
from pytest_cookies.plugin import Cookies
from rendering import Renderer, snapshot


def test_default_answers_bake(cookies: Cookies, template: Path, render: Renderer) -> None:
    result = cookies.bake(template=str(template))
    assert (result.exception, result.exit_code) == (None, 0)
    assert result.project_path.name == "acme_orders"
    assert snapshot(result.project_path) == snapshot(render("cookiecutter"))


def test_context_holds_what_was_answered_and_computed(cookies: Cookies, template: Path) -> None:
    result = cookies.bake(
        extra_context={"project_name": "Bob's API & Söhne"}, template=str(template)
    )
    assert result.exit_code == 0
    assert result.context["project_slug"] == "bobs_api_soehne"
    assert result.context["__dist_name"] == "bobs-api-soehne"
    assert result.context["__env_prefix"] == "BOBS_API_SOEHNE_"


@pytest.mark.parametrize(
    "answers",
    [
        {"project_slug": "ab"},
        {"project_slug": "a_name_of_exactly_30_character"},
        {"project_name": "订单服务", "project_slug": "orders_cn"},
        {"organization": "O'Hara & #1 Söhne: 100%"},
        {"include_docs": "no", "include_docker": "n", "ci_provider": "none"},
        {"license": "Proprietary", "python_version": "3.14"},
    ],
    ids=",".join,
)
def test_odd_answers_bake(cookies: Cookies, template: Path, answers: dict[str, str]) -> None:
    result = cookies.bake(extra_context=answers, template=str(template))
    assert (result.exception, result.exit_code) == (None, 0)
    assert (result.project_path / "pyproject.toml").is_file()


@pytest.mark.parametrize(
    "answers",
    [
        {"project_slug": "json"},
        {"project_slug": "Bad Slug"},
        {"project_slug": "a" * 31},
        {"project_name": 'say "hi"'},
        {"author_email": "nobody"},
    ],
    ids=lambda answers: ",".join(f"{name}={value}" for name, value in answers.items()),
)
def test_refused_answers_leave_an_error_and_no_project(
    cookies: Cookies, template: Path, tmpdir: Path, answers: dict[str, str]
) -> None:
    result = cookies.bake(extra_context=answers, template=str(template))
    assert isinstance(result.exception, FailedHookException)
    assert result.exit_code == -1
    assert result.project_path is None
    assert [path for path in Path(tmpdir).rglob("*") if path.is_file()] == []


def test_unknown_choice_is_an_error(cookies: Cookies, template: Path) -> None:
    result = cookies.bake(extra_context={"license": "submarine"}, template=str(template))
    assert isinstance(result.exception, ValueError)
    assert "Apache-2.0" in str(result.exception)
