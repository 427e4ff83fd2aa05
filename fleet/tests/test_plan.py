"""What a plan says, and that nobody's work is lost by it."""

from pathlib import Path

import pytest
import yaml
from combinations import BODY
from rendering import commit_all, git
from slipway_fleet.objects import LINK, PROGRAM

from tests.fleets import (
    ADDED,
    MIDDLE,
    NEW,
    OLD,
    RENAMED_FROM,
    RENAMED_TO,
    Fleet,
    replace_in,
)

Files = dict[str, tuple[str, bytes]]


def planned(fleet: Fleet, files: Files, *arguments: str) -> tuple[dict[str, object], Files]:
    """Return the plan of one project, and the files it would have afterwards."""
    path = fleet.add("orders", files)
    ran = fleet.run("plan", "--json", *arguments)
    (plan,) = ran.json["projects"]
    assert plan["problem"] == "", plan
    if not plan["commit"]:
        return plan, files
    store = fleet.cache / "store.git"
    alternates = store / "objects/info/alternates"
    mirrors = [p / "objects" for p in (fleet.cache / "templates").iterdir() if p.suffix == ".git"]
    alternates.write_text("".join(f"{p.resolve()}\n" for p in [*mirrors, path / "objects"]))
    with fleet.snapshot(store, plan["commit"]) as after:
        return plan, {p: (entry.mode, after.read(p) or b"") for p, entry in after.files.items()}


def edited(files: Files, path: str, old: str, new: str) -> None:
    """Replace a text of a file that must be there."""
    mode, data = files[path]
    assert old.encode() in data, f"{path} has no {old!r}"
    files[path] = (mode, data.replace(old.encode(), new.encode(), 1))


def notes(plan: dict[str, object]) -> dict[str, bool]:
    """Return whether somebody has to decide, by path."""
    found: list[dict[str, object]] = plan["notes"]  # type: ignore[assignment]  # JSON
    return {str(note["path"]): bool(note["needs_person"]) for note in found}


def test_untouched_project_becomes_a_fresh_render(fleet: Fleet) -> None:
    plan, after = planned(fleet, fleet.rendered(OLD))
    fresh = fleet.rendered(NEW)
    fresh["README.md"] = fleet.rendered(OLD)["README.md"]  # owned: written once
    assert after == fresh
    assert plan["state"] == "update"
    assert notes(plan) == {}
    assert plan["needs_person"] is False


def test_project_at_the_target_has_nothing_to_do(fleet: Fleet) -> None:
    plan, _ = planned(fleet, fleet.rendered(NEW))
    assert plan["state"] == "current"


def test_project_ahead_of_the_target_is_left_alone(fleet: Fleet) -> None:
    plan, _ = planned(fleet, fleet.rendered(NEW), "--target", MIDDLE)
    assert plan["state"] == "ahead"


def test_newest_release_is_looked_for_and_the_known_one_does_without_a_network(
    fleet: Fleet, tmp_path: Path
) -> None:
    template = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(fleet.template), str(template))
    (tmp_path / "own").mkdir()
    own = Fleet(tmp_path / "own", template, fleet.cache)
    plan, _ = planned(own, own.rendered(NEW))
    assert (plan["state"], plan["target"]) == ("current", NEW)
    replace_in(template / BODY.name / "AGENTS.md", "\n", "\n\nThe next release says more.\n")
    commit_all(template, "next release", "v2.1.0")
    (plan,) = own.run("plan", "--json").json["projects"]
    assert (plan["state"], plan["target"]) == ("update", "v2.1.0")
    template.rename(tmp_path / "elsewhere")
    ran = own.run("plan", "--json")
    assert ran.json["projects"][0]["target"] == "v2.1.0"
    assert "the newest release that is known here" in ran.err


def test_answers_file_names_the_new_release_and_no_path_of_the_mirror(fleet: Fleet) -> None:
    _, after = planned(fleet, fleet.rendered(OLD))
    answers = yaml.safe_load(after[".copier-answers.yml"][1])
    assert answers["_commit"] == NEW
    assert answers["_src_path"] == str(fleet.template)


