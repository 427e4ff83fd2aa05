"""Every difference in a managed file is found, and nothing else is called one."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from slipway_fleet.drift import State, compare
from slipway_fleet.objects import LINK, PROGRAM, blob_id
from slipway_fleet.snapshot import Entry, Snapshot, memory_snapshot

from tests.fleets import MIDDLE, OLD, Fleet, commit


def states(fleet: Fleet, *arguments: str) -> dict[str, str]:
    """Return the state of each file that the command names."""
    (project,) = fleet.run("drift", "--json", *arguments).json["projects"]
    return {file["path"]: file["state"] for file in project["files"]}


def test_project_as_rendered_has_no_drift(fleet: Fleet) -> None:
    fleet.add("orders")
    ran = fleet.run("drift", "--json")
    assert ran.code == 0, ran
    (project,) = ran.json["projects"]
    assert project["files"] == []
    assert project["version"] == OLD
    assert project["compared"] > 100


def test_each_kind_of_change_is_named(fleet: Fleet) -> None:
    files = fleet.rendered()
    files["AGENTS.md"] = (files["AGENTS.md"][0], b"mine\n")
    del files["SECURITY.md"]
    files["CONTRIBUTING.md"] = (PROGRAM, files["CONTRIBUTING.md"][1])
    files["LICENSE"] = (LINK, b"/etc/passwd")
    files["README.md"] = (files["README.md"][0], b"our own\n")
    files["pyproject.toml"] = (
        files["pyproject.toml"][0],
        files["pyproject.toml"][1] + b"\n[tool.x]\n",
    )
    files["src/acme_orders/core/database.py"] = ("100644", b"copied by hand\n")
    files["src/acme_orders/invoices.py"] = ("100644", b"the project's own\n")
    fleet.add("orders", files)
    assert fleet.run("drift").code == 1
    assert states(fleet) == {
        "AGENTS.md": State.CHANGED,
        "SECURITY.md": State.MISSING,
        "CONTRIBUTING.md": State.MODE,
        "LICENSE": State.LINK,
        "README.md": State.OWNED,
        "pyproject.toml": State.MERGED,
        "src/acme_orders/core/database.py": State.EXTRA,
    }


def test_changes_of_owned_and_merged_files_are_no_findings(fleet: Fleet) -> None:
    files = fleet.rendered()
    del files["src/acme_orders/orders/service.py"]
    files["pyproject.toml"] = (files["pyproject.toml"][0], files["pyproject.toml"][1] + b"\n")
    fleet.add("orders", files)
    assert fleet.run("drift").code == 0


def altered(entry: Entry, how: str) -> Entry | None:
    """Return what becomes of a file."""
    if how == "mutated":
        return entry._replace(sha=blob_id(entry.sha.encode()))
    if how == "linked":
        return entry._replace(mode=LINK)
    if how == "submodule":
        return entry._replace(mode="160000")
    if how == "mode":
        return entry._replace(mode="100644" if entry.mode == PROGRAM else PROGRAM)
    return None


@pytest.mark.parametrize("how", ["mutated", "deleted", "linked", "submodule", "mode"])
def test_every_managed_file_is_watched(fleet: Fleet, all_on: dict[str, Any], how: str) -> None:
    """Alter each managed file of a project with everything on, one after the other: 100 % are found."""
    project = fleet.snapshot(fleet.add("orders", fleet.rendered(**all_on)))
    from slipway_fleet.template import RenderCache  # noqa: PLC0415  # beside its use

    render, _ = RenderCache(fleet.config).render(project.template, project.answers)
    managed = [path for path, file in render.files.items() if file.kind == "managed"]
    assert len(managed) > 200
    missed = []
    for path in managed:
        files = dict(project.files)
        after = altered(files.pop(path), how)
        if after is not None:
            files[path] = after
        found = compare(Snapshot("orders", files, memory_snapshot("", {})._read_blob), render)
        if [file.path for file in found if file.is_drift] != [path]:
            missed.append(path)
    project.close()
    assert missed == []


def test_file_replaced_by_a_folder_is_missing(fleet: Fleet) -> None:
    files = fleet.rendered()
    files["LICENSE/text"] = files.pop("LICENSE")
    fleet.add("orders", files)
    assert states(fleet) == {"LICENSE": State.MISSING}


def test_each_release_is_compared_with_itself(fleet: Fleet) -> None:
    fleet.add("old", fleet.rendered(OLD))
    fleet.add("middle", fleet.rendered(MIDDLE))
    ran = fleet.run("drift", "--json")
    assert ran.code == 0
    assert [p["version"] for p in ran.json["projects"]] == [MIDDLE, OLD]


def test_diff_shows_what_was_changed(fleet: Fleet) -> None:
    files = fleet.rendered()
    files["AGENTS.md"] = (files["AGENTS.md"][0], files["AGENTS.md"][1] + b"Ask Bob.\x1b[2J\n")
    fleet.add("orders", files)
    shown = fleet.run("drift", "--diff").out
    assert "+Ask Bob." in shown
    assert "\x1b" not in shown, "a project's text must not reach the terminal as it is"


def test_run_is_kept_in_the_history(fleet: Fleet) -> None:
    path = fleet.add("orders")
    fleet.run("drift")
    files = fleet.rendered()
    del files["LICENSE"]
    commit(path, files)
    fleet.run("drift")
    from slipway_fleet.workspace import Workspace  # noqa: PLC0415  # beside its use

    with Workspace(fleet.config).history() as history:
        (missing,) = [f for f in history.findings(2) if f.outcome == "fail"]
        assert missing.path == "LICENSE"
        assert history.first_seen(missing.fingerprint) is not None
        rows = history.query("SELECT project, problem FROM snapshot WHERE run = 2")
    assert [tuple(row) for row in rows] == [("orders", "")]


def test_template_that_fleet_toml_does_not_name_is_not_rendered(
    fleet: Fleet, tmp_path: Path
) -> None:
    files = fleet.rendered()
    mode, answers = files[".copier-answers.yml"]
    evil = str(tmp_path / "evil")
    files[".copier-answers.yml"] = (
        mode,
        answers.replace(str(fleet.template).encode(), evil.encode()),
    )
    fleet.add("orders", files)
    ran = fleet.run("drift", "--json")
    assert ran.code == 3
    assert "not in fleet.toml" in ran.json["projects"][0]["problem"]


def test_record_of_cruft_is_read(fleet: Fleet) -> None:
    files = fleet.rendered()
    answers = yaml.safe_load(files.pop(".copier-answers.yml")[1])
    record = {
        "template": str(fleet.template),
        "commit": OLD,
        "context": {"cookiecutter": {k: v for k, v in answers.items() if k[0] != "_"}},
    }
    files[".cruft.json"] = ("100644", json.dumps(record).encode())
    fleet.add("orders", files)
    (listed,) = fleet.run("inventory", "--json").json["projects"]
    assert (listed["problem"], listed["release"]) == ("", OLD)
    (clean,) = fleet.run("drift", "--json").json["projects"]
    assert (clean["problem"], clean["drifted"], clean["compared"] > 100) == ("", 0, True)
    mode, data = files["AGENTS.md"]
    files["AGENTS.md"] = (mode, data + b"# ours\n")
    fleet.add("bent", files)
    found = {
        one["project"]: one["drifted"] for one in fleet.run("drift", "--json").json["projects"]
    }
    assert found == {"orders": 0, "bent": 1}
