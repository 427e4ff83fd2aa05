"""The guides about rules: what is written is what runs."""

import re
import shlex
from pathlib import Path

import pytest
from combinations import ROOT
from rendering import copy_template

from tests.fleets import Fleet, Ran, invoke

WRITE, WAIVE = (ROOT / "docs/how-to" / name for name in ("write-a-rule.md", "waive-a-rule.md"))


def blocks(page: Path, kind: str) -> list[str]:
    """Return the blocks of a page that are written in a language."""
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)


def walk(page: Path) -> list[Ran]:
    """Run the commands of a page, in order."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    return [invoke(shlex.split(line.removeprefix("$ "))) for line in lines]


def test_rule_of_the_guide_holds_and_its_examples_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_template(tmp_path / "slipway")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/OWN01.yaml").write_text(blocks(WRITE, "yaml")[0])
    (tmp_path / "fleet.toml").write_text(blocks(WRITE, "toml")[0])
    monkeypatch.chdir(tmp_path)
    tried, explained = walk(WRITE)
    assert tried.code == 0, tried.out + tried.err
    assert "2 examples of 1 rules, 0 wrong" in tried.err
    assert "The service names the team that is paged" in explained.out


def test_check_of_the_guide_is_a_check() -> None:
    from slipway_fleet.rules import Options  # noqa: PLC0415  # beside its only use
    from slipway_fleet.rules.parsing import Parser  # noqa: PLC0415  # as above
    from slipway_fleet.rules.project import Project  # noqa: PLC0415  # as above
    from slipway_fleet.snapshot import memory_snapshot  # noqa: PLC0415  # as above

    names: dict[str, type] = {}
    exec(blocks(WRITE, "python")[0], names)
    check = names["Pager"](Options("own", {"team": "Orders"}))
    named = memory_snapshot("a", {"README.md": b"of Orders"})
    assert list(check(Project(named, Parser()))) == []
    nameless = memory_snapshot("b", {"README.md": b"of nobody"})
    assert [one.path for one in check(Project(nameless, Parser()))] == ["README.md"]


def test_waivers_of_the_guide_are_added_listed_and_found_right(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fleet.root)
    added, listed, linted = walk(WAIVE)
    assert [added.code, listed.code, linted.code] == [0, 0, 0], added.err
    assert "TST04-1" in listed.out


def test_waiver_and_settings_shown_in_the_guide_are_valid() -> None:
    from slipway_fleet.config import FleetConfig  # noqa: PLC0415  # beside its only use
    from slipway_fleet.rules.waivers import read_waivers  # noqa: PLC0415  # as above

    (shown,) = read_waivers("waivers.yaml", blocks(WAIVE, "yaml")[0])
    assert shown.id == "TST04-1"
    import tomllib  # noqa: PLC0415  # as above

    settings = FleetConfig.model_validate(tomllib.loads(blocks(WAIVE, "toml")[0]))
    assert settings.waivers.forbidden == ("SEC*",)


def test_pages_about_rules_are_those_that_the_rules_write() -> None:
    stale = invoke(["fleet", "rules", "docs", str(ROOT / "docs/reference/rules"), "--check"])
    assert (stale.out, stale.code) == ("", 0), "run: fleet rules docs docs/reference/rules"
