"""Projects are strangers: nothing of theirs runs, and a broken one is one result among many."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rendering import git
from slipway_fleet.errors import ProjectError
from slipway_fleet.git import Repository, Store, environment
from slipway_fleet.objects import LINK, SUBMODULE, write_object
from slipway_fleet.snapshot import folder_snapshot, index_snapshot

from tests.fleets import Fleet, branches, commit

Files = dict[str, tuple[str, bytes]]


def with_answers(files: Files, change: Callable[[bytes], bytes]) -> Files:
    """Return the files with another answers file."""
    mode, data = files[".copier-answers.yml"]
    return files | {".copier-answers.yml": (mode, change(data))}


def broken_clones(fleet: Fleet) -> dict[str, str]:
    """Add clones that git cannot read, and return the word each reason has to hold."""
    (fleet.projects / "no-clone").mkdir()
    (fleet.projects / "no-clone/HEAD").write_text("x\n")
    loop = fleet.projects / "endless-link"
    loop.mkdir()
    (loop / ".git").symlink_to(".git")
    damaged = fleet.add("damaged", shared=False)
    shutil.rmtree(damaged / "objects" / branches(damaged)["main"][:2])
    Store.create(fleet.projects / "empty.git")
    pipe = fleet.add("head-is-a-pipe")
    (pipe / "refs/heads/main").unlink()
    os.mkfifo(pipe / "refs/heads/main")
    return {
        "no-clone": "not a git repository",
        "endless-link": "not a git repository",
        "damaged": "cannot be read",
        "empty": "names no commit",
        "head-is-a-pipe": "names no commit",
    }


def broken(fleet: Fleet) -> dict[str, str]:
    """Add one project for each way of being broken, and return the word its reason has to hold."""
    files = fleet.rendered()
    no_answers = {path: leaf for path, leaf in files.items() if path != ".copier-answers.yml"}
    made: dict[str, tuple[Files, str]] = {
        "missing-answers": (no_answers, "fleet adopt"),
        "bad-yaml": (with_answers(files, lambda _: b"a: [b"), "not valid YAML"),
        "not-utf-8": (with_answers(files, lambda data: data + b"# \xff\n"), "not UTF-8"),
        "huge-answers": (with_answers(files, lambda _: b"#" * 3_000_000), "3000000 bytes"),
        "no-mapping": (with_answers(files, lambda _: b"- a\n- b\n"), "not a mapping"),
        "bomb": (
            with_answers(files, lambda _: b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"),
            "not a plain value",
        ),
        "unknown-release": (
            with_answers(files, lambda data: data.replace(b"v1.0.0", b"v9.9.9")),
            "no release or commit v9.9.9",
        ),
        "option-as-release": (
            with_answers(files, lambda data: data.replace(b"v1.0.0", b"--upload-pack=x")),
            "not a release",
        ),
        "slug-climbs": (
            with_answers(files, lambda data: data.replace(b'"acme_orders"', b'"../../x"')),
            "project_slug",
        ),
        "answer-is-code": (
            with_answers(files, lambda data: data.replace(b'"Acme"', b'"{{ 7 * 7 }}"')),
            "organization",
        ),
        "other-template": (
            with_answers(files, lambda data: data.replace(b"slipway", b"evil")),
            "not in fleet.toml",
        ),
    }
    for name, (some, _) in made.items():
        fleet.add(name, some)
    return {name: reason for name, (_, reason) in made.items()} | broken_clones(fleet)


def test_each_broken_project_is_named_with_its_reason_and_the_others_are_checked(
    fleet: Fleet,
) -> None:
    reasons = broken(fleet)
    good = fleet.add_many(3)
    for command in ("drift", "plan", "inventory"):
        ran = fleet.run(command, "--json")
        assert ran.code == 3, ran.err
        listed = {p.get("project") or p["id"]: p["problem"] for p in ran.json["projects"]}
        assert len(listed) == len(reasons) + len(good)
        if command == "inventory":  # it renders nothing, so answers that are wrong are not seen
            continue
        silent = {name: listed[name] for name, word in reasons.items() if word not in listed[name]}
        assert silent == {}
        assert [name for name, problem in listed.items() if problem and name not in reasons] == []


@pytest.mark.slow
def test_one_corrupt_project_among_100_leaves_99_results(fleet: Fleet) -> None:
    for number in range(99):
        fleet.add(f"svc-{number:03}")
    fleet.add("svc-corrupt", with_answers(fleet.rendered(), lambda _: b"\xff\xfe{"))
    ran = fleet.run("drift", "--json")
    assert ran.code == 3
    problems = {p["project"]: p["problem"] for p in ran.json["projects"] if p["problem"]}
    assert problems.keys() == {"svc-corrupt"}
    assert len(ran.json["projects"]) == 100
    assert "not UTF-8" in problems["svc-corrupt"]


def test_odd_contents_are_read_and_not_followed(fleet: Fleet) -> None:
    odd = fleet.rendered() | {
        "loop": (LINK, b"loop"),
        "out": (LINK, b"../../../../etc/passwd"),
        "large.bin": ("100644", b"\0" * 3_000_000),
        "new\nline": ("100644", b"x"),
        "caf\udce9": ("100644", b"x"),
        "vendor/sub": (SUBMODULE, b""),
    }
    fleet.add("odd", odd)
    assert fleet.run("drift").code == 0
    assert fleet.run("plan").code == 1
    with fleet.snapshot(fleet.projects / "odd.git") as snapshot:
        assert snapshot.read("out") is None
        assert snapshot.read("vendor/sub") is None
        with pytest.raises(ProjectError, match=r"large.bin is 3000000 bytes"):
            snapshot.read("large.bin")


SETTINGS = """
[core]
    fsmonitor = TRAP
    hooksPath = HOOKS
    sshCommand = TRAP
    pager = TRAP
    editor = TRAP
    askPass = TRAP
    alternateRefsCommand = TRAP
    attributesFile = ATTRIBUTES
    gitProxy = TRAP
