"""This repository keeps house: no traces of a machine, no secrets, no unexplained exceptions."""

import io
import json
import re
import shlex
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from combinations import BODY, ROOT, load_manifest
from rendering import git, text_of, tracked_files

FILES = tracked_files()

MACHINE = re.compile(
    r"(?<![\w.~-])/(?:work|root|tmp/dev)(?=/|\b(?![\w-]))(?!/\.cache/)|(?<![\w.~-])/(?:home|Users)/(?!app\b|user\b|you\b|me\b)[a-z]\w*/"
)
INDEX = re.compile(
    r"files\.pythonhosted\.org|pypi\.org/simple|registry\.npmjs\.org|proxy\.golang\.org"
)
SECRETS = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{64,}"),
    "AWS key": re.compile(r"\bAKIA(?!IOSFODNN7EXAMPLE)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{60,}"),
    "GitLab token": re.compile(r"\bglpat-[\w-]{20}\b"),
    "PyPI token": re.compile(r"\bpypi-AgE\w{50,}"),
    "Slack token": re.compile(r"\bxox[abprs]-\d{10,}-\w{20,}"),
    "Stripe key": re.compile(r"\b[sr]k_live_\w{24,}"),
}
HERE = "tests/test_house.py"
"""This file holds the patterns themselves."""


def texts() -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every text file of the repository but this one."""
    for name in FILES:
        text = text_of(ROOT / name)
        if text is not None and name != HERE:
            yield name, text


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Return each place that matches, as `path:line: match`."""
    return [
        f"{name}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]!r}"
        for name, text in texts()
        for hit in pattern.finditer(text)
    ]


def test_no_file_names_a_folder_of_a_machine() -> None:
    assert lines_with(MACHINE) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /work/x", True),
        ("cd /root", True),
        ("/home/bob/src", True),
        ("WORKDIR /home/app/src", False),
        ("a/work/x", False),
        ("target=/root/.cache/uv", False),  # in a container
        ("/roots", False),
        ("https://example.com/root/x", False),
    ],
)
def test_pattern_of_machine_folders(text: str, found: bool) -> None:  # a table
    assert bool(MACHINE.search(text)) is found


def test_no_file_names_a_package_index() -> None:
    """Where packages come from is for the machine that installs them to say."""
    assert lines_with(INDEX) == []


def test_no_lock_file_with_registry_addresses_is_tracked() -> None:
    assert [n for n in FILES if Path(n).name in {"uv.lock", "poetry.lock"}] == []
    for name in FILES:
        if Path(name).name in {"package-lock.json", "npm-shrinkwrap.json"}:
            packages = json.loads((ROOT / name).read_text("utf-8"))["packages"].items()
            pinned = [package for path, package in packages if path]
            assert pinned
            assert all("integrity" in package and "resolved" not in package for package in pinned)


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_is_tracked(kind: str) -> None:
    assert lines_with(SECRETS[kind]) == []


def test_nothing_generated_is_tracked() -> None:
    names = git(ROOT, "ls-files").splitlines()
    junk = re.compile(
        r"(^|/)(__pycache__|\.venv|\.tools|\.demo|node_modules|\.hypothesis)/|\.pyc$|\.egg-info/"
    )
    assert [name for name in names if junk.search(name)] == []


def test_text_files_end_in_one_newline_and_have_no_carriage_return() -> None:
    wrong = [
        n for n, text in texts() if text and (not text.endswith("\n") or text.endswith("\n\n"))
    ]
    assert wrong == []
    assert [n for n, text in texts() if "\r" in text] == []


def test_every_script_with_a_shebang_is_executable_and_no_other_file_is() -> None:
    wrong = []
    for name, text in texts():
        executable = bool((ROOT / name).stat().st_mode & 0o111)
        if executable != text.startswith("#!"):
            wrong.append(name)
    assert wrong == []


# --- exceptions carry their reason ---------------------------------------------------------------

IGNORE = re.compile(
    r"#\s*(noqa\b|type:\s*ignore|ty:\s*ignore|pragma:\s*no cover|fmt:\s*off|pylint:)"
)
REASONED = re.compile(
    r"#\s*(?:noqa:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*|(?:type|ty):\s*ignore\[[\w, -]+\]|pragma:\s*no cover)"
    r"\s*(?:#|:|-)\s*\S.{3,}"
)


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each Python comment; strings that look like one are not."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def unexplained(name: str, text: str) -> list[str]:
    """Return each comment that switches a check off and does not say why."""
    return [
        f"{name}:{line}: {comment}"
        for line, comment in comments(text)
        if IGNORE.search(comment) and not REASONED.search(comment)
    ]


def test_every_switched_off_check_says_why() -> None:
    python = [(name, text) for name, text in texts() if name.endswith(".py")]
    assert [place for name, text in python for place in unexplained(name, text)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import x  # noqa: F401",
        "import x  # noqa",
        "x = 1  # type: ignore",
        "x = 1  # type: ignore[misc]",
    ],
)
def test_unexplained_exception_would_be_noticed(line: str) -> None:
    assert unexplained("x.py", f"{line}\n")
    assert not unexplained("x.py", "import x  # noqa: F401  # re-exported\n")


def test_files_stay_short() -> None:
    """Hold 400 lines a file, for code of this repository and of the template."""
    long = [n for n, text in texts() if n.endswith((".py", ".sh")) and text.count("\n") > 400]
    assert long == []


# --- what is written for people is what runs -----------------------------------------------------

BLOCK = re.compile(r"^```(?:sh|shell|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(markdown: str) -> list[str]:
    """Return the commands of a page's shell blocks, without prompts, comments and output."""
    found = []
    for block in BLOCK.findall(markdown):
        prompts = [line for line in block.splitlines() if line.startswith("$ ")]
        for line in prompts or block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                found.append(" ".join(words))
    return found


RUN_BY = {
    "scripts/demo": ("tests/test_scripts.py", "scripts/demo"),
    "scripts/test": (".ci/run", "scripts/test"),
    "uvx cookiecutter URL": ("tests/test_parity.py", '"cookiecutter", template'),
    "uvx copier copy URL my-service": ("tests/test_parity.py", '"copier", "copy"'),
}
"""Each command of the README: the file that runs it, and how it is spelt there."""


def test_commands_of_the_readme_are_the_ones_ci_runs() -> None:
    url = load_manifest()["_src_path"]
    text = (ROOT / "README.md").read_text("utf-8")
    assert {command.replace(url, "URL") for command in commands(text)} == set(RUN_BY)
    for place, spelling in RUN_BY.values():
        assert spelling in (ROOT / place).read_text("utf-8"), f"{place} does not run it any more"


def test_the_template_body_has_one_place() -> None:
    assert BODY.is_dir()
    bodies = {name.partition("/")[0] for name in FILES if "cookiecutter." in name.partition("/")[0]}
    assert bodies - {"cookiecutter.json"} == {BODY.name}
