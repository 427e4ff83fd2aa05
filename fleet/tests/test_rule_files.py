"""Rule files: what is wrong in one is named before any project is looked at."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from slipway_fleet.errors import ConfigError
from slipway_fleet.findings import Level
from slipway_fleet.rules.loader import load_rules, read_rule

GOOD: dict[str, Any] = {
    "id": "OWN01",
    "title": "A title",
    "family": "own",
    "grade": "bronze",
    "level": "error",
    "why": "Because.",
    "fix": "Do it.",
    "check": {"type": "exists", "paths": ["README.md"]},
    "examples": {"fail": [{"edits": [{"delete": "README.md"}]}]},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"check": {"type": "exist"}}, "there is no type exist"),
        ({"check": {"type": "exists"}}, "`paths` must be a list of texts"),
        ({"check": {"type": "exists", "paths": ["a"], "path": "b"}}, "does not know path"),
        ({"check": {"type": "python", "name": "nothing"}}, "no installed distribution has"),
        (
            {"check": {"type": "regex", "paths": ["a"], "forbid": "(", "message": "m"}},
            "no regular expression",
        ),
        ({"level": "fatal"}, "`level` must be one of error, warning, note"),
        ({"titel": "x"}, "does not know titel"),
        ({"title": None}, "needs `title`"),
        ({"controls": {"iso": ["1"]}}, "there is no framework iso"),
        ({"controls": {"pci": ["99.9"]}}, "pci has no 99.9"),
        ({"enforce-from": "soon"}, "`enforce-from` must be a date"),
        ({"examples": {"pass": [{}]}}, "needs an example that breaks it"),
        ({"examples": {"fail": [{"edits": [{"remove": "x"}]}]}}, "an edit is one of"),
        ({"effort": True}, "`effort` must be of type int"),
    ],
)
def test_wrong_rule_file_is_refused_with_what_is_wrong(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        read_rule("OWN01.yaml", GOOD | change)
    assert str(raised.value).startswith("OWN01.yaml")


def pack(folder: Path, **files: object) -> Path:
    """Write rule files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
    return folder


def test_pack_of_ones_own_is_loaded_beside_the_catalogue(tmp_path: Path) -> None:
    pack(tmp_path / "own", OWN01=GOOD)
    names = [rule.id for rule in load_rules(["fastapi", "own"], tmp_path)]
    assert "OWN01" in names
    assert "SEC01" in names
    assert names == sorted(names)


def test_two_rules_with_one_id_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "own", OWN01=GOOD)
    pack(tmp_path / "more", OWN01=GOOD)
    with pytest.raises(ConfigError, match="two rules with this id"):
        load_rules(["own", "more"], tmp_path)


def test_file_must_be_named_after_its_rule(tmp_path: Path) -> None:
    pack(tmp_path / "own", OTHER=GOOD)
    with pytest.raises(ConfigError, match=r"must be named OWN01\.yaml"):
        load_rules(["own"], tmp_path)


def test_broken_yaml_and_missing_pack_are_refused(tmp_path: Path) -> None:
    (pack(tmp_path / "own") / "OWN01.yaml").write_text("id: [")
    with pytest.raises(ConfigError, match=r"OWN01\.yaml is not YAML"):
        load_rules(["own"], tmp_path)
    with pytest.raises(ConfigError, match="no such pack"):
        load_rules(["none"], tmp_path)


def test_rule_only_warns_before_it_is_enforced() -> None:
    rule = read_rule("OWN01.yaml", GOOD | {"enforce-from": dt.date(2027, 3, 1)})
    assert rule.level_on(dt.date(2027, 2, 28)) is Level.WARNING
    assert rule.level_on(dt.date(2027, 3, 1)) is Level.ERROR


@pytest.mark.parametrize(
    ("lifecycle", "level"),
    [("experimental", Level.WARNING), ("stable", Level.ERROR), ("deprecated", Level.NOTE)],
)
def test_lifecycle_decides_how_bad_a_finding_is(lifecycle: str, level: Level) -> None:
    rule = read_rule("OWN01.yaml", GOOD | {"lifecycle": lifecycle})
    assert rule.level_on(dt.date(2027, 1, 1)) is level


def test_rule_applies_when_every_answer_agrees_in_value_and_type() -> None:
    rule = read_rule(
        "OWN01.yaml", GOOD | {"when": {"include_docker": True, "ci_provider": ["github", "gitlab"]}}
    )
    assert rule.applies_to({"include_docker": True, "ci_provider": "gitlab"})
    assert not rule.applies_to({"include_docker": True, "ci_provider": "none"})
    assert not rule.applies_to({"include_docker": 1, "ci_provider": "github"})
    assert not rule.applies_to({})
