"""Files that both sides add to are merged by key, and comments stay."""

import tomllib

import pytest
import yaml
from slipway_fleet.updates.keywise import CannotMergeError, is_valid, merge_text

BASE = """\
[project]
name = "x"
dependencies = [
  "fastapi>=0.165",
  "orjson>=3.13",
]

[tool.ruff]
line-length = 100
"""


def test_dependencies_are_merged_by_distribution() -> None:
    ours = BASE.replace('  "orjson', '  # ours, for the report\n  "reportlab>=4",\n  "orjson')
    theirs = BASE.replace("fastapi>=0.165", "fastapi>=0.170").replace('  "orjson>=3.13",\n', "")
    made = merge_text("pyproject.toml", BASE, ours, theirs)
    assert made.conflicts == []
    assert tomllib.loads(made.text)["project"]["dependencies"] == ["fastapi>=0.170", "reportlab>=4"]
    assert "# ours, for the report" in made.text


def test_key_that_both_sides_changed_keeps_ours_and_is_named() -> None:
    ours, theirs = BASE.replace("100", "120"), BASE.replace("100", "88")
    made = merge_text("pyproject.toml", BASE, ours, theirs)
    assert made.text == ours
    assert made.conflicts == ["tool.ruff.line-length: the project has 120, the template 88"]


def test_table_that_the_template_adds_arrives_with_its_comment() -> None:
    theirs = BASE + "\n# The reason.\n[tool.mypy]\nstrict = true\n"
    made = merge_text("pyproject.toml", BASE, BASE.replace('"x"', '"y"'), theirs)
    assert tomllib.loads(made.text)["tool"]["mypy"] == {"strict": True}
    assert tomllib.loads(made.text)["project"]["name"] == "y"


def test_key_that_the_template_removes_goes_unless_the_project_changed_it() -> None:
    theirs = BASE.replace("line-length = 100\n", "")
    assert "line-length" not in merge_text("a.toml", BASE, BASE, theirs).text
    kept = merge_text("a.toml", BASE, BASE.replace("100", "120"), theirs)
    assert "line-length = 120" in kept.text
    assert len(kept.conflicts) == 1


def test_key_that_the_project_deleted_stays_away() -> None:
    ours, theirs = BASE.replace("line-length = 100\n", ""), BASE.replace("100", "88")
    made = merge_text("a.toml", BASE, ours, theirs)
    assert "line-length" not in made.text


@pytest.mark.parametrize("indent", ["", "  "])
def test_yaml_lists_are_merged_by_id_and_keep_their_style(indent: str) -> None:
    base = f"repos:\n{indent}- repo: local\n{indent}  hooks:\n{indent}  - id: ruff\n{indent}    args: [a]\n"
    ours = f"# ours\n{base}{indent}  # mine\n{indent}  - id: own\n"
    theirs = base.replace("args: [a]", "args: [b]") + f"{indent}  - id: new\n"
    made = merge_text(".pre-commit-config.yaml", base, ours, theirs)
    hooks = yaml.safe_load(made.text)["repos"][0]["hooks"]
    assert [hook["id"] for hook in hooks] == ["ruff", "new", "own"]
    assert hooks[0]["args"] == ["b"]
    assert "# ours" in made.text
    assert "# mine" in made.text
    assert made.conflicts == []


def test_navigation_is_merged_by_title() -> None:
    base = "nav:\n  - Home: index.md\n  - Logs: logs.md\n"
    ours = "nav:\n  - Home: index.md\n  - Ours: ours.md\n  - Logs: logs.md\n"
    theirs = "nav:\n  - Home: index.md\n  - Logs: logging.md\n  - Jobs: jobs.md\n"
    made = merge_text("mkdocs.yml", base, ours, theirs)
    titles = [next(iter(item)) for item in yaml.safe_load(made.text)["nav"]]
    assert titles == ["Home", "Ours", "Logs", "Jobs"]
    assert "logging.md" in made.text


def test_lines_are_added_and_removed_where_they_belong() -> None:
    made = merge_text(".gitignore", "a\nb\nc\n", "a\nmine\nb\nc\n", "a\nnew\nc\n")
    assert made.text == "a\nnew\nmine\nc\n"


def test_side_that_cannot_be_parsed_is_refused() -> None:
    with pytest.raises(CannotMergeError):
        merge_text("a.toml", BASE, "[[[", BASE.replace("100", "88"))
    with pytest.raises(CannotMergeError):
        merge_text("a.yml", "a: 1", "a: [", "a: 2")
    with pytest.raises(CannotMergeError):
        merge_text("a.yml", "a: 1", "- a", "a: 2")


def test_key_that_is_there_twice_is_not_valid() -> None:
    assert not is_valid("a.yml", "a: 1\na: 2\n")
    assert not is_valid("a.toml", "a = 1\na = 2\n")
    assert is_valid("a.yml", "a: 1\n")
    assert is_valid(".gitignore", "[[[")
