"""A campaign reaches every project once, in waves, and goes on after a kill."""

import json
import random
import subprocess
import sys

import pytest
from combinations import head_commit
from rendering import git

from tests.fleets import NEW, OLD, Fleet, branches, commit, invoke
from tests.forge_servers import FakeGitHub, FakeGitLab

BRANCH = "slipway/v2"
TOKEN = "s3cret-token"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the token where fleet.toml says it is."""
    monkeypatch.setenv("FLEET_TEST_TOKEN", TOKEN)


def states(fleet: Fleet, name: str = "v2") -> dict[str, str]:
    """Return where each project stands."""
    listed = fleet.run("campaign", "status", name, "--json").json["projects"]
    return {item["project"]: item["state"] for item in listed}


def planned(fleet: Fleet) -> dict[str, str]:
    """Return the commit that each project's branch is to have."""
    listed = fleet.run("campaign", "status", "v2", "--json").json["projects"]
    return {item["project"]: item["planned"] for item in listed}


def on_forge(fleet: Fleet, kind: str, api: str, names: list[str]) -> None:
    """Configure the projects as a list whose requests go to a forge."""
    lines = [
        json.dumps(
            {
                "id": n,
                "path": f"projects/{n}.git",
                "url": str(fleet.projects / f"{n}.git"),
                "branch": "main",
                "slug": f"acme/{n}",
            }
        )
        for n in names
    ]
    (fleet.root / "projects.yaml").write_text("".join(f"- {line}\n" for line in lines))
    source = f'[[source]]\ntype = "yaml"\npath = "projects.yaml"\nforge = "{kind}"\napi = "{api}"\n'
    source += 'token_env = "FLEET_TEST_TOKEN"\n'
    fleet.configure("[campaign]\nwaves = [1]\nrequests_per_minute = 600\n", source)


def test_campaign_moves_in_waves(fleet: Fleet) -> None:
    fleet.configure("[campaign]\nwaves = [1, 2]\n")
    paths = fleet.add_many(4)
    assert fleet.run("campaign", "start", "v2").code == 0
    assert [BRANCH in branches(path) for path in paths] == [False] * 4
    assert fleet.run("campaign", "run", "v2").code == 0
    assert [BRANCH in branches(path) for path in paths] == [True, False, False, False]
    refused = fleet.run("campaign", "run", "v2")
    assert refused.code == 2
    assert "wave 2 waits for 1 requests of earlier waves (svc-000)" in refused.err
    assert fleet.run("campaign", "run", "v2", "--onward").code == 0
    assert [BRANCH in branches(path) for path in paths] == [True, True, True, False]
    assert fleet.run("campaign", "run", "v2", "--all").code == 0
    assert all(BRANCH in branches(path) for path in paths)


def test_second_run_pushes_nothing(fleet: Fleet) -> None:
    fleet.add_many(3)
    fleet.run("campaign", "start", "v2")
    assert fleet.run("campaign", "run", "v2", "--all", "--json").json["did"]["pushed"] == 3
    assert fleet.run("campaign", "run", "v2", "--all", "--json").json["did"]["pushed"] == 0
    fleet.run("campaign", "retry", "v2", "svc-000", "svc-001", "svc-002")
    again = fleet.run("campaign", "run", "v2", "--all", "--json").json["did"]
    assert (again["planned"], again["pushed"]) == (3, 0), "the same plan is the same commit"


def test_project_that_fails_is_named_and_retried(fleet: Fleet) -> None:
    fleet.add_many(2)
    broken = fleet.rendered()
    answers = broken.pop(".copier-answers.yml")
    path = fleet.add("broken", broken)
    fleet.run("campaign", "start", "v2")
    ran = fleet.run("campaign", "run", "v2", "--all")
    assert ran.code == 3
    assert "broken: failed: it has no .copier-answers.yml" in ran.err
    commit(path, broken | {".copier-answers.yml": answers})
    fleet.run("campaign", "retry", "v2")
    assert fleet.run("campaign", "run", "v2", "--onward").code == 0
    assert set(states(fleet).values()) == {"pushed"}


def test_branch_that_somebody_changed_is_left_alone(fleet: Fleet) -> None:
    path = fleet.add("orders")
    fleet.run("campaign", "start", "v2")
    fleet.run("campaign", "run", "v2")
    theirs = commit(path, fleet.rendered(NEW), BRANCH)
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    commit(path, fleet.rendered(OLD) | {"new.txt": ("100644", b"main moved on\n")})
    fleet.run("campaign", "retry", "v2", "orders")
    assert fleet.run("campaign", "run", "v2").code == 0
    assert branches(path)[BRANCH] == theirs
    assert states(fleet) == {"orders": "taken-over"}


def test_branch_follows_a_project_that_moved_on(fleet: Fleet) -> None:
    path = fleet.add("orders")
    fleet.run("campaign", "start", "v2")
    fleet.run("campaign", "run", "v2")
    first = branches(path)[BRANCH]
    commit(path, fleet.rendered(OLD) | {"new.txt": ("100644", b"main moved on\n")})
    fleet.run("campaign", "retry", "v2", "orders")
    fleet.run("campaign", "run", "v2")
    assert branches(path)[BRANCH] == planned(fleet)["orders"] != first