[filter "trap"]
    clean = TRAP
    smudge = TRAP
    process = TRAP
    required = true
[diff]
    external = TRAP
[diff "trap"]
    textconv = TRAP
    command = TRAP
[merge "trap"]
    driver = TRAP
[merge]
    default = trap
[credential]
    helper = !TRAP
[uploadpack]
    packObjectsHook = TRAP
[extensions]
    partialClone = evil
[remote "evil"]
    url = ext::TRAP
    promisor = true
    uploadpack = TRAP
    receivepack = TRAP
[protocol "ext"]
    allow = always
[include]
    path = MORE
[alias]
    ls-tree = !TRAP
    cat-file = !TRAP
"""
"""Every setting that names a program, or switches one on."""


def trapped(fleet: Fleet, canary: Path) -> Path:
    """Make a working clone in which every setting that can name a program names one."""
    bare = fleet.add("bare")
    path = fleet.projects / "trapped"
    git(fleet.root, "clone", "-q", str(bare), str(path))
    script = fleet.root / "trap.sh"
    script.write_text(f'#!/bin/sh\necho "$0 $*" >> "{canary}"\ncat\n')
    script.chmod(0o755)
    settings = SETTINGS
    hooks, attributes, more = (fleet.root / name for name in ("hooks", "attributes", "more"))
    hooks.mkdir()
    attributes.write_text("* filter=trap diff=trap merge=trap\n")
    more.write_text(f"[core]\n\tfsmonitor = {script}\n")
    names = {"TRAP": script, "HOOKS": hooks, "ATTRIBUTES": attributes, "MORE": more}
    for word, value in names.items():
        settings = settings.replace(word, str(value))
    for folder in (path / ".git", bare):
        config = folder / "config"
        config.write_text(config.read_text() + settings)
        (folder / "info").mkdir(exist_ok=True)
        (folder / "info/attributes").write_text("* filter=trap merge=trap\n")
        for name in HOOKS:
            for place in (folder / "hooks", hooks):
                place.mkdir(exist_ok=True)
                shutil.copy(script, place / name)
    return path


HOOKS = (
    *("post-checkout", "pre-commit", "post-commit", "pre-push", "pre-receive", "update"),
    *("post-receive", "post-update", "reference-transaction", "proc-receive", "pre-auto-gc"),
    *("post-merge", "post-rewrite", "fsmonitor-watchman", "post-index-change", "push-to-checkout"),
)


def trap_files(canary: Path, tmp_path: Path) -> Files:
    """Return files that would write to the canary if anything ran, imported or rendered them."""
    code = f'open("{canary}", "a").write("python\\n")\n'.encode()
    return {
        "sitecustomize.py": ("100644", code),
        "usercustomize.py": ("100644", code),
        "conftest.py": ("100644", code),
        "setup.py": ("100644", code),
        "yaml.py": ("100644", code),
        "jinja2.py": ("100644", code),
        "hooks/post_gen_project.py": ("100755", b"#!/usr/bin/env python3\n" + code),
        "copier.yml": (
            "100644",
            f"_tasks: ['touch {canary}']\n_jinja_extensions: [evil]\n".encode(),
        ),
        "copier-extensions/evil.py": ("100644", code),
        ".gitattributes": ("100644", b"* filter=trap diff=trap merge=trap\n"),
        ".gitmodules": ("100644", f'[submodule "x"]\n\turl = ext::{tmp_path}/trap.sh\n'.encode()),
        "cookiecutter.json": ("100644", b'{"_extensions": ["evil"]}'),
        "AGENTS.md": ("100644", b"{% for c in ().__class__.__mro__ %}{% endfor %}"),
    }


def test_nothing_of_a_project_full_of_traps_is_executed(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    path = trapped(fleet, canary)
    traps = trap_files(canary, tmp_path)
    files = fleet.rendered() | traps
    commit(fleet.projects / "bare.git", files)
    for name, (_, data) in traps.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(data)
    monkeypatch.chdir(path)
    fleet.run("drift", "--diff")
    fleet.run("plan", "--restore")
    fleet.run("inventory", "--refresh")
    fleet.run("campaign", "start", "v2")
    assert fleet.run("campaign", "run", "v2", "--all").code == 0
    index_snapshot(path, Store.create(tmp_path / "reading.git")).close()
    folder_snapshot(path).close()
    assert not canary.exists(), canary.read_text()
    plain = subprocess.run(
        ["git", "-C", str(path), "status"], capture_output=True, env=environment(), check=False
    )
    assert canary.exists(), f"the traps do not work at all: {plain.stderr.decode()}"


def test_reference_that_climbs_is_refused(fleet: Fleet) -> None:
    path = fleet.add("orders")
    (path / "HEAD").write_text("ref: refs/../../../../etc/passwd\n")
    with pytest.raises(ProjectError, match="is no reference"):
        Repository.find(path).head()


def test_damaged_object_is_an_error_and_not_an_empty_file(fleet: Fleet) -> None:
    files = fleet.rendered() | {"x.txt": ("100644", b"only here\n")}
    path = fleet.add("orders", files, shared=False)
    sha = write_object(path / "objects", "blob", b"only here\n")
    (path / "objects" / sha[:2] / sha[2:]).unlink()
    with fleet.snapshot(path) as snapshot, pytest.raises(ProjectError, match="missing or damaged"):
        snapshot.read("x.txt")
