"""Check projects against the rules: those of the fleet in worker processes, or one work tree."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import __version__
from .config import FleetConfig
from .drift import Drift, examine, with_diffs
from .errors import ProjectError
from .findings import Finding, Level, Outcome
from .git import Store
from .rules.errors import WaiverFileError
from .rules.loader import load_rules, rules_digest
from .rules.model import Rule
from .rules.runner import Runner
from .rules.waivers import LOCAL_FILE, Waiver, read_waivers
from .run import Opened
from .snapshot import MAX_FILE_BYTES as MAX_BYTES
from .snapshot import Entry, HeldBlobs, Snapshot, folder_snapshot, index_snapshot


@dataclass(frozen=True)
class ProjectResult:
    """What came of checking one project.

    Attributes:
        project: Its id.
        owner: Who answers for it.
        head: The commit; empty for a work tree.
        release: The recorded release of the template; empty when unknown.
        newest: The newest release; empty when unknown.
        problem: Why it could not be checked at all; empty when it was.
        findings: What came of every rule.
        waivers: Its own.
    """

    project: str
    owner: str = ""
    head: str = ""
    release: str = ""
    newest: str = ""
    problem: str = ""
    findings: list[Finding] = field(default_factory=list)
    waivers: list[Waiver] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """What a run asks of each project; it is sent to the worker processes.

    Attributes:
        today: The day of the run.
        online: Whether the vulnerability database may be asked.
        service: Its address; empty for uv's own.
        diff: Whether drift is shown as differences.
    """

    today: dt.date
    online: bool = False
    service: str = ""
    diff: bool = False


def selected_rules(config: FleetConfig) -> list[Rule]:
    """Return the rules that hold in a fleet; raises `ConfigError`."""
    return [
        rule
        for rule in load_rules(config.rules.packs, config.root)
        if rule.id not in config.rules.disable
    ]


@functools.lru_cache(maxsize=2)
def _runner(config: str, root: str, today: dt.date) -> tuple[Runner, str]:
    """Return what one process needs once: rules, and what is known about contents."""
    settings = FleetConfig.model_validate({**json.loads(config), "root": root})
    rules = selected_rules(settings)
    return Runner(rules, today, settings.rules.levels), rules_digest(rules)


def runner_for(config: FleetConfig, today: dt.date) -> tuple[Runner, str]:
    """Return the runner of this process, and the digest of its rules."""
    return _runner(config.model_dump_json(), str(config.root), today)


def check_opened(opened: Opened, *, asked: Asked) -> ProjectResult:
    """Check one project of the fleet; for `run.every`. Raises `ProjectError`."""
    runner, digest = runner_for(opened.workspace.config, asked.today)
    snapshot, project = opened.snapshot, opened.project
    release, newest, facts = _facts(opened, asked)
    kept = opened.workspace.cache / "checked" / f"{_digest(project.id)}.json"
    key = _digest(__version__, digest, snapshot.head, json.dumps(facts, sort_keys=True))
    findings = None if asked.online else _recall(kept, key, runner)
    if findings is None:
        findings = runner.check(snapshot, facts)
        if not asked.online:
            _keep(kept, key, findings)
    waivers, wrong = own_waivers(snapshot)
    return ProjectResult(
        project=project.id,
        owner=project.owner,
        head=snapshot.head,
        release=release,
        newest=newest,
        findings=[*findings, *wrong],
        waivers=waivers,
    )


def _facts(opened: Opened, asked: Asked) -> tuple[str, str, dict[str, object]]:
    """Return the release, the newest one, and what rules may ask for.

    A project whose record is broken is checked all the same: the rule about the record says so,
    and the rules about drift can not say anything.
    """
    facts: dict[str, object] = {"audit": asked.service} if asked.online else {}
    try:
        drift = (with_diffs if asked.diff else examine)(opened)
        facts["drift"] = drift_fact(drift)
        mirror = opened.renders.mirror_of(drift.template)
        releases = list(mirror.releases())
        newest = releases[0] if releases else ""
        if drift.version in releases:
            behind = releases.index(drift.version)
            facts["release"] = {"current": drift.version, "latest": newest, "behind": behind}
    except ProjectError as error:
        facts["drift-problem"] = str(error)
        return "", "", facts
    return drift.version, newest, facts


def drift_fact(drift: Drift) -> list[dict[str, str]]:
    """Return what the rule about managed files asks for."""
    return [
        {"path": one.path, "state": one.state.value, "class": one.kind, "diff": one.diff}
        for one in drift.files
    ]


def own_waivers(snapshot: Snapshot) -> tuple[list[Waiver], list[Finding]]:
    """Return a project's own waivers; a file that can not be read is an error of that project."""
    try:
        text = snapshot.text(LOCAL_FILE)
        return (
            [] if text is None else read_waivers(LOCAL_FILE, text, local_to=snapshot.project)
        ), []
    except (ProjectError, WaiverFileError) as error:
        wrong = Finding(
            "WAIVER", snapshot.project, Outcome.ERROR, Level.ERROR, f"{error}.", path=LOCAL_FILE
        )
        return [], [wrong]


