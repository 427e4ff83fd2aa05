"""Hostile answers: each is refused by both engines with advice, or renders a project that works."""

import ast
import functools
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from combinations import ROOT, axes, load_manifest
from cookiecutter.exceptions import CookiecutterException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from jinja2_ansible_filters import (  # type: ignore[import-untyped]  # ships no types
    AnsibleCoreFiltersExtension,
)
from processes import clean_environment
from rendering import ENGINES, Renderer, snapshot
from trees import assert_lint_and_format_clean, leftovers, unparsable

MANIFEST = load_manifest()
TEXTS = list(MANIFEST["_validators"])

HOSTILE = {
    "umlauts_and_quotes": 'Bob\'s "API" & Söhne',
    "apostrophe": "Bob's API & Söhne",
    "double_quote": 'say "hi"',
    "triple_quotes": '"""',
    "single_quote": "'",
    "two_single_quotes": "''",
    "backslash": "a\\nb",
    "last_backslash": "path\\",
    "backtick": "`id`",
    "braces": "{}",
    "jinja": "{{ 7 * 7 }}",
    "raw_block": "{% raw %}",
    "comment_block": "{# x #}",
    "line_statement": "# jinja: if false",
    "lone_surrogate": os.fsdecode(b"S\xf6hne"),
    "html": "<script>alert(1)</script>",
    "newline": "a\nb",
    "trailing_newline": "acme_orders\n",
    "carriage_return": "a\rb",
    "tab": "a\tb",
    "nul": "a\x00b",
    "escape": "\x1b[31mred",
    "line_separator": "a\u2028b",
    "next_line": "a\x85b",
    "bidi_override": "a\u202eb",
    "bidi_isolate": "a\u2066b",
    "zero_width": "a\u200bb",
    "no_break_space": "a\u00a0b",
    "byte_order_mark": "\ufeffa",
    "unassigned": "a\U000e0001b",
    "very_long": "long " * 400 + "end",
    "empty": "",
    "spaces": "   ",
    "leading_space": " a",
    "yes": "yes",
    "null": "null",
    "tilde": "~",
    "number": "1e3",
    "hash": "# x",
    "inner_hash": "a # b",
    "mapping": "a: b",
    "list_item": "- x",
    "anchor": "&a",
    "alias": "*a",
    "tag": "!!python/name:os.system",
    "at": "@x",
    "percent": "%s %(x)s 100%",
    "dollar": "$HOME ${HOME} $(id)",
    "question": "? x",
    "pipe": "| x",
    "document": "---",
    "toml_table": "[x]",
    "format_string": "%Y-%m-%d {0}",
    "path": "../../etc",
    "absolute_path": "/etc",
    "emoji": "Rocket 🚀 API",
    "family_emoji": "👨\u200d👩\u200d👧",
    "chinese": "订单服务",
    "wide": "订单服务" * 12,
    "hebrew": "שירות",
    "combining": "e\u0301" * 20,
    "keyword": "class",
    "soft_keyword": "match",
    "stdlib": "json",
    "dependency": "fastapi",
    "digit_first": "3d_printer",
    "dunder": "__init__",
    "hyphen": "acme-orders",
    "capitals": "AcmeOrders",
    "two_underscores": "acme__orders",
    "dotted": "acme.orders",
    "one_letter": "a",
    "email_two_ats": "a@b@example.com",
    "email_display": "Bob <bob@example.com>",
    "email_plus": "bob+tag@example.co.uk",
}


ENGINE_REFUSES = {
    "jinja": "cookiecutter takes every answer for a template, and evaluates it",
    "raw_block": "as above",
    "comment_block": "as above",
    "line_statement": "as above",
    "empty": "cookiecutter makes the folder before any hook runs: this is the current folder",
    "absolute_path": "as above: this folder exists",
    "nul": "as above: the system knows no such name",
    "lone_surrogate": "as above: the system knows no such name",
    "very_long": "as above: too long a name for the system",
}
"""Answers that never reach our rule in cookiecutter, since the engine stops first, each with why."""


def refusal(name: str, value: str) -> str:
    """Return the advice that the manifest gives for an answer, or an empty string where it is fine."""
    pattern, message = MANIFEST["_validators"][name]
    reserved, clash = MANIFEST["_reserved"].get(name, ([], ""))
    if not re.fullmatch(pattern, value):
        return str(message)
    return clash.replace("{value}", value) if value in reserved else ""


@functools.cache
def copier_validator(name: str) -> Template:
    """Return the validator of a question in copier.yml, compiled as copier does."""
    config = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    environment = SandboxedEnvironment(extensions=[AnsibleCoreFiltersExtension])
    return environment.from_string(config[name]["validator"])


