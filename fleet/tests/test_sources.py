"""Projects come from folders, files, GitHub and GitLab; forges over real HTTP."""

from pathlib import Path

import pytest
from rendering import git
from slipway_fleet.credentials import Credentials
from slipway_fleet.git import Store, environment

from tests.fleets import Fleet, commit
from tests.forge_servers import FakeForge, FakeGitHub, FakeGitLab

TOKEN = "s3cret-token"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the token where fleet.toml says it is."""
    monkeypatch.setenv("FLEET_TEST_TOKEN", TOKEN)


def ids(fleet: Fleet, *arguments: str) -> list[str]:
    """Return the ids of the inventory."""
    ran = fleet.run("inventory", "--json", *arguments)
    assert ran.code == 0, ran
    return [project["id"] for project in ran.json["projects"]]


def test_folder_gives_bare_and_working_clones_at_each_level(fleet: Fleet) -> None:
    bare = fleet.add("billing")
    git(fleet.root, "clone", "-q", str(bare), str(fleet.projects / "money/ledger"))
    fleet.configure(
        source='[[source]]\ntype = "dir"\npath = "projects"\ndepth = 2\nowner = "@team"\n'
    )
    listed = fleet.run("inventory", "--json").json["projects"]
    assert [(p["id"], p["owner"], p["url"]) for p in listed] == [
        ("billing", "@team", str(bare)),
        ("money/ledger", "@team", str(bare)),
    ]
    assert {p["newest"] for p in listed} == {"v2.0.0"}


def test_include_and_exclude_choose_projects(fleet: Fleet) -> None:
    for name in ("orders", "orders-old", "billing"):
        fleet.add(name)
    choice = 'include = ["orders*"]\nexclude = ["*-old"]\n'
    fleet.configure(source=f'[[source]]\ntype = "dir"\npath = "projects"\n{choice}')
    assert ids(fleet) == ["orders"]


def test_file_gives_clones_that_are_fetched_and_kept(fleet: Fleet) -> None:
    path = fleet.add("orders")
    (fleet.root / "list.yaml").write_text(f"- {{id: o, url: 'file://{path}', owner: '@orders'}}\n")
    fleet.configure(source='[[source]]\ntype = "yaml"\npath = "list.yaml"\n')
    (first,) = fleet.run("inventory", "--json").json["projects"]
    assert Path(first["path"]).is_relative_to(fleet.cache)
    assert fleet.run("drift").code == 0
    newer = commit(path, fleet.rendered() | {"x": ("100644", b"1")})
    assert fleet.run("inventory", "--json").json["projects"][0]["head"] == first["head"]
    (again,) = fleet.run("inventory", "--refresh", "--json").json["projects"]
    assert again["head"] == newer


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{id: a}", "a url or a path"),
        ("{id: a, url: 'ext::sh -c true'}", "not an address"),
        ("{id: a, url: '--upload-pack=x'}", "not an address"),
        ("{id: a, url: 'https://bob:pw@example.com/a'}", "token_env"),
        ("{id: a, url: 'http://example.com/a'}", "not allowed"),
        ("{id: a, urll: x}", "unknown key 'urll'"),
    ],
)
def test_line_of_a_list_that_is_wrong_is_named(fleet: Fleet, line: str, word: str) -> None:
    (fleet.root / "list.yaml").write_text(f"- {line}\n")
    fleet.configure(source='[[source]]\ntype = "yaml"\npath = "list.yaml"\n')
    ran = fleet.run("inventory")
    assert ran.code == 2
    assert "project 1" in ran.err
    assert word in ran.err


def on(fleet: Fleet, forge: FakeForge, more: str = "") -> None:
    """Configure a forge as the only source."""
    where = 'type = "github-org"\norganization = "acme"'
    if isinstance(forge, FakeGitLab):
        where = 'type = "gitlab-group"\ngroup = "acme/services"'
    head = f'[[source]]\n{where}\napi = "{forge.url}"\ntoken_env = "FLEET_TEST_TOKEN"\n'
    fleet.configure(source=f"{head}{more}\n")


@pytest.mark.parametrize("kind", [FakeGitHub, FakeGitLab])
def test_forge_gives_every_page_and_is_asked_once(
    fleet: Fleet, kind: type[FakeGitHub] | type[FakeGitLab]
) -> None:
    path = fleet.add("orders")
    with kind() as forge:
        for number in range(7):
            forge.add(f"svc-{number}", f"file://{path}")
        forge.add("old", f"file://{path}", archived=True)
        forge.add("empty", f"file://{path}", default_branch=None)
        on(fleet, forge)
        assert ids(fleet) == [f"svc-{number}" for number in range(7)]
        calls = len(forge.calls)
        assert calls == 3
        assert ids(fleet) == [f"svc-{number}" for number in range(7)]
        assert len(forge.calls) == calls, "the listing is kept"
        assert ids(fleet, "--refresh")
        assert len(forge.calls) == 2 * calls


def test_topic_chooses_repositories(fleet: Fleet) -> None:
    path = fleet.add("orders")
    with FakeGitHub() as forge:
        forge.add("a", f"file://{path}", topics=["slipway"])
        forge.add("b", f"file://{path}", topics=["other"])
        on(fleet, forge, 'topic = "slipway"')
        assert ids(fleet) == ["a"]


def test_refused_token_and_missing_token_say_what_to_do(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeGitHub() as forge:
        on(fleet, forge)
        forge.token = "another"
        refused = fleet.run("inventory")
        assert refused.code == 3
        assert "401 Bad credentials" in refused.err
        assert TOKEN not in refused.err
        monkeypatch.delenv("FLEET_TEST_TOKEN")
        missing = fleet.run("inventory")
    assert missing.code == 2
    assert "the variable FLEET_TEST_TOKEN holds no token" in missing.err


def test_repository_that_cannot_be_fetched_is_one_problem(fleet: Fleet, tmp_path: Path) -> None:
    path = fleet.add("orders")
    with FakeGitHub() as forge:
        forge.add("good", f"file://{path}")
        forge.add("gone", f"file://{tmp_path}/nowhere.git")
        forge.add("trap", "ext::sh -c 'touch canary'")
        on(fleet, forge)
        ran = fleet.run("drift", "--json")
    assert ran.code == 3
    problems = {p["project"]: p["problem"] for p in ran.json["projects"]}
    assert problems["good"] == ""
    assert "cannot be fetched" in problems["gone"]
    assert "address is refused" in problems["trap"]


def test_blobless_clone_is_read_and_what_it_lacks_is_fetched(fleet: Fleet) -> None:
    bare = fleet.add("origin", shared=False)
    (bare / "config").write_text(
        (bare / "config").read_text() + "[uploadpack]\n\tallowFilter = true\n"
    )
    clone = fleet.projects / "blobless.git"
    git(fleet.root, "clone", "-q", "--bare", "--filter=blob:none", f"file://{bare}", str(clone))
    before = sorted(p for p in clone.rglob("*") if p.is_file())
    ran = fleet.run("drift", "blobless", "--json")
    assert ran.code == 0, ran
    assert sorted(p for p in clone.rglob("*") if p.is_file()) == before, "it is not written to"


def test_token_is_given_to_its_own_host_only(tmp_path: Path) -> None:
    given = Credentials("FLEET_TEST_TOKEN").environment("https://git.example.com/a.git", tmp_path)
    assert TOKEN not in given["GIT_ASKPASS"]
    store = Store.create(tmp_path / "store.git")

    def asked(host: str) -> bytes:
        text = f"protocol=https\nhost={host}\n\n".encode()
        return store.run("credential", "fill", stdin=text, ok=(0, 128), more=given)

    assert f"password={TOKEN}".encode() in asked("git.example.com")
    for host in ("evil.example.com", "git.example.com.evil.org", "evil.org/git.example.com"):
        assert TOKEN.encode() not in asked(host)
    assert Credentials("FLEET_TEST_TOKEN").environment(f"file://{tmp_path}", tmp_path) == {}


def test_git_sees_no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "evil")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    seen = environment()
    assert "GIT_EXTERNAL_DIFF" not in seen
    assert "GIT_CONFIG_COUNT" not in seen
    assert seen["GIT_CONFIG_NOSYSTEM"] == "1"
