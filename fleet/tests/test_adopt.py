"""The release and the answers of a project that records none are found again."""

from pathlib import Path

import yaml

from tests.fleets import MIDDLE, NEW, OLD, Fleet

ANSWERS = {
    "project_name": "Bright Billing",
    "project_slug": "bright_billing",
    "project_description": "Sends bills.",
    "author_name": "Team Money",
    "author_email": "money@example.org",
    "organization": "Bright",
    "license": "Apache-2.0",
    "python_version": "3.12",
    "ci_provider": "gitlab",
    "include_docs": False,
    "include_database": True,
    "include_financial": True,
}


def test_release_and_answers_are_found_for_each_release(fleet: Fleet, tmp_path: Path) -> None:
    for release in (OLD, MIDDLE, NEW):
        files = fleet.rendered(release, **ANSWERS)
        del files[".copier-answers.yml"]
        files["src/bright_billing/own.py"] = ("100644", b"x = 1\n")
        mode, data = files["AGENTS.md"]
        files["AGENTS.md"] = (mode, data + b"\nOurs.\n")
        fleet.add(release, files)
    ran = fleet.run("adopt", "--json", "--output", tmp_path / "records")
    assert ran.code == 0, ran.err
    assert [p["release"] for p in ran.json["projects"]] == [OLD, MIDDLE, NEW]
    for project in ran.json["projects"]:
        found = yaml.safe_load(project["answers_file"])
        assert {name: found[name] for name in ANSWERS} == ANSWERS
        assert project["share"] > 0.98
    written = sorted(path.name for path in (tmp_path / "records").iterdir())
    assert written == [f"{r}.copier-answers.yml" for r in (OLD, MIDDLE, NEW)]


def test_record_that_was_found_gives_no_drift(fleet: Fleet) -> None:
    files = fleet.rendered(NEW)
    del files[".copier-answers.yml"]
    fleet.add("orders", files)
    (project,) = fleet.run("adopt", "--json").json["projects"]
    fleet.add(
        "orders", files | {".copier-answers.yml": ("100644", project["answers_file"].encode())}
    )
    assert fleet.run("drift").code == 0


def test_recorded_project_is_not_adopted_again(fleet: Fleet) -> None:
    fleet.add("orders")
    ran = fleet.run("adopt")
    assert ran.code == 0
    assert "every project records the release it came from" in ran.err


def test_stranger_is_not_adopted(fleet: Fleet) -> None:
    fleet.add("stranger", {"README.md": ("100644", b"# Another thing\n")})
    ran = fleet.run("adopt", "--json")
    assert ran.code == 3
    assert "looks like no release" in ran.json["projects"][0]["problem"]
