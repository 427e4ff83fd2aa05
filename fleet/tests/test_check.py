"""`fleet check` and its friends: over a fleet, in one folder, and with everything that goes wrong."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rendering import commit_all
from slipway_fleet.findings import Outcome
from slipway_fleet.rules.loader import load_rules
from slipway_fleet.rules.osv import osv_service

from tests.fleets import NEW, OLD, Fleet, Ran, invoke

Files = dict[str, tuple[str, bytes]]
RULES = {rule.id for rule in load_rules()}


def with_text(files: Files, path: str, old: str, new: str) -> Files:
    """Return files with one text replaced."""
    mode, data = files[path]
    assert old.encode() in data
    return files | {path: (mode, data.replace(old.encode(), new.encode(), 1))}


def found(ran: Ran, project: str = "") -> dict[str, str]:
    """Return the outcome of each rule of a project that is not a pass or not applicable."""
    rows = [
        finding
        for one in ran.json["projects"]
        if project in {"", one["project"]}
        for finding in one["findings"]
    ]
    return {r["rule"]: r["outcome"] for r in rows if r["outcome"] in {"fail", "error", "waived"}}


def write(folder: Path, files: Files) -> Path:
    """Write files to a folder and commit them."""
    for path, (mode, data) in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755 if mode == "100755" else 0o644)
    commit_all(folder, "start")
    return folder


def test_clean_fleet_is_clean_and_every_rule_has_an_outcome(fleet: Fleet) -> None:
    fleet.add("orders")
    ran = fleet.run("check", "--json")
    assert ran.code == 0, ran.out[-2000:]
    (project,) = ran.json["projects"]
    assert {finding["rule"] for finding in project["findings"]} == RULES
    assert project["grade"] == "gold"


def test_findings_end_with_1_and_drift_is_one_of_them(fleet: Fleet) -> None:
    files = with_text(fleet.rendered(), "deploy/Dockerfile", "USER 10001:10001", "USER root")
    fleet.add("orders", files)
    ran = fleet.run("check", "--json")
    assert ran.code == 1
    assert found(ran) == {"CTR01": "fail", "TPL01": "fail"}
    assert ran.json["projects"][0]["grade"] == "none"


def test_project_far_behind_is_found(fleet: Fleet) -> None:
    fleet.add("orders")
    listed = {f["rule"]: f for f in fleet.run("check", "--json").json["projects"][0]["findings"]}
    assert listed["TPL03"]["outcome"] == "pass"  # two releases behind is allowed
    assert fleet.run("inventory", "--json").json["projects"][0]["newest"] == NEW


BROKEN: dict[str, tuple[str, str, bytes]] = {
    "bad-toml": ("pyproject.toml", "100644", b"[project"),
    "bad-yaml": ("deploy/compose.yaml", "100644", b"a: [1\nb: }"),
    "deep-yaml": ("deploy/compose.yaml", "100644", b"[" * 50_000),
    "not-utf-8": ("pyproject.toml", "100644", b"\xff\xfe"),
    "huge": ("pyproject.toml", "100644", b"#" * 3_000_000),
    "link": ("pyproject.toml", "120000", b"../../etc/passwd"),
    "endless-link": (".env.example", "120000", b".env.example"),
    "bad-python": ("src/acme_orders/main.py", "100644", b"def ("),
    "deep-python": ("src/acme_orders/main.py", "100644", b"x = " + b"(" * 5_000),
    "null-python": ("src/acme_orders/main.py", "100644", b"x = 1\0"),
    "bad-requirement": ("pyproject.toml", "100644", b'[project]\ndependencies = ["a b c"]\n'),
}


def test_corrupt_projects_are_errors_with_their_reason_and_the_others_are_checked(
    fleet: Fleet,
) -> None:
    clean = fleet.rendered()
    fleet.add("aaa", clean)
    for name, (path, mode, data) in BROKEN.items():
        fleet.add(name, clean | {path: (mode, data)})
    fleet.add("no-answers", {k: v for k, v in clean.items() if k != ".copier-answers.yml"})
    fleet.add("zzz", clean)
    ran = fleet.run("check", "--json")
    assert ran.code == 3
    by_name = {one["project"]: one for one in ran.json["projects"]}
    assert len(by_name) == len(BROKEN) + 3
    for name in ("aaa", "zzz"):
        assert found(ran, name) == {}
    for name in [*BROKEN, "no-answers"]:
        errors = [f for f in by_name[name]["findings"] if f["outcome"] == "error"]
        assert errors or by_name[name]["problem"], name
        path = BROKEN.get(name, (".copier-answers.yml",))[0]
        assert any(path in one["message"] for one in errors), (
            name,
            [e["message"] for e in errors[:3]],
        )
        assert by_name[name]["grade"] != by_name["aaa"]["grade"], name


def test_rule_that_raises_is_an_error_for_that_project_and_stops_nothing() -> None:
    from slipway_fleet.findings import Level  # noqa: PLC0415  # as above
    from slipway_fleet.rules.model import Grade, Rule  # noqa: PLC0415  # beside its only use
    from slipway_fleet.rules.runner import Runner  # noqa: PLC0415  # as above
    from slipway_fleet.snapshot import memory_snapshot  # noqa: PLC0415  # as above

    def broken(project: Any) -> Any:
        raise RuntimeError(f"oops in {project.name}")

    def fine(project: Any) -> Any:
        assert project.name == "p"
        return []

    rules = [
        Rule(name, "T", "f", Grade.GOLD, Level.ERROR, "w", "f", check, "own")
        for name, check in (("A", broken), ("B", fine))
    ]
    first, second = Runner(rules, dt.date(2027, 1, 1)).check(memory_snapshot("p", {}))
    assert (first.outcome, second.outcome) == (Outcome.ERROR, Outcome.PASS)
    assert "RuntimeError: oops in p" in first.message


def test_second_run_remembers_and_a_new_commit_is_checked_again(fleet: Fleet) -> None:
    fleet.add("orders")
    first = fleet.run("check", "--json").json["projects"]
    kept = list((fleet.cache / "checked").iterdir())
    assert len(kept) == 1
    written = kept[0].stat().st_mtime_ns
    assert fleet.run("check", "--json").json["projects"] == first
    assert kept[0].stat().st_mtime_ns == written
    fleet.add("orders", with_text(fleet.rendered(), "README.md", "#", "<<<<<<< x\n#"))
    assert "TPL04" in found(fleet.run("check", "--json"))


def test_waivers_of_both_files_hold_and_unknown_ones_do_not(fleet: Fleet) -> None:
    entry = """- id: {id}
  rule: {rule}
  reason: The team replaces it in this quarter.
  owner: "@orders"
  approver: "@platform"
  created: 2027-01-01
  expires: 2027-02-01
  ticket: OPS-1