def copier_refusal(name: str, value: str) -> str:
    """Return what copier's own validator of the generated copier.yml says."""
    return copier_validator(name).render({name: value}).removeprefix("it ")


def run_refused(
    render: Renderer, engine: str, capfd: pytest.CaptureFixture[str], **answers: object
) -> str:
    """Render and return all that the user is told; fails when the engine accepts, or leaves a file."""
    out = render.new_folder()
    where = out if engine == "cookiecutter" else out / "project"
    with pytest.raises((CookiecutterException, TemplateError, ValueError, OSError)) as refused:
        getattr(render, engine)(where, **answers)
    assert [path for path in out.rglob("*") if path.is_file()] == []
    return f"{capfd.readouterr().err}\n{refused.value}"


def assert_project_works(render: Renderer, answers: dict[str, str]) -> None:
    """Render with both engines and hold what must hold for any answers."""
    projects = [render.fresh(engine, **answers) for engine in ENGINES]
    left, right = map(snapshot, projects)
    assert sorted(left) == sorted(right)
    assert [name for name in left if left[name] != right[name]] == []
    assert unparsable(projects[0]) == []
    assert leftovers(projects[0]) == []
    recorded = yaml.safe_load((projects[0] / ".copier-answers.yml").read_text("utf-8"))
    assert {name: recorded[name] for name in answers} == answers
    metadata = tomllib.loads((projects[0] / "pyproject.toml").read_text("utf-8"))["project"]
    assert metadata["description"] == recorded["project_description"]
    assert metadata["authors"] == [
        {"name": recorded["author_name"], "email": recorded["author_email"]}
    ]
    settings_module = projects[0] / f"src/{recorded['project_slug']}/settings.py"
    tree = ast.parse(settings_module.read_text("utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert recorded["project_name"] in texts
    assert_lint_and_format_clean(projects[0])


# --- the rule, in both languages -----------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_both_engines_apply_the_same_rule(name: str) -> None:
    for value in HOSTILE.values():
        assert copier_refusal(name, value) == refusal(name, value), repr(value)


@given(
    value=st.text(max_size=80) | st.text(alphabet="aB9_ -.@'\"{}%#\\\n\u202e\u00e9", max_size=12)
)
@settings(max_examples=150, deadline=None, database=None, derandomize=True)
def test_both_engines_apply_the_same_rule_to_any_text(value: str) -> None:
    for name in TEXTS:
        assert copier_refusal(name, value) == refusal(name, value)


def test_no_free_text_may_hold_what_breaks_a_quoted_string() -> None:
    for name in TEXTS:
        for character in '"\\{}\n\r\t\x00\x1b\u2028\u202e':
            assert refusal(name, f"a{character}b"), f"{name} accepts {character!r}"


# --- the engines ---------------------------------------------------------------------------------


@pytest.mark.turns(3)
@pytest.mark.parametrize("kind", HOSTILE)
def test_refused_answer_comes_with_advice_and_leaves_nothing(
    render: Renderer, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    value = HOSTILE[kind]
    refused = [name for name in TEXTS if refusal(name, value)]
    # The rule is one function for all of them; two go through the real engines.
    for name in {"project_slug", *refused[-1:]} & set(refused):
        for engine in ENGINES:
            if (engine, kind) == ("cookiecutter", "jinja") and name != "project_slug":
                continue  # there it is an expression, and 49 a fine answer
            told = run_refused(render, engine, capfd, **{name: value})
            if engine == "copier" or kind not in ENGINE_REFUSES:
                assert refusal(name, value) in told, f"{engine} says only: {told}"
                assert name in told


@pytest.mark.slow
@pytest.mark.turns(4)
@pytest.mark.parametrize("kind", HOSTILE)
def test_accepted_answer_renders_a_project_that_works(render: Renderer, kind: str) -> None:
    value = HOSTILE[kind]
    accepted = {name: value for name in TEXTS if not refusal(name, value)}
    if not accepted:
        return  # all refuse it, which the test above runs
    if "project_name" in accepted:  # a name that leaves no letters has a test of its own
        accepted.setdefault("project_slug", "acme_orders")
    assert_project_works(render, accepted)


SHAPES = {
    "project_slug": st.from_regex(r"[a-z][a-z0-9]{1,7}(_[a-z0-9]{1,6}){0,3}", fullmatch=True),
    "author_email": st.from_regex(
        r"[a-z0-9][a-z.+%_-]{0,9}@[a-z0-9]{1,8}(\.[a-z]{2,6}){1,2}", fullmatch=True
    ),
}
"""Where random text would hardly ever be accepted."""


def accepted_texts(name: str) -> st.SearchStrategy[str]:
    """Return texts that the rule of a question accepts."""
    texts = SHAPES.get(name, st.text(min_size=1, max_size=60))
    return texts.filter(lambda text: not refusal(name, text))


@pytest.mark.slow
@given(data=st.data())
@settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_any_accepted_texts_render_a_project_that_works(
    render: Renderer, data: st.DataObject
) -> None:
    answers = {name: data.draw(accepted_texts(name), label=name) for name in TEXTS}
    assert_project_works(render, answers)


@pytest.mark.parametrize(
    "name", [n for n, v in axes(MANIFEST).items() if not isinstance(v[0], bool)]
)
@pytest.mark.parametrize("engine", ENGINES)
def test_answer_outside_the_choices_is_refused(
    render: Renderer, capfd: pytest.CaptureFixture[str], engine: str, name: str
) -> None:
    told = run_refused(render, engine, capfd, **{name: "submarine"})
    assert name in told
    assert all(choice in told for choice in MANIFEST[name])


# --- the slug made from the name -----------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wanted", MANIFEST["_requires"])
def test_answer_that_needs_another_is_refused_without_it(
    render: Renderer, capfd: pytest.CaptureFixture[str], engine: str, wanted: str
) -> None:
    needed, message = MANIFEST["_requires"][wanted]
    given = {wanted: True, needed: False}
    assert message in run_refused(render, engine, capfd, **given)


def render_slug(name: str) -> str:
    """Return the slug that the manifest makes from a name."""
    answers = {"project_name": name}
    template = SandboxedEnvironment().from_string(MANIFEST["project_slug"])
    return str(template.render(cookiecutter=answers))


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Bob's API & Söhne", "bobs_api_soehne"),
        ("  Acme -- Orders  ".strip(), "acme_orders"),
        ("Crème Brûlée 2", "creme_brulee_2"),
        ("A very long name of a service that goes on", "a_very_long_name_of_a_service"),
    ],
)
def test_slug_is_made_from_the_name(render: Renderer, name: str, slug: str) -> None:
    for engine in ENGINES:
        answers = (render(engine, project_name=name) / ".copier-answers.yml").read_text("utf-8")
        assert yaml.safe_load(answers)["project_slug"] == slug


@pytest.mark.parametrize("name", ["订单服务", "🚀", "---", "3D Printer", "JSON", "X", "Class"])
def test_name_without_a_usable_slug_is_refused_with_advice_or_gets_one(
    render: Renderer, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    made = render_slug(name)
    if not refusal("project_slug", made):
        assert_project_works(render, {"project_name": name, "project_slug": made})
        return
    for engine in ENGINES:
        told = run_refused(render, engine, capfd, project_name=name)
        assert "project_slug" in told, f"{engine} says only: {told}"
        assert re.search(r"use snake_case|add a word", told), f"{engine} says only: {told}"


# --- what a user sees ----------------------------------------------------------------------------


def on_screen(folder: Path, *argv: str | Path) -> list[str]:
    """Return the lines that a terminal would show, both streams in order."""
    done = subprocess.run(
        [*map(str, argv)],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode not in (0, None), done.stdout
    return done.stdout.rstrip().splitlines()


def test_cookiecutter_user_sees_the_advice_in_a_frame(template: Path, tmp_path: Path) -> None:
    lines = on_screen(tmp_path, "cookiecutter", template, "--no-input", "project_slug=json")
    advice = [
        number for number, line in enumerate(lines) if "add a word, as in json_service" in line
    ]
    assert len(advice) == 1, "\n".join(lines)
    frames = [n for n, line in enumerate(lines) if re.fullmatch("={20,}", line)]
    assert len(frames) == 2, "\n".join(lines)
    assert frames[0] < advice[0] < frames[1]
    assert not any("Traceback" in line for line in lines[: advice[0]]), "\n".join(lines)
    assert len(lines) - advice[0] <= 16, "the advice has scrolled away:\n" + "\n".join(lines)
    assert list(tmp_path.iterdir()) == []


def test_every_bad_answer_is_named_at_once(template: Path, tmp_path: Path) -> None:
    bad = ["project_slug=Bad Slug", "author_email=nobody", "organization=<x>"]
    shown = "\n".join(on_screen(tmp_path, "cookiecutter", template, "--no-input", *bad))
    assert all(f"- {answer.partition('=')[0]} is " in shown for answer in bad), shown


def test_copier_user_sees_the_advice_last(template: Path, tmp_path: Path) -> None:
    data = ["--data", "project_slug=json"]
    lines = on_screen(tmp_path, "copier", "copy", "--defaults", *data, template, "out")
    assert "add a word, as in json_service" in lines[-1], "\n".join(lines)
    assert list(tmp_path.iterdir()) == []
