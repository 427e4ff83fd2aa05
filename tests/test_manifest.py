"""The one manifest: what is generated from it is current, and what it says is true of the tree."""

import importlib.util
import json
import keyword
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import ownership
import pytest
import yaml
from combinations import BODY, ROOT
from processes import RunIn
from rendering import Renderer, copy_template, files, snapshot, text_of, tracked_files

DEPENDENCIES = """
import importlib.metadata as m, json, re, sys
from packaging.requirements import Requirement
queue, seen, names = [Requirement(r) for r in json.loads(sys.stdin.read())], set(), set()
modules = {}
for module, distributions in m.packages_distributions().items():
    for name in distributions:
        modules.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(module)
while queue:
    wanted = queue.pop()
    key = (re.sub(r"[-_.]+", "-", wanted.name).lower(), *sorted(wanted.extras))
    if key in seen:
        continue
    seen.add(key)
    try:
        requires = m.requires(wanted.name) or []
    except m.PackageNotFoundError:
        names.add(wanted.name.replace("-", "_").lower())
        continue
    names |= modules.get(key[0], set())
    for text in requires:
        more = Requirement(text)
        if not more.marker or any(more.marker.evaluate({"extra": e}) for e in ("", *wanted.extras)):
            queue.append(more)
print(json.dumps(sorted(names)))
"""