"""
    files = fleet.rendered()
    files = with_text(files, "deploy/Dockerfile", "USER 10001:10001", "USER root")
    files = with_text(files, "pyproject.toml", "fail_under = 85", "fail_under = 50")
    own = entry.format(id="mine", rule="TST01") + entry.format(id="not-mine", rule="CTR01")
    fleet.add("orders", files | {".fleet-waivers.yaml": ("100644", own.encode())})
    central = entry.format(id="docker", rule="CTR01").replace("  rule", "  project: ord*\n  rule")
    (fleet.root / "waivers.yaml").write_text(central)
    during = fleet.run("check", "--json", "--date", "2027-01-15")
    rows = {f["rule"]: f for f in during.json["projects"][0]["findings"]}
    assert rows["TST01"]["waiver"] == "orders: mine"
    assert rows["CTR01"]["waiver"] == "docker"
    assert "ask the platform team" in rows["WAIVER"]["message"]
    after = found(fleet.run("check", "--json", "--date", "2027-02-02"))
    assert (after["TST01"], after["CTR01"]) == ("fail", "fail")


@pytest.fixture
def project(fleet: Fleet, tmp_path: Path) -> Path:
    """Return a work tree as rendered, committed."""
    return write(tmp_path / "acme_orders", fleet.rendered(OLD))


def local(project: Path, *words: str) -> Ran:
    return invoke(["fleet", "check", f"{project}/", *words, "--config", "/dev/null"])


def test_folder_is_checked_without_a_fleet_as_it_lies_there(project: Path) -> None:
    assert local(project).code == 0
    (project / ".gitignore").write_text("")
    (project / "untracked.pem").write_text("x")
    assert found(local(project, "--json")) == {"SCR05": "fail"}


def test_staged_check_sees_what_the_commit_will_hold(project: Path) -> None:
    subprocess.run(["git", "rm", "-q", "--cached", "SECURITY.md"], cwd=project, check=True)
    assert found(local(project, "--staged", "--json")) == {"DOC02": "fail"}


def test_fix_changes_only_the_named_tree_and_follows_no_link(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("keep")
    (project / "pyproject.toml").write_text(
        (project / "pyproject.toml").read_text().replace("fail_under = 85", "fail_under = 5 # low")
    )
    (project / ".gitignore").unlink()
    (project / ".gitignore").symlink_to(outside)
    words = ["fleet", "fix", str(project), "--config", "/dev/null"]
    dry = invoke([*words, "--dry-run", "--rule", "TST01"])
    assert "would set" in dry.out
    assert "fail_under = 5 # low" in (project / "pyproject.toml").read_text()
    assert invoke([*words, "--rule", "TST01"]).code == 0
    assert "fail_under = 85 # low" in (project / "pyproject.toml").read_text()
    invoke(words)
    assert outside.read_text() == "keep"


def test_vulnerability_rule_is_not_applicable_offline_and_fails_or_errs_online(
    project: Path,
) -> None:
    from slipway_fleet.rules.locks import lock_text  # noqa: PLC0415  # beside its only use

    manifest = project / "pyproject.toml"
    manifest.write_text(
        manifest.read_text().replace(
            "dependencies = [", 'dependencies = [\n  "vulnerable>=1.0,<2",', 1
        )
    )
    (project / "uv.lock").write_text(lock_text(manifest.read_text()))
    subprocess.run(["git", "add", "-A"], cwd=project, check=True)
    assert "DEP08" not in found(local(project, "--json"))
    with osv_service() as service:
        online = local(project, "--json", "--osv-url", service)
        assert found(online)["DEP08"] == "fail"
    away = local(project, "--json", "--osv-url", service)  # it has gone away
    assert found(away)["DEP08"] == "error"
    assert away.code == 3


def test_report_is_made_again_from_the_last_run_with_its_trend(fleet: Fleet) -> None:
    assert fleet.run("report").code == 2
    fleet.add("orders")
    fleet.run("check", "--json")
    fleet.run("check", "--json")
    again = fleet.run("report", "--json")
    assert again.json["grades"]["gold"] == 1
    controls = fleet.run("report", "--controls", "--json").json["controls"]
    assert {"framework", "control", "kept", "broken", "unchecked"} <= controls[0].keys()
    assert all(one["kept"] + one["not_applicable"] == 1 for one in controls)
    assert "OWASP ASVS" in fleet.run("report", "--controls").out
    out = fleet.root / "page.html"
    assert fleet.run("report", "--format", "html", "--output", out).code == 0
    assert 'id="trend"' in out.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--format", "pdf"),
        ("check", "--date", "tomorrow"),
        ("rules", "explain", "NOPE"),
        ("report", "--controls", "--format", "sarif"),
    ],
)
def test_usage_errors_end_with_2_and_say_what_to_do(fleet: Fleet, words: tuple[str, ...]) -> None:
    fleet.add("orders")
    if words[0] == "report":
        fleet.run("check", "--json")
    ran = fleet.run(*words)
    assert ran.code == 2
    assert ran.err.startswith("error: ")


def test_nothing_heavy_is_imported_to_show_help() -> None:
    code = "import sys; from slipway_fleet.cli import build; build(); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert loaded.isdisjoint({"jinja2", "yaml", "tomlkit", "jsonschema", "packaging"})