def _digest(*parts: str) -> str:
    text = "\0".join(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _recall(path: Path, key: str, runner: Runner) -> list[Finding] | None:
    """Return what was found in the same commit by the same rules; levels are those of today."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or data.get("key") != key:
        return None
    levels = {rule.id: runner.level(rule) for rule in runner.rules}
    return [
        dataclasses.replace(_finding(one), level=levels[one["rule"]]) for one in data["findings"]
    ]


def _keep(path: Path, key: str, findings: Sequence[Finding]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"key": key, "findings": [finding.as_json() for finding in findings]})
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, encoding="utf-8", errors="surrogateescape", delete=False
    ) as file:
        file.write(text)
    Path(file.name).replace(path)


def _finding(data: dict[str, Any]) -> Finding:
    return Finding(**{**data, "outcome": Outcome(data["outcome"]), "level": Level(data["level"])})


def findings_from(data: Iterable[dict[str, Any]]) -> list[Finding]:
    """Return findings that were written as plain data."""
    return [_finding(one) for one in data]


def check_folder(
    folder: Path, config: FleetConfig, asked: Asked, name: str = "", *, staged: bool = False
) -> ProjectResult:
    """Check one work tree without a fleet: what git tracks, as it lies there, or as it is staged.

    Raises:
        ProjectError: When it can not be read.
    """
    snapshot = work_tree(folder, name or folder.resolve().name, staged=staged)
    runner, _ = runner_for(config, asked.today)
    facts: dict[str, object] = {"audit": asked.service} if asked.online else {}
    findings = runner.check(snapshot, facts)
    waivers, wrong = own_waivers(snapshot)
    release = ""
    with contextlib.suppress(ProjectError):  # the rule about the record says what is wrong with it
        release = snapshot.template.commit
    return ProjectResult(
        snapshot.project, release=release, findings=[*findings, *wrong], waivers=waivers
    )


def work_tree(folder: Path, name: str, *, staged: bool = False) -> Snapshot:
    """Return the tracked files of a work tree as they lie there; all files where there is no git."""
    if not folder.is_dir():
        raise ProjectError(f"{folder} is not a folder")
    if not (folder / ".git").exists():
        return folder_snapshot(folder, project=name)
    with tempfile.TemporaryDirectory(prefix="fleet-") as temporary:
        index = index_snapshot(folder, Store.create(Path(temporary, "store.git")), project=name)
        if staged:
            held = {e.sha: index.read(p) or b"" for p, e in index.files.items() if e.is_file}
            index.close()
            return Snapshot(name, index.files, HeldBlobs(dict(held)))
        index.close()
    return _as_it_lies(folder, name, index)


def _as_it_lies(folder: Path, name: str, index: Snapshot) -> Snapshot:
    """Return the files that the index names, with what the work tree holds."""
    from .objects import blob_id  # noqa: PLC0415  # a fleet-wide run reads no work tree

    files: dict[str, Entry] = {}
    held: dict[str, bytes | Path] = {}
    for path, entry in index.files.items():
        place = folder / path
        if place.is_symlink() or not entry.is_file:
            files[path] = entry._replace(mode="120000" if place.is_symlink() else entry.mode)
        elif place.is_file() and not _through_link(folder, path):
            size = place.stat().st_size
            data = place.read_bytes() if size <= MAX_BYTES else b""
            mode = "100755" if place.stat().st_mode & 0o100 else "100644"
            sha = blob_id(data)
            files[path], held[sha] = Entry(mode, sha, size), data
    return Snapshot(name, files, HeldBlobs(held))


def _through_link(folder: Path, path: str) -> bool:
    """Return whether a folder on the way is a link, which git would not have followed either."""
    parts = Path(path).parts[:-1]
    return any((folder / Path(*parts[: n + 1])).is_symlink() for n in range(len(parts)))