def test_file_renamed_by_the_template_keeps_the_edit_of_the_project(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    mode, data = files[RENAMED_FROM]
    files[RENAMED_FROM] = (mode, data + b"\nOur own section.\n")
    _, after = planned(fleet, files)
    assert RENAMED_FROM not in after
    assert after[RENAMED_TO][1].endswith(b"\nOur own section.\n")


def test_renamed_file_is_the_templates_again_when_that_is_asked_for(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    mode, data = files[RENAMED_FROM]
    files[RENAMED_FROM] = (mode, data + b"\nOur own section.\n")
    plan, after = planned(fleet, files, "--restore")
    assert after[RENAMED_TO] == fleet.rendered(NEW)[RENAMED_TO]
    assert notes(plan) == {RENAMED_TO: True}


def test_owned_files_stay_as_they_are_and_away_when_deleted(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    files["README.md"] = ("100644", b"# Ours\n")
    deleted = [path for path in files if path.startswith("src/acme_orders/orders/")]
    assert deleted
    for path in deleted:
        del files[path]
    _, after = planned(fleet, files)
    assert after["README.md"] == ("100644", b"# Ours\n")
    assert not set(deleted) & set(after)


def test_files_of_the_project_are_not_touched(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    own = {
        "src/acme_orders/invoices.py": ("100644", b"x = 1\n"),
        "bin/tool": (PROGRAM, b"#!/bin/sh\n"),
    }
    own["docs/link"] = (LINK, b"../README.md")
    _, after = planned(fleet, files | own)
    assert {path: after[path] for path in own if path != "docs/link"} == {
        path: leaf for path, leaf in own.items() if path != "docs/link"
    }
    assert after["docs/link"][0] == LINK


def test_deleted_and_bent_managed_files_come_back(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    del files["SECURITY.md"]
    del files["AGENTS.md"]  # changed by the template as well
    files["LICENSE"] = (LINK, b"README.md")
    files["CONTRIBUTING.md"] = (PROGRAM, files["CONTRIBUTING.md"][1])
    plan, after = planned(fleet, files)
    fresh = fleet.rendered(NEW)
    for path in ("SECURITY.md", "AGENTS.md", "LICENSE", "CONTRIBUTING.md"):
        assert after[path] == fresh[path]
    assert notes(plan) == dict.fromkeys(
        ("AGENTS.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md"), False
    )


def test_managed_file_that_both_sides_changed_is_the_templates_and_somebody_is_asked(
    fleet: Fleet,
) -> None:
    files = fleet.rendered(OLD)
    mode, data = files["AGENTS.md"]
    first, rest = data.split(b"\n", 1)
    files["AGENTS.md"] = (mode, first + b"\n\nOur own sentence.\n" + rest)
    plan, after = planned(fleet, files)
    assert after["AGENTS.md"] == fleet.rendered(NEW)["AGENTS.md"]
    assert notes(plan) == {"AGENTS.md": True}
    assert "+Our own sentence." in str(plan["notes"])
    assert plan["needs_person"] is True


def test_merged_toml_takes_both_sides_and_keeps_comments(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    line = 'requires-python = ">=3.11"'
    ours = f'# since the audit of May\nmaintainers = [{{ name = "Bob" }}]\n{line} # pinned by us'
    edited(files, "pyproject.toml", line, ours)
    plan, after = planned(fleet, files)
    text = after["pyproject.toml"][1].decode()
    assert 'keywords = ["slipway"]' in text
    for kept in ("# since the audit of May", 'name = "Bob"', "# pinned by us"):
        assert kept in text
    assert notes(plan) == {}


def test_merged_key_that_both_sides_set_keeps_the_projects_value_and_asks(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    line = 'requires-python = ">=3.11"'
    edited(files, "pyproject.toml", line, f'keywords = "a text"\n{line}')
    plan, after = planned(fleet, files)
    assert b'keywords = "a text"' in after["pyproject.toml"][1]
    assert notes(plan) == {"pyproject.toml": True}


def test_merged_lines_take_both_sides(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    mode, data = files[".gitignore"]
    first, rest = data.split(b"\n", 1)
    files[".gitignore"] = (mode, first + b"\n/our-own/\n" + rest)
    plan, after = planned(fleet, files)
    lines = after[".gitignore"][1].decode().splitlines()
    assert "/our-own/" in lines
    assert "/new-in-two/" in lines
    assert notes(plan) == {}


def test_merged_file_that_cannot_be_parsed_stays_and_asks(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    line = 'requires-python = ">=3.11"'
    edited(files, "pyproject.toml", line, f"keywords = [[[\n{line}")
    plan, after = planned(fleet, files)
    assert after["pyproject.toml"] == files["pyproject.toml"]
    assert notes(plan) == {"pyproject.toml": True}


def test_file_of_the_project_where_the_template_brings_one_stays_and_asks(fleet: Fleet) -> None:
    files = fleet.rendered(OLD)
    files[ADDED] = ("100644", b"# Our own page\n")
    plan, after = planned(fleet, files)
    assert after[ADDED] == ("100644", b"# Our own page\n")
    assert notes(plan) == {ADDED: True}


def test_folder_of_the_project_where_the_template_brings_a_file_stays_and_asks(
    fleet: Fleet,
) -> None:
    files = fleet.rendered(OLD)
    files[f"{ADDED}/page.md"] = ("100644", b"# Our own page\n")
    plan, after = planned(fleet, files)
    assert after[f"{ADDED}/page.md"] == ("100644", b"# Our own page\n")
    assert ADDED not in after
    assert notes(plan)[ADDED] is True


@pytest.mark.parametrize("how", ["managed", "merged", "renamed", "all"])
def test_no_conflict_marker_is_ever_written(fleet: Fleet, how: str) -> None:
    files = fleet.rendered(OLD)
    paths = {
        "managed": ["AGENTS.md"],
        "merged": [".gitignore", "pyproject.toml"],
        "renamed": [RENAMED_FROM],
    }
    for path in paths.get(how, [p for group in paths.values() for p in group]):
        mode, data = files[path]
        files[path] = (mode, b"everything is different\n" + data[:200])
    _, after = planned(fleet, files)
    marked = [path for path, (_, data) in after.items() if b"<<<<<<<" in data or b">>>>>>>" in data]
    assert marked == []


def test_same_plan_gives_the_same_commit(fleet: Fleet) -> None:
    first, _ = planned(fleet, fleet.rendered(OLD))
    (second,) = fleet.run("plan", "--json").json["projects"]
    assert first["commit"] == second["commit"] != ""


def test_plan_writes_nothing_to_the_project(fleet: Fleet) -> None:
    path = fleet.add("orders")
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    assert fleet.run("plan").code == 1
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before


def test_plan_of_a_working_clone_is_that_of_its_bare_one(fleet: Fleet, tmp_path: Path) -> None:
    bare = fleet.add("orders")
    (first,) = fleet.run("plan", "--json").json["projects"]
    git(tmp_path, "clone", "-q", str(bare), str(fleet.projects / "working"))
    second = next(
        p for p in fleet.run("plan", "--json").json["projects"] if p["project"] == "working"
    )
    assert first["commit"] == second["commit"]