def test_pull_requests_are_opened_once_as_drafts_where_somebody_must_decide(fleet: Fleet) -> None:
    fleet.add("easy")
    files = fleet.rendered()
    mode, data = files["AGENTS.md"]
    files["AGENTS.md"] = (mode, b"<script>alert(1)</script>\n```\n" + data[:50])
    fleet.add("hard", files)
    with FakeGitHub() as forge:
        on_forge(fleet, "github", forge.url, ["easy", "hard"])
        fleet.run("campaign", "start", "v2")
        assert fleet.run("campaign", "run", "v2", "--all").code == 0
        assert {r["slug"]: r["draft"] for r in forge.requests} == {
            "acme/easy": False,
            "acme/hard": True,
        }
        hard = next(r for r in forge.requests if r["slug"] == "acme/hard")
        assert "To decide before this is merged" in hard["body"]
        assert "````diff" in hard["body"], "the fence is longer than any in the diff"
        fleet.run("campaign", "retry", "v2", "easy", "hard")
        fleet.run("campaign", "run", "v2", "--all")
        assert len(forge.requests) == 2
        forge.requests[0] |= {"state": "closed", "merged_at": "2026-11-22T09:00:00Z"}
        fleet.run("campaign", "status", "v2", "--refresh")
        assert states(fleet) == {"easy": "merged", "hard": "open"}
        assert fleet.run("campaign", "close", "v2", "--delete-branches").code == 0
        assert forge.requests[1]["state"] == "closed"
    assert BRANCH not in branches(fleet.projects / "hard.git")
    assert fleet.run("campaign", "run", "v2").code == 2


def test_merge_requests_are_opened_at_gitlab(fleet: Fleet) -> None:
    fleet.add("easy")
    with FakeGitLab() as forge:
        on_forge(fleet, "gitlab", forge.url, ["easy"])
        fleet.run("campaign", "start", "v2")
        assert fleet.run("campaign", "run", "v2").code == 0
        (request,) = forge.requests
        assert request["title"] == f"Update the template from {OLD} to {NEW}"
        assert (request["source_branch"], request["target_branch"]) == (BRANCH, "main")
        assert fleet.run("campaign", "close", "v2").code == 0
        assert request["state"] == "closed"


def test_token_is_in_no_output_no_file_and_no_address(fleet: Fleet) -> None:
    fleet.add("easy")
    printed = ""
    with FakeGitHub() as forge:
        on_forge(fleet, "github", forge.url, ["easy"])
        for words in (["start"], ["run"], ["status", "--json"]):
            ran = fleet.run("campaign", words[0], "v2", *words[1:])
            printed += ran.out + ran.err
        forge.token = "another"
        refused = fleet.run("campaign", "status", "v2", "--refresh")
        assert refused.code == 3
        assert "401" in refused.err
        printed += refused.out + refused.err
        assert TOKEN not in printed
        assert all(TOKEN not in path for _, path, _ in forge.calls)
    kept = [p for p in (*fleet.cache.glob("*"), *fleet.root.glob("*")) if p.is_file()]
    assert kept
    assert [p.name for p in kept if TOKEN.encode() in p.read_bytes()] == []


def test_second_run_at_the_same_time_is_refused(fleet: Fleet) -> None:
    import fcntl  # noqa: PLC0415  # beside its use

    fleet.add("orders")
    fleet.run("campaign", "start", "v2")
    with (fleet.cache / "campaign.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = fleet.run("campaign", "run", "v2")
    assert refused.code == 2
    assert "another `fleet campaign` is running" in refused.err


def killed_after(words: list[str], lines: int) -> bool:
    """Run the command in a process of its own and kill it after some lines; tell whether it ended first."""
    program = [sys.executable, "-m", "slipway_fleet", *words]
    with subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        for _ in range(lines):
            if not process.stderr.readline():
                break
        process.kill()
        return process.wait() == 0


@pytest.mark.slow
def test_campaign_killed_at_20_random_points_ends_as_if_it_never_was(
    fleet: Fleet,
) -> None:
    """30 bare remotes; each run is killed after some of its steps, wherever that finds it."""
    chance = random.Random(head_commit())
    paths = fleet.add_many(30)
    trees = {p["project"]: p["tree"] for p in fleet.run("plan", "--json").json["projects"]}
    fleet.run("campaign", "start", "v2")
    words = ["campaign", "run", "v2", "--all", "--config", str(fleet.toml)]
    for _ in range(20):
        assert not killed_after(words, chance.randint(1, 3)), "it ended before it could be killed"
    ran = fleet.run("campaign", "run", "v2", "--all", "--json")
    assert ran.code == 0, ran.err
    commits = planned(fleet)
    for path in paths:
        name = path.name.removesuffix(".git")
        assert branches(path).keys() == {"main", BRANCH}
        assert branches(path)[BRANCH] == commits[name]
        assert git(path, "rev-parse", f"{BRANCH}^{{tree}}") == trees[name]
    assert set(states(fleet).values()) == {"pushed"}
    again = invoke(["fleet", *words, "--json"])
    assert again.json["did"]["pushed"] == 0
    fleet.run("campaign", "retry", "v2", *trees)
    assert fleet.run("campaign", "run", "v2", "--all", "--json").json["did"]["pushed"] == 0