@pytest.fixture(scope="module")
def post_gen() -> dict[str, Any]:
    """Return what hooks/post_gen_project.py defines, not run."""
    source = jinja2.Template((ROOT / "hooks/post_gen_project.py").read_text("utf-8"))
    names: dict[str, Any] = {"__name__": "post_gen"}
    exec(source.render(cookiecutter={}), names)
    return names


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Return scripts/manifest.py as a module."""
    spec = importlib.util.spec_from_file_location("manifest_script", ROOT / "scripts/manifest.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# --- what is generated ---------------------------------------------------------------------------


def test_generated_files_are_current(run_in: RunIn) -> None:
    run_in(ROOT, sys.executable, "scripts/manifest.py", "--check")


def test_stale_file_fails_the_check_and_is_written_without_it(
    tmp_path: Path, run_in: RunIn
) -> None:
    copy = copy_template(tmp_path / "slipway")
    (copy / "copier.yml").write_text("stale\n")
    stale = run_in(copy, sys.executable, "scripts/manifest.py", "--check", check=False)
    assert (stale.returncode, stale.stderr) == (1, "copier.yml is stale: run scripts/sync\n")
    run_in(copy, sys.executable, "scripts/manifest.py")
    assert (copy / "copier.yml").read_bytes() == (ROOT / "copier.yml").read_bytes()


def unknown_feature(m: dict[str, Any]) -> None:
    m["_features"]["include_submarine"] = ["hull"]


def unknown_answer(m: dict[str, Any]) -> None:
    m["_features"]["ci_provider=jenkins"] = ["Jenkinsfile"]


def unknown_part_of_a_feature(m: dict[str, Any]) -> None:
    m["_features"]["include_docs+include_submarine"] = ["docs/hull.md"]


def forward_reference(m: dict[str, Any]) -> None:
    m["project_name"] = "{{ cookiecutter.project_slug }}"


def validator_of_nothing(m: dict[str, Any]) -> None:
    m["_validators"]["hull"] = [".*", "anything"]


def reserved_of_nothing(m: dict[str, Any]) -> None:
    m["_reserved"]["hull"] = [[], "clashes"]


def prompt_of_nothing(m: dict[str, Any]) -> None:
    m["__prompts__"]["hull"] = "Which hull?"


def question_without_prompt(m: dict[str, Any]) -> None:
    m["include_submarine"] = False


def text_without_validator(m: dict[str, Any]) -> None:
    del m["_validators"]["author_name"]


def requirement_of_nothing(m: dict[str, Any]) -> None:
    m["_requires"]["include_submarine"] = ["include_docs", "it has a manual"]


def requirement_that_is_asked_later(m: dict[str, Any]) -> None:
    m["_requires"]["include_docker"] = ["include_docs", "it has a manual"]


def path_in_two_classes(m: dict[str, Any]) -> None:
    m["_ownership"]["merged"].append(m["_ownership"]["owned"][0])


def release_of_no_owned_path(m: dict[str, Any]) -> None:
    m["_ownership"]["since"]["nowhere.py"] = 2


def first_render_of_no_owned_path(m: dict[str, Any]) -> None:
    m["_ownership"]["initial"].append("elsewhere.py")


@pytest.mark.parametrize(
    ("breaks", "names"),
    [
        (unknown_feature, "include_submarine"),
        (unknown_answer, "jenkins"),
        (unknown_part_of_a_feature, "include_submarine"),
        (forward_reference, "project_slug"),
        (validator_of_nothing, "hull"),
        (reserved_of_nothing, "hull"),
        (prompt_of_nothing, "hull"),
        (question_without_prompt, "include_submarine"),
        (text_without_validator, "author_name"),
        (requirement_of_nothing, "include_submarine"),
        (requirement_that_is_asked_later, "include_docs must be asked before include_docker"),
        (path_in_two_classes, "README.md"),
        (release_of_no_owned_path, "nowhere.py"),
        (first_render_of_no_owned_path, "elsewhere.py"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_mistake_in_the_manifest_is_one_clear_sentence(
    tmp_path: Path,
    run_in: RunIn,
    manifest: dict[str, Any],
    breaks: Callable[[dict[str, Any]], None],
    names: str,
) -> None:
    broken = json.loads(json.dumps(manifest))
    breaks(broken)
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/manifest.py", "scripts/manifest_model.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "cookiecutter.json").write_text(json.dumps(broken))
    done = run_in(tmp_path, sys.executable, "scripts/manifest.py", "--check", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("cookiecutter.json: ")
    assert names in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


FEATURES = ("include_docs", "ci_provider=gitlab", "include_docs+ci_provider=gitlab")


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("docs", [True, False])
@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_both_engines_agree_on_what_a_feature_asks_for(
    generator: ModuleType, post_gen: dict[str, Any], feature: str, docs: bool, provider: str
) -> None:
    answers = {"include_docs": docs, "ci_provider": provider}
    wanted = {"include_docs": docs, "ci_provider=gitlab": provider == "gitlab"}
    on = all(wanted[term] for term in feature.split("+"))
    left_out = jinja2.Environment().compile_expression(generator._unchosen(feature))
    assert left_out(cookiecutter=answers) is not on
    assert post_gen["is_chosen"](feature, answers) is on


def test_path_of_two_features_is_kept_while_one_of_them_was_never_asked_for(
    generator: ModuleType,
) -> None:
    left_out = jinja2.Environment().compile_expression(
        generator._unchosen("include_docs+include_new")
    )
    assert left_out(cookiecutter={"include_docs": True}) is False
    assert left_out(cookiecutter={"include_docs": False, "include_new": True}) is True


def test_owned_path_of_two_features_comes_with_the_second_of_them(
    generator: ModuleType, manifest: dict[str, Any]
) -> None:
    more = json.loads(json.dumps(manifest))
    more["_features"]["include_docs+include_docker"] = ["hull.md"]
    more["_ownership"]["owned"].append("hull.md")
    text = generator._deletable("hull.md", more)
    for name in ("include_docs", "include_docker"):
        assert f"_external_data.last.{name} | default(false)" in text


# --- questions -----------------------------------------------------------------------------------


def test_every_question_has_a_prompt_and_every_choice_a_label(
    manifest: dict[str, Any], generator: ModuleType
) -> None:
    for name, value in generator.questions(manifest).items():
        prompt = manifest["__prompts__"][name]
        if isinstance(value, list) and isinstance(prompt, dict):
            assert set(prompt) <= {"__prompt__", *value}


def test_every_text_question_has_a_validator(
    manifest: dict[str, Any], generator: ModuleType
) -> None:
    texts = {n for n, v in generator.questions(manifest).items() if isinstance(v, str)}
    assert texts == set(manifest["_validators"])


def test_every_default_passes_its_validator(
    manifest: dict[str, Any], default_project: Path
) -> None:
    answers = yaml.safe_load((default_project / ".copier-answers.yml").read_text("utf-8"))
    for name, (pattern, _) in manifest["_validators"].items():
        assert re.fullmatch(pattern, answers[name]), name


def test_reserved_names_hold_whatever_python_or_a_dependency_imports(
    manifest: dict[str, Any], default_project: Path, run_in: RunIn
) -> None:
    reserved = set(manifest["_reserved"]["project_slug"][0])
    pattern, _ = manifest["_validators"]["project_slug"]
    config = tomllib.loads((default_project / "pyproject.toml").read_text("utf-8"))
    wanted = [*config["project"]["dependencies"], *config["build-system"]["requires"]]
    wanted += [
        r for group in config["dependency-groups"].values() for r in group if isinstance(r, str)
    ]
    listed = run_in(default_project, "python", "-c", DEPENDENCIES, stdin=json.dumps(wanted))
    folders = {path.name for path in default_project.iterdir() if path.is_dir()}
    taken = {*keyword.kwlist, *sys.stdlib_module_names, *json.loads(listed.stdout), *folders}
    missing = {name for name in taken - reserved if re.fullmatch(pattern, name)}
    assert not missing, f"add to _reserved of cookiecutter.json: {sorted(missing)}"


# --- paths ---------------------------------------------------------------------------------------


def patterns(manifest: dict[str, Any]) -> list[str]:
    """Return every path pattern of the manifest."""
    owned = manifest["_ownership"]
    listed = [path for paths in manifest["_features"].values() for path in paths]
    return [*listed, *owned["owned"], *owned["merged"], *owned["since"]]


def test_every_pattern_names_something(manifest: dict[str, Any]) -> None:
    nowhere = [pattern for pattern in patterns(manifest) if not list(BODY.glob(pattern))]
    assert not nowhere, f"no such path in the template: {nowhere}"


def test_no_pattern_ends_in_a_slash_or_uses_a_double_star(manifest: dict[str, Any]) -> None:
    """A trailing slash leaves an empty folder behind in copier; `**` means different things."""
    assert [
        p for p in patterns(manifest) if p.endswith("/") or p.startswith("/") or "**" in p
    ] == []


def test_every_rendered_path_has_one_class_and_says_which(
    render: Renderer, combination: dict[str, Any], manifest: dict[str, Any]
) -> None:
    project = render("cookiecutter", **combination)
    wrong = []
    for path in files(project):
        name = path.relative_to(project).as_posix()
        text = text_of(path)
        claims = ownership.classes_of(name, manifest)
        if len(claims) != 1:
            wrong.append(f"{name}: claimed by {claims}")
        elif text is not None and not ownership.is_silent(name):
            expected = "" if claims == ["owned"] else claims[0]
            if ownership.says(text) != expected:
                wrong.append(
                    f"{name} is {claims[0]}, its first line is {ownership.first_line(text)!r}"
                )
    assert wrong == []


def test_every_exception_to_the_first_line_is_in_use(
    render: Renderer, default_project: Path
) -> None:
    names = {
        n
        for p in (
            default_project,
            render("copier", ci_provider="gitlab", include_database=True),
        )
        for n in snapshot(p)
    }
    unused = [
        p
        for p in ownership.SILENT
        if not any(ownership.is_silent(n) and Path(n).match(p) for n in names)
    ]
    assert unused == []


def test_owned_files_contain_no_toggle(manifest: dict[str, Any]) -> None:
    toggled = []
    for name in tracked_files():
        path = name.removeprefix(f"{BODY.name}/")
        if path != name and ownership.classes_of(path, manifest) == ["owned"]:
            text = text_of(ROOT / name) or ""
            if re.search(r"\{%|^\s*# jinja:", text, re.MULTILINE):
                toggled.append(path)
    assert toggled == []
